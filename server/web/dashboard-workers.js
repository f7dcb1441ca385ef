// SPDX-License-Identifier: MIT
// A card for each worker. Only what changed is touched: a card is drawn again when its worker's facts are others.

import { ask } from './api.js';
import { fill, h, setText } from './dom.js';
import { formatDuration, formatNumber, formatTime, language, n, t } from './i18n.js';
import { confirm, notify } from './shell.js';

const MODELS_SHOWN = 4;

const FIGURES = [
  [() => t('Tokens/s'), ({ tokens_per_second: speed }) => (speed === null ? '–' : formatNumber(speed))],
  [() => t('Round trip'), ({ rtt_ms: ms }) => formatDuration(ms)],
  [() => t('Requests'), ({ requests_total: total }) => formatNumber(total)],
  [() => t('Errors'), ({ errors_total: total }) => formatNumber(total)],
];

async function act(worker, action, done) {
  try {
    await ask(`/admin/workers/${encodeURIComponent(worker.worker_id)}/${action}`, { method: 'POST' });
    notify(done);
  } catch (error) {
    notify(error.message, 'bad');
  }
}

async function drain(worker) {
  const { worker_name: name } = worker;
  const question = t('Drain {name}? It gets no new requests, finishes those that it has, and is then disconnected.',
    { name });
  if (await confirm(question, t('Drain'))) await act(worker, 'drain', t('{name} is draining.', { name }));
}

const refresh = (worker) =>
  act(worker, 'refresh', t('{name} looks at its models again.', { name: worker.worker_name }));

class Card {
  constructor(worker) {
    this.name = h('h3', {});
    this.badge = h('span', { class: 'badge warn', hidden: true }, t('draining'));
    this.about = h('p', { class: 'help about' });
    this.load = h('span', {});
    this.loadText = h('p', { class: 'load-text' });
    this.figures = FIGURES.map(() => h('dd', {}));
    this.models = h('div', { class: 'models' });
    this.drain = h('button', { type: 'button', onclick: () => drain(this.worker) }, t('Drain'));
    this.refresh = h('button', { type: 'button', onclick: () => refresh(this.worker) }, t('Refresh models'));
    this.element = h('li', { class: 'card worker' },
      h('div', { class: 'worker-head' }, this.name, this.badge),
      this.about,
      h('div', { class: 'load' }, h('div', { class: 'bar', 'aria-hidden': 'true' }, this.load), this.loadText),
      h('dl', { class: 'figures' },
        FIGURES.map(([label], i) => h('div', {}, h('dt', {}, label()), this.figures[i]))),
      this.models,
      h('p', { class: 'buttons' }, this.refresh, this.drain));
    this.update(worker);
  }

  update(worker) {
    if (worker === this.worker) return;
    const before = this.worker;
    this.worker = worker;
    setText(this.name, worker.worker_name);
    if (before?.is_draining !== worker.is_draining) this.showDraining();
    if (before?.connected_at !== worker.connected_at) setText(this.about, about(worker));
    this.showLoad();
    FIGURES.forEach(([, read], i) => setText(this.figures[i], read(worker)));
    if (!before || before.models.join('\n') !== worker.models.join('\n')) this.showModels();
  }

  showDraining() {
    this.badge.hidden = !this.worker.is_draining;
    this.drain.disabled = this.worker.is_draining;
    this.drain.setAttribute('aria-label', t('Drain {name}', { name: this.worker.worker_name }));
    this.refresh.setAttribute('aria-label', t('Refresh models of {name}', { name: this.worker.worker_name }));
  }

  showLoad() {
    const { in_flight_count: used, max_concurrent: slots } = this.worker;
    this.load.style.width = `${Math.min(100, (100 * used) / slots)}%`;
    this.load.classList.toggle('full', used >= slots);
    setText(this.loadText, n('{used} of {n} slot', '{used} of {n} slots', slots, { used: formatNumber(used) }));
  }

  showModels() {
    const { models } = this.worker;
    const list = h('ul', { class: 'chips' }, models.map((model) => h('li', {}, model)));
    if (models.length === 0) fill(this.models, h('p', { class: 'quiet' }, t('no models')));
    else if (models.length <= MODELS_SHOWN) fill(this.models, list);
    else fill(this.models, h('details', {}, h('summary', {}, n('{n} model', '{n} models', models.length)), list));
  }
}

function about(worker) {
  return [worker.version, worker.remote_address, t('since {time}', { time: formatSince(worker.connected_at) })]
    .filter(Boolean).join(' · ');
}

/** The time alone, if it was today. */
function formatSince(text) {
  const time = new Date(text);
  if (time.toDateString() !== new Date().toDateString()) return formatTime(text);
  return time.toLocaleTimeString(language, { timeStyle: 'short' });
}

const byName = (a, b) => a.worker_name.localeCompare(b.worker_name) || (a.worker_id < b.worker_id ? -1 : 1);

/** Returns the element and what brings it up to date. */
export function makeWorkers() {
  const cards = new Map();
  const list = h('ul', { class: 'cards plain' });
  const empty = h('p', { class: 'card quiet', hidden: true }, t('No worker is connected.'), ' ',
    h('a', { href: '/setup' }, t('Set up a worker')));

  function add(worker) {
    const card = new Card(worker);
    const after = [...cards.values()].filter((other) => byName(worker, other.worker) < 0)
      .sort((a, b) => byName(a.worker, b.worker))[0];
    cards.set(worker.worker_id, card);
    list.insertBefore(card.element, after?.element ?? null);
  }

  function update(store) {
    for (const [id, card] of cards) {
      if (store.workers.has(id)) continue;
      card.element.remove();
      cards.delete(id);
    }
    for (const worker of store.workers.values()) {
      const card = cards.get(worker.worker_id);
      if (card) card.update(worker);
      else add(worker);
    }
    empty.hidden = !store.stats || cards.size > 0;
  }
  return { element: h('div', {}, list, empty), update };
}
