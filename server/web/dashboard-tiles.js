// SPDX-License-Identifier: MIT
// The figures at the top of the dashboard.

import { h, setText } from './dom.js';
import { formatDuration, formatNumber, n, t } from './i18n.js';

const HOUR_MS = 3_600_000;

const sum = (values, member) => values.reduce((total, value) => total + (value[member] ?? 0), 0);

function workers({ workers }) {
  const list = [...workers.values()];
  const draining = list.filter((worker) => worker.is_draining).length;
  return [formatNumber(list.length), draining ? n('{n} draining', '{n} draining', draining) : t('connected')];
}

function slots({ workers }) {
  const list = [...workers.values()];
  return [formatNumber(sum(list, 'free_slots')), t('of {n}', { n: formatNumber(sum(list, 'max_concurrent')) })];
}

function queue(store) {
  const wait = store.stats.latency.queue_wait.p95_ms;
  const note = wait === null ? t('nobody had to wait') : t('p95 wait {time}', { time: formatDuration(wait) });
  return [formatNumber(store.waiting), note];
}

function requestRate(store) {
  const running = store.stats.requests.in_flight;
  return [formatNumber(store.rate('requests')), n('{n} running', '{n} running', running)];
}

function tokenRate(store) {
  const tokens = store.stats.tokens.completion;
  return [formatNumber(store.rate('tokens')), n('{n} token so far', '{n} tokens so far', tokens)];
}

function errors(store) {
  // A young relay, or one that does not tell its history.
  if (Date.now() - new Date(store.stats.started_at) < HOUR_MS || store.history.length === 0)
    return [formatNumber(store.stats.requests.failed), t('since the start')];
  return [formatNumber(store.failedLately), t('in the last hour')];
}

const TILES = [
  [() => t('Workers'), workers],
  [() => t('Free slots'), slots],
  [() => t('Waiting'), queue],
  [() => t('Requests/s'), requestRate],
  [() => t('Tokens/s'), tokenRate],
  [() => t('Errors'), errors],
];

/** Returns the element and what brings it up to date. */
export function makeTiles() {
  const tiles = TILES.map(([label, read]) => {
    const value = h('dd', { class: 'value' }, '–');
    const note = h('dd', { class: 'quiet' }, '\u00a0');
    return { read, value, note, element: h('div', { class: 'tile card' }, h('dt', {}, label()), value, note) };
  });
  function update(store) {
    if (!store.stats) return;
    for (const tile of tiles) {
      const [value, note] = tile.read(store);
      setText(tile.value, value);
      setText(tile.note, note);
    }
    tiles.at(-1).value.classList.toggle('bad', tiles.at(-1).value.textContent !== formatNumber(0));
  }
  return { element: h('dl', { class: 'tiles' }, tiles.map((tile) => tile.element)), update };
}
