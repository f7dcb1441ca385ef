// SPDX-License-Identifier: MIT
// What has been chosen in the wizard. It outlives a reload in this tab's session storage; secrets never get there.

import { BACKENDS } from './setup-commands.js';

const STORE = 'modelrelay-setup';

// '' means: what is usual for the backend, or for this relay.
const FIRST = {
  platform: 'debian',
  backend: 'llamacpp',
  backendUrl: '',
  model: '',
  who: 'system',
  name: 'gpu-1',
  models: '*',
  concurrency: '',
  relayUrl: '',
};

function read() {
  try {
    const stored = JSON.parse(sessionStorage.getItem(STORE)) ?? {};
    return Object.fromEntries(Object.keys(FIRST).map((name) => [name, String(stored[name] ?? FIRST[name])]));
  } catch {
    return { ...FIRST };
  }
}

/** Everything that the steps share. config is what the relay tells an administrator of itself. */
export function createWizard() {
  const choices = read();
  if (!(choices.backend in BACKENDS)) choices.backend = FIRST.backend;
  const watchers = new Set();
  const wizard = {
    choices,
    config: null,
    downloads: [],
    workerSecret: '',
    clientKey: '',
    found: null,
    set(changes) {
      Object.assign(choices, changes);
      sessionStorage.setItem(STORE, JSON.stringify(choices));
      wizard.refresh();
    },
    /** Brings what depends on the choices up to date. */
    refresh: () => watchers.forEach((watcher) => watcher()),
    /** Calls update now and whenever something changes, until another step is shown. */
    watch(update) {
      watchers.add(update);
      update();
    },
    forgetWatchers: () => watchers.clear(),
    /** The choices with everything filled in, as setup-commands.js wants them. */
    get values() {
      const usual = BACKENDS[choices.backend];
      return {
        ...choices,
        backendUrl: choices.backendUrl || usual.url,
        model: choices.model || usual.model,
        concurrency: choices.concurrency || usual.concurrency,
        relayUrl: choices.relayUrl || wizard.config?.public_url || location.origin,
        provider: wizard.config?.provider ?? 'local',
      };
    },
  };
  return wizard;
}

function parseUrl(text, schemes) {
  try {
    const url = new URL(text);
    const plain = !url.search && !url.hash && !url.username && !url.password && !/[\s'"\\`$?#]/.test(text);
    return plain && url.hostname !== '' && schemes.includes(url.protocol);
  } catch {
    return false;
  }
}

/** Whether a text can be what it is meant to be. */
export const CHECKS = {
  name: (text) => /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text),
  backendUrl: (text) => parseUrl(text, ['http:']),
  relayUrl: (text) => parseUrl(text, ['http:', 'https:', 'ws:', 'wss:']),
  model: (text) => /^[^\s-]\S{0,255}$/.test(text),
  models: (text) => text === '*' || /^[^\s,*'"\\]+(,[^\s,*'"\\]+)*$/.test(text),
  concurrency: (text) => text === 'auto' || (/^[1-9]\d{0,3}$/.test(text) && Number(text) <= 4096),
};
