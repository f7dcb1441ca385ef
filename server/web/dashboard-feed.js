// SPDX-License-Identifier: MIT
// The connection of the dashboard to its relay: the stream of events, asking every few seconds where there is no such
// stream, and trying again when the relay is away. What the events mean is in dashboard-store.js.

import { ask, readEvents, send } from './api.js';
import { t } from './i18n.js';
import { notify, showConnection } from './shell.js';

const POLL_MS = 3000;
const POLLS_BEFORE_STREAM = 10;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;
const SNAPSHOT_MS = 5000;
// The relay sends a comment every 15 s.
const SILENCE_MS = 40_000;

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** Feeds the store until the relay does not take the token any more; then it returns. */
export async function feed(store) {
  const state = { lastId: null, startedAt: null, retryMs: FIRST_RETRY_MS };
  showConnection('waiting', t('Connecting …'));
  for (;;) {
    try {
      await beginSession(store, state);
      await follow(store, state);
    } catch (error) {
      if (error.status === 403) return;
      if (error.status > 0 || error.noStream) await pollFor(store, state).catch(() => {});
    }
    await waitToRetry(state);
  }
}

/** Finds out whether it is still the same relay, and what happened meanwhile. */
async function beginSession(store, state) {
  const { started_at: startedAt } = await ask('/admin/stats');
  if (startedAt !== state.startedAt) {
    if (state.startedAt !== null) notify(t('The relay was restarted.'));
    state.startedAt = startedAt;
    // Another process counts its events anew.
    state.lastId = null;
    store.forget();
  }
  await loadHistory(store);
}

async function loadHistory(store) {
  try {
    store.addHistory(await ask('/admin/history'));
  } catch (error) {
    if (error.status === 403) throw error;
    // The plots begin now, then.
  }
}

async function follow(store, state) {
  const abort = new AbortController();
  const watchdog = new Watchdog(() => abort.abort());
  try {
    watchdog.set(SNAPSHOT_MS);
    const headers = state.lastId === null ? {} : { 'Last-Event-ID': state.lastId };
    const answer = await send('/admin/events', { headers, signal: abort.signal });
    // A relay that has nothing to tell to a reader who comes back is silent at first, but it does answer.
    if (state.lastId !== null) live(store, state);
    const body = answer.body.pipeThrough(new TransformStream({
      transform(bytes, controller) {
        if (store.live) watchdog.set(SILENCE_MS);
        controller.enqueue(bytes);
      },
    }));
    for await (const { event, data, id } of readEvents({ body })) {
      if (!store.live) live(store, state);
      store.apply(event, JSON.parse(data));
      state.lastId = id ?? state.lastId;
    }
  } catch (error) {
    if (error.name === 'AbortError' && !store.live) throw Object.assign(error, { noStream: true });
    if (error.status !== undefined) throw error;
  } finally {
    watchdog.clear();
    store.live = false;
  }
}

function live(store, state) {
  store.live = true;
  state.retryMs = FIRST_RETRY_MS;
  showConnection('good', t('Live'));
}

class Watchdog {
  constructor(bite) {
    this.bite = bite;
  }

  set(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(this.bite, ms);
  }

  clear() {
    clearTimeout(this.timer);
  }
}

/** Asks instead of listening, for a while; then the stream gets another chance. */
async function pollFor(store, state) {
  for (let i = 0; i < POLLS_BEFORE_STREAM; i++) {
    const [{ workers }, { requests }, stats] = await Promise.all(
      [ask('/admin/workers'), ask('/admin/requests?limit=500'), ask('/admin/stats')]);
    const waiting = Object.values(stats.queue_depth).reduce((sum, depth) => sum + depth, 0);
    const total = Math.max(requests.length, stats.requests.in_flight + waiting);
    store.apply('snapshot', { workers, requests, requests_total: total, stats });
    state.retryMs = 0;
    showConnection('waiting', t('Without live events: asking every {n} s', { n: POLL_MS / 1000 }));
    await sleep(POLL_MS);
  }
}

async function waitToRetry(state) {
  const ms = state.retryMs * (0.75 + Math.random() / 2);
  const seconds = Math.ceil(ms / 1000);
  if (state.retryMs >= 1000) showConnection('bad', t('The relay is away. Next try in {n} s', { n: seconds }));
  else if (state.retryMs > 0) showConnection('bad', t('Reconnecting …'));
  await sleep(ms);
  state.retryMs = Math.min(LAST_RETRY_MS, Math.max(FIRST_RETRY_MS, state.retryMs * 2));
}

/** Finds out how far the requests that are seen have got: events tell of states only. */
export async function askProgress(store) {
  if (document.hidden || ![...store.requests.values()].some(({ state }) => state === 'streaming')) return;
  try {
    store.setProgress((await ask('/admin/requests')).requests);
  } catch {
    // The feed notices what is wrong.
  }
}
