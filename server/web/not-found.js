// SPDX-License-Identifier: MIT
// What a browser sees at an address where there is nothing.

import { fill, h } from './dom.js';
import { t } from './i18n.js';
import { startPage } from './shell.js';

const main = await startPage(() => t('Page not found'));

fill(main,
  h('section', { class: 'card' },
    h('h1', {}, t('Page not found')),
    h('p', {}, t('There is nothing at this address.')),
    h('p', { class: 'buttons' },
      h('a', { class: 'button', href: '/dashboard' }, t('To the dashboard')))));
