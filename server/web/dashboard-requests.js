// SPDX-License-Identifier: MIT
// The requests that wait or run, and the last ones that ended.

import { ask } from './api.js';
import { h, setText } from './dom.js';
import { formatDuration, formatNumber, language, n, t } from './i18n.js';
import { notify } from './shell.js';
import { makeTable } from './dashboard-table.js';

const SHOWN = 100;
const AGE = 4;
const UNITS = ['B', 'kB', 'MB', 'GB'];

const STATES = {
  queued: () => t('Waiting'),
  dispatched: () => t('Working'),
  streaming: () => t('Streaming'),
  done: () => t('Done'),
  failed: () => t('Failed'),
  cancelled: () => t('Cancelled'),
};

/** 1.2 MB; decimal, as disks and networks count. */
function formatBytes(bytes) {
  const power = bytes < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${formatNumber(bytes / 1000 ** power)} ${UNITS[power]}`;
}

function age({ since }) {
  return formatDuration(Math.max(1, Math.floor((performance.now() - since) / 1000)) * 1000);
}

async function cancel(button, request) {
  button.disabled = true;
  try {
    await ask(`/admin/requests/${encodeURIComponent(request.id)}`, { method: 'DELETE' });
    notify(t('The request was cancelled.'));
  } catch (error) {
    button.disabled = false;
    // It may just have ended by itself.
    if (error.status !== 404) notify(error.message, 'bad');
  }
}

function cancelButton(first, current) {
  const label = t('Cancel the request to {model}', { model: first.model });
  return h('button', { type: 'button', class: 'small', 'aria-label': label,
    onclick: (event) => cancel(event.currentTarget, current()) }, t('Cancel'));
}

const state = (request) => (STATES[request.state]?.() ?? request.state);

const whose = () => [
  { label: t('Model'), class: 'main', text: (request) => request.model ?? '–' },
  { label: t('Key'), text: (request) => request.key_name ?? '–' },
  { label: t('Worker'), text: (request) => request.worker_name ?? '–' },
];

function makeRunning() {
  return makeTable(t('Running requests'), [
    { label: t('State'), class: 'state', text: state, mark: (request) => request.state },
    ...whose(),
    { label: t('Age'), number: true, text: age },
    { label: t('Answer'), number: true, text: (request) => formatBytes(request.answer_bytes) },
    { label: t('Action'), class: 'actions', cell: cancelButton },
  ]);
}

function makeEnded() {
  return makeTable(t('Ended requests'), [
    { label: t('Outcome'), class: 'state', text: state, mark: (request) => request.state },
    ...whose(),
    { label: t('Took'), number: true, text: (request) => formatDuration(request.age_ms) },
    { label: t('Answer'), number: true, text: (request) => formatBytes(request.answer_bytes) },
    { label: t('At'), number: true, text: (request) => new Date(request.ended).toLocaleTimeString(language) },
  ]);
}

/** The first entries of a map, in its order. */
function head(map, length) {
  const first = new Map();
  for (const [key, value] of map) {
    if (first.size === length) break;
    first.set(key, value);
  }
  return first;
}

/** Returns the element, what brings it up to date, and what lets the ages go on. */
export function makeRequests() {
  const running = makeRunning();
  const ended = makeEnded();
  const count = h('p', { class: 'quiet' });
  const more = h('p', { class: 'quiet more' });
  // On a telephone that is many screens.
  const open = matchMedia('(width > 760px)').matches;
  const recent = h('details', { class: 'recent', open, hidden: true, ontoggle: () => recent.open && showEnded() },
    h('summary', {}, t('Ended last')), ended.element);

  let shown = [];
  const showEnded = () => ended.update(new Map(shown.map((request) => [request.id, request])));

  function update(store) {
    const total = store.requests.size + store.unknown;
    running.update(head(store.requests, SHOWN));
    running.element.hidden = total === 0;
    setText(count, total === 0 ? t('Nothing is running.') : n('{n} request', '{n} requests', total));
    const others = total - Math.min(SHOWN, store.requests.size);
    setText(more, others > 0 ? n('… and {n} more', '… and {n} more', others) : '');
    recent.hidden = store.recent.length === 0;
    if (store.recent === shown) return;
    shown = store.recent;
    if (recent.open) showEnded();
  }
  return {
    element: h('div', { class: 'card' }, count, running.element, more, recent),
    update,
    tick: () => running.tick(AGE),
  };
}
