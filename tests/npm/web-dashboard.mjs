// SPDX-License-Identifier: MIT
//
// The dashboard as somebody uses it: the token, what is live, keys, the last hour, and a relay that goes away.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

import { ADMIN_TOKEN } from './lib/browser.mjs';
import { LONG } from './lib/dialects.mjs';
import { test, until } from './lib/tap.mjs';

const SLOW = { backend: ['--slots', '8', '--tokens-per-second', '20'], worker: ['--max-concurrency', '4'] };
const DASHBOARD = { path: '/dashboard' };

/** A request of a client; the Response. */
function send(stage, { model = 'demo', text = 'hello', stream = false, secret, signal } = {}) {
  return fetch(`${stage.url}/v1/chat/completions`, {
    method: 'POST',
    headers: secret ? { authorization: `Bearer ${secret}` } : {},
    body: JSON.stringify({ model, stream, messages: [{ role: 'user', content: text }] }),
    signal,
  });
}

async function admin(stage, path, body) {
  const answer = await fetch(stage.url + path, {
    method: body ? 'POST' : 'GET',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    body: body && JSON.stringify(body),
  });
  assert.ok(answer.ok, `${path}: ${answer.status}`);
  return answer.json();
}

/** What came of a stream that the relay broke off. */
async function readBroken(answer) {
  let text = '';
  try {
    for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) text += piece;
  } catch (error) {
    assert.equal(error.message, 'terminated');
  }
  return text;
}

const connection = (page, text) => page.locator('#connection', { hasText: text }).waitFor();
const card = (page, name) =>
  page.getByRole('listitem').filter({ has: page.getByRole('heading', { name, exact: true }) });
const row = (page, table, text) => page.getByRole('table', { name: table }).getByRole('row').filter({ hasText: text });
const tile = (page, label) => page.locator('.tile').filter({ hasText: label }).locator('.value');
const dialog = (page) => page.getByRole('dialog');

const STRANGER = { ...DASHBOARD, token: false };

test('I1 the token is asked for, a wrong one is refused, the right one goes on', STRANGER, async (visit) => {
  const { page } = visit;
  visit.allow(/status of 403/);
  await page.getByLabel('Admin token').fill('a guess');
  await visit.checkAccessible();
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByText('The relay does not take this token.').waitFor();
  // Failures make the relay wait for a moment, but one is free.
  await page.getByLabel('Admin token').fill(ADMIN_TOKEN);
  await page.getByLabel('Admin token').press('Enter');
  await connection(page, 'Live');
  assert.ok(!page.url().includes(ADMIN_TOKEN));
  await page.reload();
  await connection(page, 'Live');
});

const NAMED = { ...DASHBOARD, worker: ['--worker-name', 'first'] };

test('I1 workers come and go without a reload', NAMED, async ({ page, stage }) => {
  await card(page, 'first').waitFor();
  const second = await stage.addWorker('--worker-name', 'second', '--max-concurrency', '3');
  await card(page, 'second').getByText('0 of 3 slots').waitFor();
  await card(page, 'second').getByText('demo').waitFor();
  await page.waitForFunction(() => document.querySelector('.tile .value').textContent === '2');
  second.terminate();
  await card(page, 'second').waitFor({ state: 'detached' });
  await card(page, 'first').waitFor();
});

test('I1 a worker is drained, once that was confirmed', { ...DASHBOARD, ...SLOW }, async ({ page, stage }) => {
  const abort = new AbortController();
  const answer = await send(stage, { text: LONG, stream: true, signal: abort.signal });
  const drain = page.getByRole('button', { name: /^Drain / });
  await drain.click();
  await dialog(page).getByRole('button', { name: 'Keep it' }).click();
  assert.equal(stage.relay.count(/draining/), 0);
  await page.getByRole('button', { name: /^Refresh models of / }).click();
  await page.getByText(/looks at its models again/).waitFor();
  await drain.click();
  await dialog(page).getByRole('button', { name: 'Drain', exact: true }).click();
  await page.getByText('draining', { exact: true }).waitFor();
  await page.getByRole('button', { name: /^Drain / }).and(page.locator(':disabled')).waitFor();
  abort.abort();
  await assert.rejects(answer.text(), { name: 'AbortError' });
});

test('I1 a running request is seen, and cancelled', { ...DASHBOARD, ...SLOW }, async ({ page, stage }) => {
  const key = await admin(stage, '/admin/keys', { name: 'editor' });
  const text = readBroken(await send(stage, { text: LONG, stream: true, secret: key.secret }));
  const running = row(page, 'Running requests', 'editor');
  await running.getByText('Streaming').waitFor();
  await running.getByText('demo').waitFor();
  await running.getByText(/^[2-9] s$/).waitFor();
  await running.getByText(/^[1-9][\d.]* kB$/).waitFor();
  await running.getByRole('button', { name: 'Cancel' }).click();
  assert.match(await text, /cancelled/);
  await running.waitFor({ state: 'detached' });
  await row(page, 'Ended requests', 'editor').waitFor();
});

test('I1 a key is created, its secret shown once, used, and revoked', { ...DASHBOARD, ...SLOW }, async (visit) => {
  const { page, stage } = visit;
  visit.allow(/status of 400/);
  await page.getByRole('button', { name: 'New key' }).click();
  await page.getByLabel('Name', { exact: true }).fill('laptop');
  await page.getByLabel('Requests a minute').fill('many');
  await page.getByRole('button', { name: 'Create' }).click();
  const field = page.locator('.field').filter({ has: page.getByLabel('Requests a minute') });
  await field.getByRole('alert').filter({ hasText: 'requests_per_minute' }).waitFor();
  assert.equal(await field.getByLabel('Requests a minute').getAttribute('aria-invalid'), 'true');
  await visit.checkAccessible();
  await field.getByLabel('Requests a minute').fill('60');
  await page.getByRole('button', { name: 'Create' }).click();

  await page.getByText('it is not shown again').waitFor();
  const secret = await page.getByLabel('Secret', { exact: true }).textContent();
  assert.match(secret, /^mr-[\w-]{43}$/);
  await page.getByRole('button', { name: 'Copy the secret' }).click();
  await page.getByRole('button', { name: 'Copied' }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), secret);
  await visit.checkAccessible();
  await page.getByRole('button', { name: 'I have it' }).click();
  await dialog(page).waitFor({ state: 'detached' });
  assert.ok(!(await page.content()).includes(secret));

  const listed = row(page, 'API keys', 'laptop');
  await listed.getByText('60 a minute').waitFor();
  await (await send(stage, { secret })).text();
  const text = readBroken(await send(stage, { text: LONG, stream: true, secret }));
  await row(page, 'Running requests', 'laptop').waitFor();
  await page.getByRole('button', { name: 'Usage of laptop' }).click();
  await dialog(page).getByRole('button', { name: 'Close' }).click();
  await page.getByRole('button', { name: 'Revoke laptop' }).click();
  await dialog(page).getByRole('button', { name: 'Revoke' }).click();
  await listed.waitFor({ state: 'detached' });
  assert.match(await text, /error/);
  await page.getByRole('button', { name: '1 revoked or expired' }).click();
  await listed.getByText('revoked').waitFor();
});

/** Presses Tab until what has the focus has this name. */
async function tabTo(page, name) {
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press('Tab');
    const found = await page.evaluate(() => {
      const { labels, textContent } = document.activeElement;
      return labels?.[0]?.textContent ?? textContent;
    });
    if (found === name) return;
  }
  assert.fail(`Tab does not come to ${name}`);
}

test('I4 a key is created with the keyboard alone', DASHBOARD, async ({ page, stage }) => {
  await connection(page, 'Live');
  await tabTo(page, 'New key');
  await page.keyboard.press('Enter');
  await dialog(page).waitFor();
  await page.keyboard.type('typed');
  await tabTo(page, 'Scope');
  await page.keyboard.press('ArrowDown');
  await tabTo(page, 'Create');
  await page.keyboard.press('Enter');
  await page.getByText('it is not shown again').waitFor();
  await tabTo(page, 'I have it');
  await page.keyboard.press('Enter');
  await dialog(page).waitFor({ state: 'detached' });
  await row(page, 'API keys', 'typed').getByText('worker').waitFor();
  assert.equal((await admin(stage, '/admin/keys')).keys[0].scope, 'worker');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'New key', 'where the focus is');
});

test('I1 a reload keeps the hour', DASHBOARD, async ({ page, stage }) => {
  for (let i = 0; i < 5; i++) await (await send(stage)).text();
  const plot = page.getByRole('group', { name: 'Requests a second' });
  // The line of what was completed leaves the ground.
  const rises = () => plot.locator('.lines path').first().evaluate((path) => path.getBBox().height > 5);
  await plot.getByText('As a table').click();
  await until(async () => await plot.locator('.lines path').count() > 0 && rises(), 'the plot');
  assert.ok(await plot.getByRole('row').count() >= 2);
  await page.reload();
  await connection(page, 'Live');
  await until(async () => await plot.locator('.lines path').count() > 0, 'the plot');
  assert.ok(await rises());
});

test('I1 the dashboard finds a relay that was restarted', DASHBOARD, async (visit) => {
  const { page, stage } = visit;
  visit.allow(/ERR_|status of 503/);
  await connection(page, 'Live');
  await (await send(stage)).text();
  await row(page, 'Ended requests', 'demo').waitFor();
  await stage.restartRelay();
  await page.getByText('The relay was restarted.').waitFor();
  await connection(page, 'Live');
  await card(page, await workerName(stage)).waitFor();
  await (await send(stage)).text();
  await row(page, 'Ended requests', 'Done').waitFor();
  assert.equal(await row(page, 'Ended requests', 'Done').count(), 1);
});

test('I1 a token that is no longer taken is asked for again', DASHBOARD, async (visit) => {
  const { page, stage } = visit;
  visit.allow(/ERR_|status of (403|429|503)/);
  await connection(page, 'Live');
  stage.relayOptions = ['--admin-token', 'another token'];
  await stage.restartRelay();
  await page.getByText('The relay does not take this token.').waitFor();
  await page.getByLabel('Admin token').fill('another token');
  await page.getByRole('button', { name: 'Go on' }).click();
  await connection(page, 'Live');
});

async function workerName(stage) {
  const workers = await until(async () => {
    const { workers: list } = await admin(stage, '/admin/workers');
    return list.length > 0 && list;
  }, 'a worker');
  return workers[0].worker_name;
}

test('I1 without a stream of events the dashboard asks', {}, async (visit) => {
  const { page, stage } = visit;
  visit.allow(/status of 502/);
  await page.route('**/admin/events', (route) => route.fulfill({ status: 502, body: 'no' }));
  await visit.open('/dashboard');
  await connection(page, 'asking every 3 s');
  await stage.addWorker('--worker-name', 'late');
  await card(page, 'late').waitFor();
});

const BUSY = { ...DASHBOARD, models: ['big', 'small', 'tiny', 'coder', 'embedder'], ...SLOW };

test('I4 the dashboard is accessible, busy, in light and dark, and fits 360 pixels', BUSY, async (visit) => {
  const { page, stage } = visit;
  await stage.addWorker('--worker-name', 'gpu-box', '--max-concurrency', '8', '--models', 'big', '--models', 'tiny');
  const limits = { models: ['b*', 'small'], tokens_per_day: 1_000_000 };
  const { secret } = await admin(stage, '/admin/keys', { name: 'editor', ...limits });
  await (await send(stage, { model: 'small', secret })).text();
  const abort = new AbortController();
  const models = ['big', 'small', 'big', 'coder', 'tiny', 'big'];
  const long = { text: LONG, stream: true, signal: abort.signal };
  const answers = await Promise.all(models.map((model) => send(stage, { model, ...long })));
  await row(page, 'Running requests', 'coder').getByText('Streaming').waitFor();
  await page.reload();
  await row(page, 'Running requests', 'coder').waitFor();
  await page.getByText('Requests a second').scrollIntoViewIfNeeded();
  for (const table of await page.getByText('As a table').all()) await table.click();
  await visit.checkAccessible();
  await page.setViewportSize({ width: 800, height: 600 });
  await visit.checkAccessible();
  await page.setViewportSize({ width: 360, height: 740 });
  await visit.checkAccessible();
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.equal(width, 360, 'no scrolling sideways');
  await visit.takePictures('dashboard');
  abort.abort();
  await Promise.allSettled(answers.map((answer) => answer.text()));
});

const WORKERS = 50;
const REQUESTS = 500;
const MEASURE_S = 10;
const CROWD = {
  worker: ['--max-concurrency', '10', '--worker-name', 'worker-00'],
  backend: ['--slots', String(REQUESTS), '--tokens-per-second', '0.2'],
};

/** Seconds of processor time that a program has used. */
async function processorTime(program) {
  const fields = (await readFile(`/proc/${program.child.pid}/stat`, 'utf8')).split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Which part of one core the relay takes while that goes on. */
async function measureRelay(stage, meanwhile) {
  const before = [await processorTime(stage.relay), performance.now()];
  await meanwhile();
  const [time, now] = [await processorTime(stage.relay), performance.now()];
  return (time - before[0]) / ((now - before[1]) / 1000);
}

/** Requests that fail at once, ten a second: events, until the function is called that it returns. */
function trickle(stage) {
  const fail = () => send(stage, { model: 'unknown' }).then((answer) => answer.text()).catch(() => {});
  const timer = setInterval(fail, 100);
  return () => clearInterval(timer);
}

test(`I1 ${WORKERS} workers and ${REQUESTS} requests cost little`, CROWD, async (visit) => {
  const { page, stage } = visit;
  const names = Array.from({ length: WORKERS - 1 }, (_, i) => `worker-${String(i + 1).padStart(2, '0')}`);
  await Promise.all(names.map((name) => stage.addWorker('--max-concurrency', '10', '--worker-name', name)));
  const abort = new AbortController();
  const long = { text: LONG, stream: true, signal: abort.signal };
  const requests = Array.from({ length: REQUESTS }, () => send(stage, long));
  await until(async () => (await admin(stage, '/admin/stats')).requests.in_flight === REQUESTS, 'the requests');
  const stop = trickle(stage);
  const alone = await measureRelay(stage, () => page.waitForTimeout(MEASURE_S * 1000));

  await visit.open('/dashboard');
  await page.getByText(`${REQUESTS} requests`).waitFor();
  await page.getByText(`and ${REQUESTS - 100} more`).waitFor();
  await card(page, 'worker-49').getByText('10 of 10 slots').waitFor();
  assert.equal(await tile(page, 'Workers').textContent(), String(WORKERS));
  assert.equal(await page.getByRole('table', { name: 'Running requests' }).getByRole('row').count(), 101);

  let renderer;
  const watched = await measureRelay(stage, async () => { renderer = await visit.measure(MEASURE_S); });
  stop();
  const percent = (part) => `${(100 * part).toFixed(1)} %`;
  console.log(`# of one core: renderer ${percent(renderer.processor)} (tasks ${percent(renderer.tasks)}), ` +
    `relay ${percent(watched)} (without the dashboard ${percent(alone)})`);
  assert.ok(renderer.processor < 0.2, `the renderer takes ${percent(renderer.processor)}`);
  assert.ok(watched - alone < 0.05, `the dashboard makes the relay take ${percent(watched - alone)} more`);
  abort.abort();
  await Promise.allSettled(requests);
});
