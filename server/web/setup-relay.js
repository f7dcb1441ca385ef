// SPDX-License-Identifier: MIT
// What the wizard asks of the relay: what it is, which workers it has, keys, an answer from a model. Nothing here
// touches the page.

import { adminToken, ask, readEvents, send, setAdminToken } from './api.js';

// Never the admin token on the client API: without required keys the relay would hand it on to the backend.
const asClient = (wizard) => ({ key: wizard.clientKey });

/** What the relay tells an administrator of itself, if this tab is one. */
export async function loadConfig(wizard) {
  if (!adminToken()) return;
  try {
    wizard.config = await ask('/admin/config');
  } catch (error) {
    if (error.status === 403) setAdminToken(null);
  }
}

/** The packages that the relay offers to anybody: [{name, sha256}]. */
export async function loadDownloads(wizard) {
  try {
    wizard.downloads = (await ask('/downloads', { key: '' })).downloads;
  } catch {
    // Then the page is that of a relay that offers none.
  }
}

export const createWorkerKey = (name) =>
  ask('/admin/keys', { method: 'POST', body: { name: `worker ${name}`, scope: 'worker' } });

/** A key for the test alone: it dies by itself within the hour. */
export function createTestKey() {
  const expires = new Date(Date.now() + 3_600_000).toISOString();
  return ask('/admin/keys', { method: 'POST', body: { name: 'setup test', scope: 'client', expires_at: expires } });
}

/** The models that clients can use now; null if the relay wants a key for that. */
export async function listModels(wizard, signal) {
  if (wizard.config?.require_api_keys && !wizard.clientKey) return null;
  if (wizard.wantsKey && !wizard.clientKey) return null;
  try {
    const { data } = await ask('/v1/models', { ...asClient(wizard), signal });
    return data.map(({ id }) => id);
  } catch (error) {
    if (error.status !== 401) throw error;
    wizard.wantsKey = true;
    return null;
  }
}

/** Looks for the worker by its name: {name, models} or null. */
async function lookByName(wizard, signal) {
  const { workers } = await ask('/admin/workers', { signal });
  const found = workers.find((worker) => worker.worker_name === wizard.values.name && !worker.is_draining);
  return found ? { name: found.worker_name, models: found.models } : null;
}

/** Looks for one worker more, or models that were not there: {name: null, models} or null. */
async function lookByChange(wizard, before, signal) {
  const { workers_connected: connected } = await ask('/health', { key: '', signal });
  const models = await listModels(wizard, signal) ?? [];
  before.connected = Math.min(before.connected ?? connected, connected);
  before.models ??= models;
  const added = models.filter((model) => !before.models.includes(model));
  if (connected <= before.connected && added.length === 0) return null;
  return { name: null, models: added.length > 0 ? added : models };
}

/** One look after another: tell(found, error) after each, until the signal. */
export async function watchForWorker(wizard, signal, tell) {
  const before = {};
  while (!signal.aborted) {
    try {
      tell(adminToken() ? await lookByName(wizard, signal) : await lookByChange(wizard, before, signal), null);
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 403) setAdminToken(null);
      tell(null, error);
    }
    await pause(1000, signal);
  }
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

/**
 * Streams the answer to one prompt: onText(piece) for each piece. Returns {worker, firstMs, totalMs}; worker is null if
 * the relay does not name its workers.
 */
export async function streamAnswer(wizard, { model, prompt, signal, onText }) {
  const began = performance.now();
  const body = { model, messages: [{ role: 'user', content: prompt }], stream: true };
  const answer = await send('/v1/chat/completions', { method: 'POST', body, ...asClient(wizard), signal });
  let firstMs = null;
  for await (const { data } of readEvents(answer)) {
    if (data === '[DONE]') break;
    const event = JSON.parse(data);
    if (event.error) throw new Error(event.error.message);
    const delta = event.choices?.[0]?.delta ?? {};
    const text = delta.content || delta.reasoning_content;
    if (!text) continue;
    firstMs ??= performance.now() - began;
    onText(text);
  }
  return { worker: answer.headers.get('x-modelrelay-worker'), firstMs, totalMs: performance.now() - began };
}
