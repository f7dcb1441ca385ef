// SPDX-License-Identifier: MIT
// The steps that work with the relay while one watches: settings with a key of their own, the worker that appears, the
// test prompt.

import { adminToken } from './api.js';
import { fill, h, setText } from './dom.js';
import { formatDuration, t } from './i18n.js';
import { wantAdminToken } from './shell.js';
import * as commands from './setup-commands.js';
import { actionButton, choiceField, command, following, ownerChoice, secretField } from './setup-parts.js';
import { createTestKey, createWorkerKey, listModels, loadConfig, streamAnswer, watchForWorker } from './setup-relay.js';

const HINTS_AFTER_MS = 20_000;

async function becomeAdministrator(wizard, place) {
  await wantAdminToken(place);
  fill(place);
  await loadConfig(wizard);
  wizard.refresh();
}

/* --- settings --- */

function keyPart(wizard) {
  const place = h('div');
  const done = h('p', { class: 'good', role: 'status' });
  const field = secretField({
    id: 'worker-secret',
    label: t('Worker secret'),
    help: t('A key for this worker alone, or the secret that the relay was started with. Left empty, the command ' +
      'asks for it.'),
    value: wizard.workerSecret,
    take: (secret) => {
      wizard.workerSecret = secret;
      setText(done, '');
      wizard.refresh();
    },
  });
  async function create() {
    await becomeAdministrator(wizard, place);
    const key = await createWorkerKey(wizard.values.name);
    wizard.workerSecret = key.secret;
    field.querySelector('input').value = key.secret;
    setText(done, t('The key is made and is in the command below. This is the only time that it is shown; the ' +
      'dashboard can revoke it.'));
    wizard.refresh();
  }
  return [
    field,
    actionButton(t('Create a key for this worker'), create, { class: 'primary' }),
    place,
    done,
  ];
}

const isLocal = (url) => /^(localhost|127\.|\[::1\])/.test(new URL(url).hostname);

export function configureStep(wizard) {
  return [
    h('div', { class: 'fields' },
      choiceField(wizard, { name: 'name', label: t('Name of the worker'),
        help: t('What the dashboard, the log and answers call it.'),
        problem: t('Letters, digits, dots, hyphens and underscores, at most 64.') }),
      choiceField(wizard, { name: 'backendUrl', label: t('Address of the backend'),
        help: t('As seen from that machine.'), problem: t('This must look like http://127.0.0.1:8000.') }),
      choiceField(wizard, { name: 'models', label: t('Models'),
        help: t('* is whatever the backend lists; else names with commas between them.'),
        problem: t('* alone, or names with commas and no spaces between them.') }),
      choiceField(wizard, { name: 'concurrency', label: t('Requests at a time'),
        help: t('1 to 4096; auto asks the backend, where it tells (llama.cpp).'),
        problem: t('auto, or a number from 1 to 4096.') }),
      choiceField(wizard, { name: 'relayUrl', label: t('Address of this relay'),
        help: t('As seen from that machine.'), problem: t('This must look like http://relay.example:8080.') })),
    following(wizard, ({ relayUrl }) => (isLocal(relayUrl)
      ? t('{url} only works on the relay\'s own machine. For any other give the address that it is reached ' +
        'by.', { url: relayUrl })
      : ''), { class: 'notice' }),
    ownerChoice(wizard),
    h('h3', {}, t('Secret')),
    keyPart(wizard),
    h('h3', {}, t('Settings file')),
    following(wizard, ({ who, name }) => t('Written to {path}, readable by its owner alone. Run it on that machine.',
      { path: commands.envPath({ who, name }) }), { class: 'help' }),
    command(wizard, 'env-write', t('Write the settings'), (values) => commands.writeEnv(values, wizard.workerSecret)),
    command(wizard, 'env-check', t('Check them'), commands.checkSettings),
  ];
}

/* --- the worker appears --- */

function hints(wizard) {
  const line = (log, meaning) => [h('dt', {}, h('code', {}, log)), h('dd', {}, meaning)];
  return h('details', { class: 'hints', id: 'hints' },
    h('summary', {}, t('It does not appear: what to check')),
    h('p', {}, t('On that machine, from top to bottom:')),
    command(wizard, 'check-relay', t('Does it reach this relay? The answer says "status".'), commands.relayCheck),
    command(wizard, 'check-backend', t('Does the backend answer and list the model?'), commands.backendCheck),
    command(wizard, 'check-settings', t('Are the settings right?'), commands.checkSettings),
    command(wizard, 'check-proxy', t('Is a proxy in the way?'), commands.showProxies),
    command(wizard, 'check-direct', t('Does it reach this relay without the proxy?'), commands.relayCheckWithoutProxy),
    command(wizard, 'check-clock', t('Is its clock right? Certificates depend on it.'), commands.showClock),
    h('h3', {}, t('What the worker\'s log says')),
    h('dl', {},
      line('wrong worker secret or unknown provider',
        t('The secret is not the relay\'s, or the key is revoked. Make a new one in step 5.')),
      line('temporarily rate limited', t('Too many failed attempts. It ends by itself within a minute, once the ' +
        'secret is right.')),
      line('cannot connect to proxy', t('The relay\'s address is wrong, or a firewall or proxy is in between.')),
      line('answered with status 404 and is no relay', t('Something else listens at that address.')),
      line('answered with status 426', t('A proxy in between drops the WebSocket upgrade.')),
      line('backend unavailable', t('The worker is connected, but its backend does not answer: it has no models ' +
        'until it does.'))));
}

function describe(wizard, found, error, late) {
  if (error) return ['bad', error.status === 0 ? t('The relay cannot be reached.') : error.message];
  if (found && found.models.length > 0) {
    const models = found.models.join(', ');
    return ['good', found.name
      ? t('{name} is here. Its models: {models}', { name: found.name, models })
      : t('A worker is here. Models: {models}', { models })];
  }
  if (found) return ['warn', t('The worker is here, but offers no models yet: does its backend answer?')];
  const text = adminToken()
    ? t('Waiting for {name} …', { name: wizard.values.name })
    : t('Waiting for one more worker …');
  return [late ? 'warn' : 'waiting', late ? `${text} ${t('Nothing after 20 seconds: below is what to check.')}` : text];
}

export function startStep(wizard, signal) {
  const state = h('p', { class: 'state', role: 'status', id: 'worker-state' });
  const place = h('div');
  const help = hints(wizard);
  const onward = h('p', { hidden: true }, h('a', { href: '#step-7', class: 'button' }, t('Try it with a prompt')));
  let late = false;
  let last = [null, null];
  function tell(found, error) {
    last = [found, error];
    wizard.found = found;
    const [kind, text] = describe(wizard, found, error, late);
    state.dataset.state = kind;
    setText(state, text);
    onward.hidden = kind !== 'good';
  }
  const timer = setTimeout(() => {
    late = true;
    help.open ||= !wizard.found?.models.length;
    tell(...last);
  }, HINTS_AFTER_MS);
  signal.addEventListener('abort', () => clearTimeout(timer));
  tell(null, null);
  watchForWorker(wizard, signal, tell);
  const byName = actionButton(t('Look for it by its name'), () => becomeAdministrator(wizard, place));
  return [
    command(wizard, 'worker-start', t('Start the worker; it stays in this terminal'), commands.startWorker),
    state,
    onward,
    adminToken() ? null : [h('p', { class: 'help' },
      t('Without the admin token this page only sees that there is one worker more.')), byName, place],
    help,
  ];
}

/* --- a test prompt --- */

function clientKeyPart(wizard, whenThere) {
  const place = h('div');
  const done = h('p', { class: 'good', role: 'status' });
  const take = (key) => {
    wizard.clientKey = key;
    whenThere();
  };
  const field = secretField({ id: 'client-key', label: t('API key'), help: t('This relay asks clients for one.'),
    value: wizard.clientKey, take });
  async function create() {
    await becomeAdministrator(wizard, place);
    const key = await createTestKey();
    field.querySelector('input').value = key.secret;
    setText(done, t('The key is made. It ends by itself within an hour.'));
    take(key.secret);
  }
  return h('div', { id: 'client-key-part' }, field, actionButton(t('Create a key for this test'), create), place, done);
}

function sayWhoAnswered(wizard, worker) {
  const expected = wizard.found?.name ?? wizard.values.name;
  if (worker === null) return t('This relay does not say which worker answered.');
  if (worker === expected) return t('It came from {worker}, your new worker.', { worker });
  return t('It came from {worker}, not from {expected}: both have this model. Try again, or choose a model that ' +
    'only the new one has.',
    { worker, expected });
}

function promptForm(wizard, signal, model) {
  const output = h('div', { class: 'answer', id: 'answer', tabindex: 0, role: 'group', 'aria-label': t('Answer') });
  const summary = h('p', { class: 'summary', id: 'answer-summary', role: 'status' });
  const prompt = h('textarea', { id: 'prompt', rows: 3 }, t('Say hello in one sentence.'));
  const sendButton = h('button', { type: 'submit', class: 'primary' }, t('Send'));
  const stopButton = h('button', { type: 'button', disabled: true, onclick: () => running?.abort() }, t('Stop'));
  let running = null;
  async function run() {
    const mine = running = new AbortController();
    fill(output);
    setText(summary, t('Waiting for the first token …'));
    const { worker, firstMs, totalMs } = await streamAnswer(wizard, {
      model: model.value.trim(), prompt: prompt.value, signal: AbortSignal.any([mine.signal, signal]),
      onText: (text) => {
        if (!output.firstChild) setText(summary, t('The answer is coming …'));
        output.append(text);
      },
    });
    setText(summary, `${t('First token after {first}, all after {total}.',
      { first: formatDuration(firstMs), total: formatDuration(totalMs) })} ${sayWhoAnswered(wizard, worker)}`);
  }
  async function submit(event) {
    event.preventDefault();
    sendButton.disabled = true;
    stopButton.disabled = false;
    output.setAttribute('aria-busy', 'true');
    summary.className = 'summary';
    try {
      await run();
    } catch (error) {
      if (error.name === 'AbortError') {
        setText(summary, t('Stopped.'));
      } else {
        summary.className = 'summary problem';
        setText(summary, error.status === 0 ? t('The relay cannot be reached.') : error.message);
      }
    }
    output.setAttribute('aria-busy', 'false');
    sendButton.disabled = false;
    stopButton.disabled = true;
  }
  return h('form', { onsubmit: submit },
    h('label', { for: 'prompt' }, t('Prompt')), prompt,
    h('p', { class: 'buttons' }, sendButton, stopButton), summary, output);
}

export function testStep(wizard, signal) {
  const list = h('datalist', { id: 'known-models' });
  const model = h('input', { id: 'model', list: 'known-models', required: true, autocomplete: 'off',
    spellcheck: 'false', 'aria-describedby': 'model-help' });
  const keys = h('div');
  function offer(names) {
    fill(list, names.map((name) => h('option', { value: name })));
    model.value ||= names[0] ?? '';
  }
  async function look() {
    try {
      const names = await listModels(wizard, signal);
      if (names === null && !keys.firstChild) fill(keys, clientKeyPart(wizard, look));
      offer(wizard.found?.models.length ? wizard.found.models : names ?? []);
    } catch (error) {
      if (!signal.aborted) offer(wizard.found?.models ?? []);
    }
  }
  if (wizard.clientKey) fill(keys, clientKeyPart(wizard, look));
  look();
  return [
    h('p', {}, t('One prompt through the relay, as any client would send it.')),
    keys,
    h('div', { class: 'field' }, h('label', { for: 'model' }, t('Model')), model, list,
      h('p', { class: 'help', id: 'model-help' }, t('One that the new worker has.'))),
    promptForm(wizard, signal, model),
  ];
}
