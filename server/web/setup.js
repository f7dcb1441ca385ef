// SPDX-License-Identifier: MIT
// The page /setup: one step at a time, chosen by the address (#step-3), so that the browser's back and forward work.
// What the steps hold is in setup-steps.js and setup-live.js.

import { fill, h } from './dom.js';
import { t } from './i18n.js';
import { startPage } from './shell.js';
import { createWizard } from './setup-choices.js';
import { configureStep, startStep, testStep } from './setup-live.js';
import { loadConfig, loadDownloads } from './setup-relay.js';
import { backendStep, installStep, modelStep, platformStep, serviceStep } from './setup-steps.js';

const main = await startPage(() => t('Set up a worker'));

const STEPS = [
  [t('Platform'), platformStep],
  [t('Backend'), backendStep],
  [t('Load a model'), modelStep],
  [t('Install the worker'), installStep],
  [t('Configure'), configureStep],
  [t('Start'), startStep],
  [t('Test'), testStep],
  [t('Make it permanent'), serviceStep],
];

const wizard = createWizard();
const links = STEPS.map(([title], index) => h('a', { href: `#step-${index + 1}` }, title));
const place = h('section', { class: 'card step', 'aria-labelledby': 'step-title' });
let current = 0;
let leaving = new AbortController();

function wantedStep() {
  const number = Number(/^#step-(\d+)$/.exec(location.hash)?.[1]);
  if (number >= 1 && number <= STEPS.length) return number;
  // Any other fragment, as that of the link to the content, is no reason to go elsewhere.
  return current || 1;
}

function pageLinks(number) {
  const to = (target, text, kind) =>
    (target >= 1 && target <= STEPS.length ? h('a', { class: `button ${kind}`, href: `#step-${target}` }, text) : null);
  return h('nav', { class: 'onward', 'aria-label': t('Back and on') },
    to(number - 1, t('Back'), 'back'), to(number + 1, t('Next: {step}', { step: STEPS[number]?.[0] }), 'next'));
}

function show(number) {
  leaving.abort();
  leaving = new AbortController();
  wizard.forgetWatchers();
  current = number;
  const [title, build] = STEPS[number - 1];
  links.forEach((link, index) => {
    if (index + 1 === number) link.setAttribute('aria-current', 'step');
    else link.removeAttribute('aria-current');
  });
  place.id = `step-${number}`;
  const heading = h('h2', { id: 'step-title', tabindex: -1 }, t('Step {number}: {title}', { number, title }));
  fill(place, heading, build(wizard, leaving.signal), pageLinks(number));
  document.title = `${title} – ${t('Set up a worker')} – ModelRelay`;
  return heading;
}

function follow() {
  const number = wantedStep();
  if (number === current) return;
  const heading = show(number);
  heading.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

fill(main,
  h('h1', {}, t('Set up a worker')),
  h('div', { class: 'wizard' },
    h('nav', { class: 'steps', 'aria-label': t('Steps') }, h('ol', {}, links.map((link) => h('li', {}, link)))),
    place));
window.addEventListener('hashchange', follow);
await Promise.all([loadConfig(wizard), loadDownloads(wizard)]);
show(wantedStep());
