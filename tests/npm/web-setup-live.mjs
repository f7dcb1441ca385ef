// SPDX-License-Identifier: MIT
//
// The wizard with a real worker that the page's own commands bring up: settings, start, detection, test prompt, hints.

import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { mkdtemp, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { ADMIN_TOKEN } from './lib/browser.mjs';
import { LONG } from './lib/dialects.mjs';
import { test, until } from './lib/tap.mjs';
import { Terminal } from './lib/terminal.mjs';
import { chooseAt, configure, fillField, goTo, shown } from './lib/wizard.mjs';

const SECRET = 'correct horse';

async function inTerminal(body) {
  const terminal = await Terminal.open();
  try {
    await body(terminal);
  } finally {
    await terminal.close();
  }
}

async function runShown(terminal, page, name, input) {
  const command = await shown(page, name);
  const result = await terminal.run(command, input);
  assert.equal(result.code, 0, `${command}\n${result.out}${result.err}`);
  return result.out;
}

const state = (page) => page.locator('#worker-state');
const summary = (page) => page.locator('#answer-summary');

/** Brings a worker up as the page says; returns it when the page has seen it. */
async function bringUp(terminal, visit, options, input) {
  const { page } = visit;
  await configure(visit, options);
  await runShown(terminal, page, 'env-write', input);
  assert.match(await runShown(terminal, page, 'env-check'), /configuration is valid/);
  await goTo(page, 6);
  await page.getByText('Waiting for').waitFor();
  const worker = terminal.start(await shown(page, 'worker-start'));
  await page.locator('#worker-state[data-state=good]').waitFor();
  return worker;
}

test('I2: a key made on the spot, settings, start: run for real, the worker appears and streams', { path: '/setup' },
  (visit) => inTerminal(async (terminal) => {
    const { page, stage } = visit;
    await configure(visit, { name: 'gpu-7' });
    await page.getByRole('button', { name: 'Create a key for this worker' }).click();
    await page.getByText('The key is made').waitFor();
    await bringUp(terminal, visit, { name: 'gpu-7' });

    const file = join(terminal.etc, 'modelrelay/worker-gpu-7.env');
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.match(await readFile(file, 'utf8'), new RegExp(`^PROXY_URL=${stage.url}$`, 'm'));
    assert.equal(await state(page).innerText(), 'gpu-7 is here. Its models: demo');
    assert.equal(await state(page).getAttribute('role'), 'status');
    await visit.checkAccessible();
    await visit.takePictures('setup-6-found');

    // Two workers have the model and take turns: sooner or later it is the new one's.
    await page.getByRole('link', { name: 'Try it with a prompt' }).click();
    await until(async () => {
      await page.getByRole('button', { name: 'Send' }).click();
      await summary(page).getByText('First token after').waitFor();
      return (await summary(page).innerText()).includes('It came from gpu-7, your new worker.');
    }, 'an answer of gpu-7');
    assert.match(await page.locator('#answer').innerText(), /You said: Say hello in one sentence\.$/);
    await visit.checkAccessible();
    await visit.takePictures('setup-7-answered');
  }));

test('I2: without a token: the secret is typed, one more worker is seen, its own model answers, Stop stops',
  { path: '/setup', token: false, backend: ['--model', 'other'], worker: ['--models', 'demo'] },
  (visit) => inTerminal(async (terminal) => {
    const { page } = visit;
    const options = { name: 'tower', who: 'user', models: 'other' };
    const worker = await bringUp(terminal, visit, options, `${SECRET}\n`);
    assert.equal((await stat(join(terminal.home, '.config/modelrelay/worker-tower.env'))).mode & 0o777, 0o600);
    assert.equal(await state(page).innerText(), 'A worker is here. Models: other');
    assert.ok(!worker.lines.some((line) => line.includes(SECRET)));

    await goTo(page, 7);
    assert.equal(await page.getByLabel('Model', { exact: true }).inputValue(), 'other');
    await page.getByLabel('Prompt').fill(LONG);
    await page.getByRole('button', { name: 'Send' }).click();
    await page.locator('#answer').getByText('word2').waitFor();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText('Stopped.').waitFor();
    await worker.logged(/cancelled/);
    await page.getByLabel('Prompt').fill('short');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('It came from tower, your new worker.').waitFor();
    // The page knows no token, and must not have sent anything of the kind.
    assert.equal(await page.evaluate(() => sessionStorage.getItem('modelrelay-admin-token')), null);
  }));

test('I2: an administrator looks for the worker by its name; without models it says so',
  { path: '/setup', token: false }, (visit) => inTerminal(async (terminal) => {
    const { page } = visit;
    await configure(visit, { name: 'mute', who: 'user', secret: SECRET });
    await fillField(page, 'Address of the backend', 'http://127.0.0.1:1');
    await runShown(terminal, page, 'env-write');
    await goTo(page, 6);
    await page.getByRole('button', { name: 'Look for it by its name' }).click();
    await page.getByLabel('Admin token').fill(ADMIN_TOKEN);
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByText('Waiting for mute').waitFor();
    const worker = terminal.start(await shown(page, 'worker-start'));
    await page.getByText('The worker is here, but offers no models yet').waitFor();
    await worker.logged(/backend unavailable/);
  }));

test('I2: after 20 s without the worker the hints open; each of their commands runs for real', { path: '/setup' },
  (visit) => inTerminal(async (terminal) => {
    const { page } = visit;
    await configure(visit, { name: 'late', secret: 'wrong' });
    await runShown(terminal, page, 'env-write');
    await goTo(page, 6);
    const began = performance.now();
    const worker = terminal.start(await shown(page, 'worker-start'));
    assert.equal(await page.locator('#hints').getAttribute('open'), null);
    await page.locator('#hints[open]').waitFor({ timeout: 30_000 });
    assert.ok(performance.now() - began > 19_000);
    assert.match(await state(page).innerText(), /Nothing after 20 seconds/);
    await visit.takePictures('setup-6-hints');

    assert.match(await runShown(terminal, page, 'check-relay'), /"status":"ok"/);
    assert.match(await runShown(terminal, page, 'check-backend'), /"demo"/);
    assert.match(await runShown(terminal, page, 'check-settings'), /configuration is valid/);
    assert.match(await runShown(terminal, page, 'check-proxy'), /No proxy is set\./);
    assert.match(await runShown(terminal, page, 'check-direct'), /"status":"ok"/);
    assert.match(await runShown(terminal, page, 'check-clock'), /UTC/);
    // The hints quote the log: this is what a wrong secret looks like there.
    await worker.logged(/wrong worker secret or unknown provider/);
    await page.locator('#hints dt', { hasText: 'wrong worker secret or unknown provider' }).waitFor();
  }));

test('I2: the log says what the hints quote of an unreachable relay', { path: '/setup' },
  (visit) => inTerminal(async (terminal) => {
    const { page } = visit;
    await configure(visit, { name: 'lost', secret: SECRET });
    await fillField(page, 'Address of this relay', 'http://127.0.0.1:1');
    await runShown(terminal, page, 'env-write');
    await goTo(page, 6);
    await terminal.start(await shown(page, 'worker-start')).logged(/cannot connect to proxy/);
    await page.locator('#hints summary').click();
    assert.notEqual((await terminal.run(await shown(page, 'check-relay'))).code, 0);
    assert.equal(await page.locator('#hints dt', { hasText: 'cannot connect to proxy' }).count(), 1);
  }));

const config = join(await mkdtemp(join(tmpdir(), 'modelrelay-setup-')), 'relay.conf');
await writeFile(config, '[server]\nrequire-api-keys = false\n');
process.on('exit', () => rmSync(dirname(config), { recursive: true }));

test('I2: where keys are required the test prompt wants one, and makes it', { relay: ['--config', config] },
  async (visit) => {
    const { page, stage } = visit;
    await writeFile(config, '[server]\nrequire-api-keys = true\n');
    stage.relay.child.kill('SIGHUP');
    await stage.relay.logged(/configuration reloaded/);
    await visit.open('/setup#step-7');
    await page.getByRole('button', { name: 'Create a key for this test' }).click();
    await page.getByText('It ends by itself within an hour').waitFor();
    await until(async () => await page.getByLabel('Model', { exact: true }).inputValue() === 'demo', 'the model');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('First token after').waitFor();
    visit.allow(/status of 401/);
    await page.getByLabel('API key').fill('mr-wrong');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.locator('.summary.problem').waitFor();
  });
