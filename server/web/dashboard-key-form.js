// SPDX-License-Identifier: MIT
// The dialog that creates a key and shows its secret, once. What is valid is the relay's to say: its sentence appears
// next to the field that it names.

import { ask } from './api.js';
import { fill, h, setText } from './dom.js';
import { t } from './i18n.js';
import { copyButton } from './shell.js';

const number = (text) => (/^\d+$/.test(text) ? Number(text) : text);
const names = (text) => text.split(',').map((name) => name.trim()).filter(Boolean);
const same = (text) => text;

const limit = () => ({ help: t('Empty: no limit'), read: number, attributes: { inputmode: 'numeric' } });

const fields = () => [
  { name: 'name', label: t('Name'), help: t('Who or what uses it'), read: same, always: true,
    attributes: { required: true, autofocus: true } },
  { name: 'scope', label: t('Scope'), read: same,
    choices: [['client', t('client: sends requests')], ['worker', t('worker: connects a worker')]] },
  { name: 'models', label: t('Models'), read: names,
    help: t('Names with commas between them; * and ? stand for anything. Empty: all models') },
  { name: 'requests_per_minute', label: t('Requests a minute'), ...limit() },
  { name: 'max_concurrent', label: t('Requests at once'), ...limit() },
  { name: 'tokens_per_day', label: t('Tokens a day'), ...limit() },
  { name: 'priority', label: t('Priority'), read: same, initial: 'normal',
    choices: [['high', t('high')], ['normal', t('normal')], ['low', t('low')]] },
  { name: 'expires_at', label: t('Expires'), help: t('Empty: never'), read: (text) => new Date(text).toISOString(),
    attributes: { type: 'datetime-local' } },
];

function makeField(field) {
  const id = `key-${field.name}`;
  const problem = h('p', { id: `${id}-problem`, class: 'problem', role: 'alert' });
  const attributes = { id, name: field.name, autocomplete: 'off', 'aria-describedby': `${id}-help ${id}-problem`,
    ...field.attributes };
  const options = field.choices?.map(([value, label]) =>
    h('option', { value, selected: value === field.initial }, label));
  const input = options ? h('select', attributes, options) : h('input', attributes);
  const element = h('div', { class: 'field' }, h('label', { for: id }, field.label), input,
    h('p', { id: `${id}-help`, class: 'help' }, field.help ?? ''), problem);
  return { ...field, input, problem, element };
}

/** The body of POST /admin/keys: what was left empty is left out. */
function readFields(all) {
  const filled = all.filter((field) => field.always || field.input.value.trim() !== '');
  return Object.fromEntries(filled.map((field) => [field.name, field.read(field.input.value.trim())]));
}

function showProblem(all, general, message) {
  const wrong = all.find((field) => new RegExp(`\\b${field.name}\\b`).test(message));
  for (const field of all) {
    setText(field.problem, field === wrong ? message : '');
    if (field === wrong) field.input.setAttribute('aria-invalid', 'true');
    else field.input.removeAttribute('aria-invalid');
  }
  setText(general, wrong ? '' : message);
  wrong?.input.focus();
}

function showSecret(dialog, key) {
  const copy = copyButton(key.secret, t('Copy the secret'));
  copy.classList.add('primary');
  fill(dialog,
    h('h2', { id: 'key-title' }, t('{name} is ready', { name: key.name })),
    h('p', { class: 'warn', id: 'key-warning' }, t('Copy the secret now: it is not shown again.')),
    h('pre', { class: 'secret', tabindex: 0, 'aria-label': t('Secret') }, key.secret),
    h('form', { method: 'dialog', class: 'buttons' }, copy, h('button', {}, t('I have it'))));
  copy.focus();
}

/** Opens the dialog; done() is called when a key was created. */
export function openKeyForm(done) {
  const all = fields().map(makeField);
  const general = h('p', { class: 'problem', role: 'alert' });
  const create = h('button', { class: 'primary' }, t('Create'));
  const form = h('form', { novalidate: true, class: 'key-form' }, all.map((field) => field.element), general,
    h('p', { class: 'buttons' }, create, h('button', { type: 'button', onclick: () => dialog.close() }, t('Cancel'))));
  const dialog = h('dialog', { class: 'key-dialog', 'aria-labelledby': 'key-title' },
    h('h2', { id: 'key-title' }, t('New key')), form);

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    create.disabled = true;
    try {
      const key = await ask('/admin/keys', { method: 'POST', body: readFields(all) });
      showSecret(dialog, key);
      done();
    } catch (error) {
      create.disabled = false;
      showProblem(all, general, error.message);
    }
  });
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
