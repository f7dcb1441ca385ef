// SPDX-License-Identifier: MIT
// The dashboard: its parts, and when they are drawn. Each part has its own module; what is known is in
// dashboard-store.js, how it gets here in dashboard-feed.js.

import { fill, h } from './dom.js';
import { t } from './i18n.js';
import { showConnection, startPage, wantAdminToken } from './shell.js';
import { askProgress, feed } from './dashboard-feed.js';
import { makeKeys } from './dashboard-keys.js';
import { makePlots } from './dashboard-plots.js';
import { makeRequests } from './dashboard-requests.js';
import { Store } from './dashboard-store.js';
import { makeTiles } from './dashboard-tiles.js';
import { makeWorkers } from './dashboard-workers.js';

const RENDER_MS = 250;
const TICK_MS = 1000;
const PROGRESS_MS = 2000;

/** Draws at most every RENDER_MS, and not at all while nobody sees the page. */
function makeRenderer(parts, store) {
  let due = false;
  let last = 0;
  function render() {
    due = false;
    last = performance.now();
    for (const part of parts) part.update(store);
  }
  return () => {
    if (due) return;
    due = true;
    setTimeout(() => requestAnimationFrame(render), Math.max(0, last + RENDER_MS - performance.now()));
  };
}

function section(id, title, part) {
  return h('section', { 'aria-labelledby': id }, h('h2', { id }, title), part.element);
}

/** Shows the dashboard until the relay does not take the token any more. */
async function run(main) {
  const over = new AbortController();
  const [tiles, workers, requests, plots, keys] =
    [makeTiles(), makeWorkers(), makeRequests(), makePlots(over.signal), makeKeys(over.signal)];
  const store = new Store(() => render());
  const render = makeRenderer([tiles, workers, requests, plots], store);
  const timer = setInterval(() => {
    // Rates fall and ages grow without an event.
    if (document.hidden || !store.stats) return;
    store.passQuietTime();
    tiles.update(store);
    requests.tick();
  }, TICK_MS);
  const progress = setInterval(() => askProgress(store), PROGRESS_MS);

  fill(main,
    h('h1', { class: 'offscreen' }, t('Dashboard')),
    h('section', { 'aria-label': t('Figures') }, tiles.element),
    section('workers', t('Workers'), workers),
    section('requests', t('Requests'), requests),
    section('plots', t('The last hour'), plots),
    section('keys', t('API keys'), keys));
  await feed(store);
  clearInterval(timer);
  clearInterval(progress);
  over.abort();
}

const main = await startPage(() => t('Dashboard'));
for (;;) {
  showConnection('', '');
  await wantAdminToken(main);
  await run(main);
}
