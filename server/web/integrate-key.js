// SPDX-License-Identifier: MIT
// Which API key the snippets show and the playground uses: none, a placeholder, one that is pasted, or one that is made
// here. It stays in this tab: in memory and in its session storage.

import { ask } from './api.js';
import { fill, h } from './dom.js';
import { t } from './i18n.js';
import { copyButton, wantAdminToken } from './shell.js';

const STORED = 'modelrelay-client-key';
const PLACEHOLDER = 'YOUR_KEY';

/** A key goes into header fields: of anything else nothing can come but an error. */
const isKey = (text) => /^[\x21-\x7e]+$/.test(text);

const choices = () => [
  ['none', t('None: this relay wants no key')],
  ['placeholder', t('A placeholder, to be replaced later')],
  ['own', t('A key that I have')],
  ['new', t('Create a key')],
];

export class KeyChooser {
  /** changed() is called whenever shown or used may have changed. */
  constructor(changed) {
    this.changed = changed;
    this.place = h('div', { class: 'key-place' });
    this.radios = choices().map(([value, text]) => {
      const id = `key-${value}`;
      const input = h('input', { type: 'radio', name: 'key', value, id, onchange: () => this.pick(value) });
      return h('div', { class: 'choice' }, input, h('label', { for: id }, text));
    });
    this.element = h('fieldset', {}, h('legend', {}, t('API key')), this.radios, this.place);
    this.own = sessionStorage.getItem(STORED) ?? '';
    this.mode = null;
  }

  /** A key of before a reload is taken up again. */
  start() {
    if (this.own) this.pick('own');
  }

  /** What the relay wants, once that is known; a choice that was made stays. */
  suggest(required) {
    if (this.mode === null || (required && this.mode === 'none')) this.pick(required ? 'placeholder' : 'none');
  }

  /** The key in snippets; null for none. */
  get shown() {
    if (this.mode === 'none') return null;
    return this.used || PLACEHOLDER;
  }

  /** The key for requests of this page; empty for none. */
  get used() {
    return this.mode === 'own' && isKey(this.own) ? this.own : '';
  }

  pick(mode) {
    this.mode = mode;
    this.element.querySelector(`#key-${mode}`).checked = true;
    fill(this.place);
    if (mode === 'own') this.askOwn();
    if (mode === 'new') this.askNew();
    this.changed();
  }

  askOwn() {
    const problem = h('p', { class: 'problem', id: 'own-problem', role: 'alert' });
    const field = h('input', { type: 'password', id: 'own-key', autocomplete: 'off', spellcheck: 'false',
      value: this.own, 'aria-describedby': 'own-help own-problem', onchange: () => this.keep(field, problem) });
    fill(this.place, h('label', { for: 'own-key' }, t('Your key')), field, problem,
      h('p', { class: 'help', id: 'own-help' }, t('It stays in this tab only.')));
  }

  keep(field, problem) {
    this.own = field.value.trim();
    const good = this.own === '' || isKey(this.own);
    fill(problem, good ? '' : t('A key has no spaces and no letters with accents.'));
    field.setAttribute('aria-invalid', String(!good));
    if (good && this.own) sessionStorage.setItem(STORED, this.own);
    else sessionStorage.removeItem(STORED);
    this.changed();
  }

  async askNew() {
    await wantAdminToken(this.place);
    if (this.mode !== 'new') return;
    const problem = h('p', { class: 'problem', role: 'alert' });
    const name = h('input', { id: 'key-name', required: true, maxlength: 100, autocomplete: 'off' });
    const form = h('form', {},
      h('label', { for: 'key-name' }, t('A name for it, such as whose or what for')), name, problem,
      h('p', { class: 'buttons' }, h('button', { type: 'submit', class: 'primary' }, t('Create the key'))));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.create(name.value.trim(), problem);
    });
    fill(this.place, form);
    name.focus();
  }

  async create(name, problem) {
    fill(problem);
    try {
      const key = await ask('/admin/keys', { method: 'POST', body: { name, scope: 'client' } });
      this.own = key.secret;
      sessionStorage.setItem(STORED, this.own);
      this.pick('own');
      this.show(key);
    } catch (error) {
      fill(problem, error.status === 0 ? t('The relay cannot be reached.') : error.message);
    }
  }

  show(key) {
    const text = h('p', { tabindex: -1 },
      t('The key “{name}” is made. Copy it now: the relay cannot show it again.', { name: key.name }));
    this.place.prepend(h('div', { class: 'made', role: 'status' }, text,
      h('div', { class: 'snippet' }, h('pre', { tabindex: 0 }, key.secret), copyButton(key.secret))));
    text.focus();
  }
}
