// SPDX-License-Identifier: MIT
// The API keys: their table, revoking, and what each used by day. The form for a new one is in dashboard-key-form.js.

import { ask, askAll } from './api.js';
import { fill, h, setText } from './dom.js';
import { formatNumber, formatTime, language, n, t } from './i18n.js';
import { confirm, notify } from './shell.js';
import { openKeyForm } from './dashboard-key-form.js';
import { makeTable } from './dashboard-table.js';

const REFRESH_MS = 15_000;

function state(key) {
  if (key.revoked) return t('revoked');
  return key.live ? t('in use') : t('expired');
}

function limits(key) {
  return [
    key.models && t('only {models}', { models: key.models.join(', ') }),
    key.requests_per_minute && t('{n} a minute', { n: formatNumber(key.requests_per_minute) }),
    key.max_concurrent && t('{n} at once', { n: formatNumber(key.max_concurrent) }),
    key.tokens_per_day && t('{n} tokens a day', { n: formatNumber(key.tokens_per_day) }),
    key.priority === 'high' && t('high priority'),
    key.priority === 'low' && t('low priority'),
    key.expires_at && t('until {time}', { time: formatTime(key.expires_at) }),
  ].filter(Boolean).join(' · ') || t('none');
}

function usageToday({ usage }) {
  const tokens = n('{n} token', '{n} tokens', usage.tokens_today);
  return usage.running > 0 ? `${tokens} · ${n('{n} running', '{n} running', usage.running)}` : tokens;
}

/** A day of UTC as the reader writes it. */
function formatDay(day) {
  const format = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeZone: 'UTC' });
  return format.format(new Date(`${day}T00:00:00Z`));
}

/** The rows of /admin/usage, the newest day first. */
function usageTable(rows) {
  const cells = (row) => [
    h('td', { class: 'main' }, formatDay(row.day)),
    h('td', {}, row.model ?? '–'),
    ...[row.requests, row.prompt_tokens, row.completion_tokens].map((number) =>
      h('td', { class: 'number' }, formatNumber(number))),
  ];
  return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': t('Usage by day') },
    h('table', {},
      h('thead', {}, h('tr', {},
        h('th', { scope: 'col' }, t('Day')), h('th', { scope: 'col' }, t('Model')),
        h('th', { scope: 'col', class: 'number' }, t('Requests')),
        h('th', { scope: 'col', class: 'number' }, t('Prompt tokens')),
        h('th', { scope: 'col', class: 'number' }, t('Answer tokens')))),
      h('tbody', {}, rows.reverse().map((row) => h('tr', {}, cells(row))))));
}

async function showUsage(key) {
  const place = h('div', {}, h('p', { class: 'quiet' }, t('Loading …')));
  const dialog = h('dialog', { class: 'wide', 'aria-labelledby': 'usage-title' },
    h('h2', { id: 'usage-title' }, t('Usage of {name}', { name: key.name })),
    h('p', { class: 'help' }, t('The last 30 days, in UTC')),
    place,
    h('form', { method: 'dialog', class: 'buttons' }, h('button', { class: 'primary' }, t('Close'))));
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  try {
    const rows = await askAll(`/admin/usage?key=${encodeURIComponent(key.id)}`, 'usage');
    fill(place, rows.length > 0 ? usageTable(rows) : h('p', { class: 'quiet' }, t('Nothing was used yet.')));
  } catch (error) {
    fill(place, h('p', { class: 'problem', role: 'alert' }, error.message));
  }
}

async function revoke(key, reload) {
  const question = t('Revoke {name}? Its requests and workers are cut off at once, and it cannot be brought back.',
    { name: key.name });
  if (!await confirm(question, t('Revoke'))) return;
  try {
    await ask(`/admin/keys/${encodeURIComponent(key.id)}`, { method: 'DELETE' });
    notify(t('{name} is revoked.', { name: key.name }));
  } catch (error) {
    notify(error.message, 'bad');
  }
  await reload();
}

function actions(key, reload) {
  const { name } = key;
  return h('div', { class: 'row-actions' },
    h('button', { type: 'button', class: 'small', 'aria-label': t('Usage of {name}', { name }),
      onclick: () => showUsage(key) }, t('Usage')),
    !key.revoked && h('button', { type: 'button', class: 'small danger', 'aria-label': t('Revoke {name}', { name }),
      onclick: () => revoke(key, reload) }, t('Revoke')));
}

const columns = (reload) => [
  { label: t('Name'), class: 'main', text: (key) => key.name },
  { label: t('Scope'), text: (key) => (key.scope === 'worker' ? t('worker') : t('client')) },
  { label: t('Begins with'), class: 'code', text: (key) => `${key.prefix}…` },
  { label: t('State'), class: 'state', text: state, mark: (key) => (key.live ? 'live' : 'dead') },
  { label: t('Limits'), class: 'limits', text: limits },
  { label: t('Today'), number: true, text: usageToday },
  { label: t('Last used'), number: true,
    text: (key) => (key.last_used_at ? formatTime(key.last_used_at) : t('never')) },
  { label: t('Actions'), class: 'actions', cell: (key) => actions(key, reload) },
];

/** Returns the element; the keys are looked at again now and then while the page is seen, until `over` says so. */
export function makeKeys(over) {
  let keys = [];
  let showsDead = false;
  const problem = h('p', { class: 'problem', role: 'alert' });
  const empty = h('p', { class: 'quiet', hidden: true }, t('There are no keys yet.'));
  const dead = h('button', { type: 'button', class: 'small', hidden: true, 'aria-pressed': 'false', onclick: () => {
    showsDead = !showsDead;
    dead.setAttribute('aria-pressed', String(showsDead));
    show();
  } });
  const table = makeTable(t('API keys'), columns(reload));
  const create = h('button', { type: 'button', class: 'primary', onclick: () => openKeyForm(reload) }, t('New key'));

  function show() {
    const gone = keys.filter((key) => !key.live);
    const shown = showsDead ? keys : keys.filter((key) => key.live);
    // A key that was revoked has other buttons: its row is another one.
    table.update(new Map(shown.map((key) => [`${key.id} ${key.revoked}`, key])));
    table.element.hidden = shown.length === 0;
    empty.hidden = shown.length > 0;
    dead.hidden = gone.length === 0;
    setText(dead, n('{n} revoked or expired', '{n} revoked or expired', gone.length));
  }

  async function reload() {
    try {
      keys = await askAll('/admin/keys', 'keys');
      setText(problem, '');
    } catch (error) {
      setText(problem, error.status === 0 ? '' : error.message);
    }
    show();
  }

  const timer = setInterval(() => {
    if (!document.hidden) reload();
  }, REFRESH_MS);
  over.addEventListener('abort', () => clearInterval(timer));
  reload();
  const above = h('div', { class: 'bar-above' }, create, dead);
  return { element: h('div', { class: 'card' }, above, problem, empty, table.element) };
}
