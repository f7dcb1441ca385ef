// SPDX-License-Identifier: MIT
// The page /integrate: what to fill in, the snippets of each client, the playground. The client that is shown is in the
// URL's fragment; nothing else is.

import { fill, h } from './dom.js';
import { t } from './i18n.js';
import { Playground } from './integrate-playground.js';
import { Settings } from './integrate-settings.js';
import { clients } from './integrate-snippets.js';
import { copyButton, startPage } from './shell.js';

const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

/** The tabs: one client each, and its snippets. */
class Snippets {
  constructor() {
    this.clients = clients();
    this.tabs = this.clients.map((client) => h('button', { type: 'button', role: 'tab', id: `tab-${client.id}`,
      'aria-controls': 'snippets-panel', onclick: () => this.choose(client, true) }, client.name));
    this.list = h('div', { role: 'tablist', 'aria-label': t('Client'), class: 'tabs',
      onkeydown: (event) => this.move(event) }, this.tabs);
    this.panel = h('div', { role: 'tabpanel', id: 'snippets-panel', class: 'panel' });
    this.element = h('section', { class: 'card snippets', 'aria-labelledby': 'snippets' },
      h('h2', { id: 'snippets' }, t('In your program or tool')), h('div', { class: 'tabbed' }, this.list, this.panel));
    this.chosen = this.fromFragment() ?? this.clients[0];
    window.addEventListener('hashchange', () => {
      const client = this.fromFragment();
      if (client) this.choose(client);
    });
  }

  fromFragment() {
    return this.clients.find((client) => `#${client.id}` === location.hash);
  }

  move(event) {
    const last = this.clients.length - 1;
    const at = this.clients.indexOf(this.chosen);
    const to = { Home: 0, End: last }[event.key] ?? (event.key in STEPS ? at + STEPS[event.key] : null);
    if (to === null) return;
    event.preventDefault();
    const next = (to + this.clients.length) % this.clients.length;
    this.choose(this.clients[next], true);
    this.tabs[next].focus();
  }

  choose(client, remember = false) {
    this.chosen = client;
    if (remember) history.replaceState(null, '', `#${client.id}`);
    this.show(this.settings);
    this.reveal();
  }

  /** The list may be wider than a small screen. */
  reveal() {
    const tab = this.tabs[this.clients.indexOf(this.chosen)];
    this.list.scrollTo({ left: tab.offsetLeft - this.list.clientWidth / 2 + tab.offsetWidth / 2 });
  }

  show(settings) {
    this.settings = settings;
    for (const [index, tab] of this.tabs.entries()) {
      const selected = this.clients[index] === this.chosen;
      tab.setAttribute('aria-selected', String(selected));
      tab.tabIndex = selected ? 0 : -1;
    }
    this.panel.setAttribute('aria-labelledby', `tab-${this.chosen.id}`);
    const note = this.chosen.note?.(settings);
    fill(this.panel, h('h3', {}, this.chosen.name), note && h('p', { class: 'help' }, note),
      this.chosen.make(settings).map((block) => snippet(block)));
  }
}

function snippet({ where, code, file }) {
  return h('figure', {},
    h('div', { class: 'caption' }, h('figcaption', {}, where), copyButton(code)),
    h('pre', { tabindex: 0, 'data-file': file }, h('code', {}, code)));
}

const main = await startPage(() => t('Use it'));
const snippets = new Snippets();
const settings = new Settings(() => snippets.show(settings.filled));
fill(main,
  h('h1', {}, t('Use it')),
  h('p', { class: 'intro' },
    t('Whatever speaks the OpenAI or the Anthropic API can use this relay. Choose a model and a key, then copy.')),
  settings.element, snippets.element, new Playground(settings).element);
settings.start();
snippets.reveal();
