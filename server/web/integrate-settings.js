// SPDX-License-Identifier: MIT
// What the snippets are filled with: the relay's address, a model, a key. Asks the relay for its models.

import { adminToken, ask } from './api.js';
import { fill, h, setText } from './dom.js';
import { n, t } from './i18n.js';
import { KeyChooser } from './integrate-key.js';

/** The address as snippets need it, without a slash or /v1 at its end; null when it is none. */
export function readUrl(text) {
  const trimmed = text.trim().replace(/\/+$/, '').replace(/\/v1$/, '');
  try {
    const url = new URL(trimmed);
    return /^https?:$/.test(url.protocol) && !url.search && !url.hash ? url.href.replace(/\/+$/, '') : null;
  } catch {
    return null;
  }
}

export class Settings {
  /** changed() is called whenever a setting has changed. */
  constructor(changed) {
    this.changed = changed;
    this.url = location.origin;
    this.models = [];
    this.asked = 0;
    this.makeFields();
    this.key = new KeyChooser(() => this.keyChanged());
    this.element = h('section', { class: 'card settings', 'aria-labelledby': 'settings' },
      h('h2', { id: 'settings' }, t('Model, address and key')),
      h('div', { class: 'columns' },
        h('div', {},
          h('div', { class: 'field' }, h('label', { for: 'model' }, t('Model')),
            h('div', { class: 'with-button' }, this.model,
              h('button', { type: 'button', onclick: () => this.loadModels() }, t('Look again'))), this.modelState),
          h('div', { class: 'field' }, h('label', { for: 'url' }, t('Address of the relay')), this.address,
            this.addressProblem,
            h('p', { class: 'help', id: 'url-help' },
              t('As your programs reach it. The playground always uses this page’s.')))),
        this.key.element));
  }

  start() {
    this.key.start();
    this.changed();
    this.loadConfig();
    if (this.asked === 0) this.loadModels();
  }

  makeFields() {
    this.model = h('select', { id: 'model', 'aria-describedby': 'model-state', onchange: () => this.changed() });
    this.modelState = h('p', { id: 'model-state', class: 'help', role: 'status' });
    this.addressProblem = h('p', { class: 'problem', id: 'url-problem', role: 'alert' });
    this.address = h('input', { type: 'url', id: 'url', value: this.url, spellcheck: 'false', autocomplete: 'off',
      'aria-describedby': 'url-help url-problem', oninput: () => this.addressTyped() });
  }

  addressTyped() {
    const url = readUrl(this.address.value);
    this.address.setAttribute('aria-invalid', String(url === null));
    setText(this.addressProblem, url === null ? t('An address begins with http:// or https://.') : '');
    if (url === null || url === this.url) return;
    this.url = url;
    this.changed();
  }

  /** For snippets: {url, model, key}. */
  get filled() {
    return { url: this.url, model: this.model.value || 'YOUR_MODEL', key: this.key.shown };
  }

  /** Why there is no model to talk to; null when there is one. */
  get obstacle() {
    return this.models.length > 0 ? null : this.modelState.textContent;
  }

  keyChanged() {
    if (this.key.used !== this.askedWith) this.loadModels();
    this.changed();
  }

  /** What only an administrator may know: the address that the relay was told to be reached at. */
  async loadConfig() {
    if (!adminToken()) return;
    const config = await ask('/admin/config').catch(() => null);
    const url = config?.public_url && readUrl(config.public_url);
    if (!url || this.address.value !== location.origin) return;
    this.address.value = url;
    this.addressTyped();
  }

  async loadModels() {
    const key = this.key.used;
    const round = ++this.asked;
    this.askedWith = key;
    setText(this.modelState, t('Asking the relay …'));
    try {
      const { data } = await ask('/v1/models', { key });
      if (round !== this.asked) return;
      this.showModels(data.map((model) => model.id));
      if (key === '') this.key.suggest(false);
    } catch (error) {
      if (round !== this.asked) return;
      this.showModels([]);
      this.showProblem(error, key);
    }
  }

  showModels(models) {
    const chosen = this.model.value;
    const link = h('a', { href: '/setup' }, t('Set up a worker'));
    this.models = models;
    fill(this.model, models.map((model) => h('option', { value: model }, model)));
    if (models.length === 0) fill(this.model, h('option', { value: '' }, t('no model')));
    if (models.includes(chosen)) this.model.value = chosen;
    this.model.disabled = models.length === 0;
    if (models.length > 0) setText(this.modelState, n('{n} model is there.', '{n} models are there.', models.length));
    else fill(this.modelState, t('No worker offers a model yet.'), ' ', link);
    this.changed();
  }

  showProblem(error, key) {
    if (error.status === 401) {
      setText(this.modelState,
        key ? t('The relay does not take this key.') : t('This relay wants a key. Paste or create one.'));
      if (!key) this.key.suggest(true);
    } else {
      setText(this.modelState, error.status === 0 ? t('The relay cannot be reached.') : error.message);
    }
  }
}
