// SPDX-License-Identifier: MIT
// What every page has: the header with its links, the place for what is wrong, the question for the admin token.

import { adminToken, ask, setAdminToken } from './api.js';
import { fill, h } from './dom.js';
import { loadTranslations, t } from './i18n.js';

const PAGES = () => [
  ['/dashboard', t('Dashboard')],
  ['/setup', t('Set up a worker')],
  ['/integrate', t('Use it')],
];

/** Puts the header into the page and returns <main>. Call once, before anything that is translated. */
export async function startPage(title) {
  await loadTranslations();
  document.title = `${title()} – ModelRelay`;
  const main = document.querySelector('main');
  const links = PAGES().map(([path, text]) =>
    h('li', {}, h('a', { href: path, 'aria-current': location.pathname === path ? 'page' : null }, text)));
  document.body.prepend(
    h('a', { class: 'skip', href: '#main' }, t('Skip to the content')),
    h('header', { class: 'top' },
      h('a', { class: 'brand', href: '/dashboard' }, h('img', { src: '/favicon.svg', alt: '', width: 24, height: 24 }), 'ModelRelay'),
      h('nav', { 'aria-label': t('Pages') }, h('ul', {}, links)),
      h('p', { class: 'connection', id: 'connection', role: 'status' })));
  main.id = 'main';
  main.tabIndex = -1;
  return main;
}

/** What the header says of the connection: "" for nothing, "good", "waiting" or "bad", and a sentence. */
export function showConnection(state, text) {
  const place = document.getElementById('connection');
  place.dataset.state = state;
  if (place.textContent !== text) place.textContent = text;
}

/** A note for a few seconds at the foot of the page, read out by screen readers. */
export function notify(text, kind = 'info') {
  let place = document.getElementById('notes');
  if (!place) {
    place = h('div', { id: 'notes', class: 'notes', role: 'status', 'aria-live': 'polite' });
    document.body.append(place);
  }
  const note = h('p', { class: `note ${kind}` }, text);
  place.append(note);
  setTimeout(() => note.remove(), 8000);
}

/** Copies text; the button says so. */
export function copyButton(text, label = t('Copy')) {
  const button = h('button', { type: 'button', class: 'copy', onclick: copy }, label);
  async function copy() {
    const value = typeof text === 'function' ? text() : text;
    try {
      await navigator.clipboard.writeText(value);
    } catch {
      // Without https there is no clipboard interface.
      const area = h('textarea', { class: 'offscreen', 'aria-hidden': 'true' });
      area.value = value;
      document.body.append(area);
      area.select();
      document.execCommand('copy');
      area.remove();
      button.focus();
    }
    button.textContent = t('Copied');
    setTimeout(() => { button.textContent = label; }, 2000);
  }
  return button;
}

/** Asks yes or no in a dialog. Resolves to whether it was confirmed. */
export function confirm(question, action) {
  return new Promise((resolve) => {
    const dialog = h('dialog', { 'aria-label': question },
      h('form', { method: 'dialog' },
        h('p', {}, question),
        h('p', { class: 'buttons' },
          h('button', { value: '', autofocus: true }, t('Keep it')),
          h('button', { value: 'yes', class: 'danger' }, action))));
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/**
 * Makes sure that this tab has an admin token that the relay takes; asks for it in `place` as often as it must.
 * Resolves when it has one.
 */
export async function wantAdminToken(place) {
  let problem = '';
  for (;;) {
    if (adminToken()) {
      try {
        await ask('/admin/stats');
        return;
      } catch (error) {
        if (error.status === 403) problem = t('The relay does not take this token.');
        else problem = error.status === 0 ? t('The relay cannot be reached.') : error.message;
        if (error.status === 403) setAdminToken(null);
      }
    }
    await new Promise((resolve) => {
      const field = h('input', { type: 'password', id: 'token', autocomplete: 'current-password', required: true,
        'aria-describedby': 'token-help token-problem' });
      const form = h('form', { class: 'card token' },
        h('h2', {}, t('Administrator')),
        h('label', { for: 'token' }, t('Admin token')),
        field,
        h('p', { id: 'token-problem', class: 'problem', role: 'alert' }, problem),
        h('button', { type: 'submit', class: 'primary' }, t('Go on')),
        h('p', { id: 'token-help', class: 'help' },
          t('It is what the relay was started with: --admin-token, or MODELRELAY_ADMIN_TOKEN in its environment. It stays in this tab only.')),
        h('p', { class: 'help' }, t('A relay without an admin token lets nobody in. To set one, restart it like this:')),
        h('pre', { tabindex: 0 }, 'export MODELRELAY_ADMIN_TOKEN=$(head -c 32 /dev/urandom | base64)\necho $MODELRELAY_ADMIN_TOKEN\nmodelrelay-server ...'));
      form.addEventListener('submit', (event) => {
        event.preventDefault();
        setAdminToken(field.value.trim());
        resolve();
      });
      fill(place, form);
      field.focus();
    });
  }
}
