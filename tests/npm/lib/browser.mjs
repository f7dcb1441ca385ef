// SPDX-License-Identifier: MIT
//
// A visitor with Debian's Chromium at the pages of a real relay. What a page must show is not here.
//
//   import { ADMIN_TOKEN, visit } from './lib/browser.mjs';
//   test('it opens', { path: '/setup' }, async ({ page, stage }) => { await page.getByRole('heading')... });
//
// The body of a test gets a Visit: `stage` (stage.mjs: relay with ADMIN_TOKEN, backend, one worker), `page` and
// `context` (Playwright's), and
//   open(path)            goes to a path of the relay
//   allow(pattern)        console messages that this test makes on purpose ("status of 403")
//   checkAccessible()     fails on what axe-core finds serious or critical, in the light and in the dark
//   takePictures(name)    NAME-light-360.png ... in the directory $MODELRELAY_SCREENSHOTS; nothing without it. It is
//                         the whole page; takePictures(name, false): what is seen of it, for dialogs
//   measure(seconds)      which part of one core the page took meanwhile, 0 to 1: {tasks, processor}; tasks are
//                         those of its main thread by the clock, processor is the time of its process
// Options of a test: `path`, `token` (false: the tab does not know it), `viewport`, `locale`, `colorScheme`, and those
// of Stage.open(). A test fails too when the page complains on the console, throws, breaks its content security policy
// or asks another origin for anything. Everything ends with the test or by its deadline.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { Stage } from './stage.mjs';
import { within } from './tap.mjs';

export const ADMIN_TOKEN = 'administrator of the tests';

const ACTION_MS = 20_000;
const CHROMIUM = '/usr/bin/chromium';
const SIZES = [[360, 740], [1440, 900]];
const VIEWPORT = { width: 1440, height: 900 };
const PICTURES = process.env.MODELRELAY_SCREENSHOTS;

async function load() {
  try {
    const { source } = createRequire(import.meta.url)('axe-core');
    return { chromium: (await import('playwright-core')).chromium, axe: source };
  } catch (error) {
    console.log('Bail out! tests/npm/node_modules is missing or old: run "npm ci" there, or scripts/bootstrap test');
    console.error(error.message);
    process.exit(1);
  }
}

const { chromium, axe } = await load();
let browser;

/** One browser for all tests; each has its own profile in it. */
async function startBrowser() {
  // Chromium's own sandbox does not work for root, and the only pages that it shows are ours.
  browser ??= await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'], timeout: ACTION_MS });
  return browser;
}

/** Ends the browser; call when all tests are through. */
export async function closeBrowser() {
  if (browser) await within(browser.close(), 'the end of the browser');
}

class Visit {
  constructor(stage) {
    this.stage = stage;
    this.problems = [];
    this.allowed = [];
  }

  async begin({ path, token = true, viewport = VIEWPORT, locale = 'en-GB', colorScheme = 'light' }) {
    this.context = await (await startBrowser()).newContext({ baseURL: this.stage.url, viewport, locale, colorScheme });
    this.context.setDefaultTimeout(ACTION_MS);
    await this.context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: this.stage.url });
    if (token) {
      // Playwright runs it in every document; a test that takes the token away wants it to stay away.
      await this.context.addInitScript((value) => {
        if (sessionStorage.getItem('test-began')) return;
        sessionStorage.setItem('test-began', '1');
        sessionStorage.setItem('modelrelay-admin-token', value);
      }, ADMIN_TOKEN);
    }
    this.page = await this.context.newPage();
    this.watch(this.page);
    if (path) await this.open(path);
  }

  watch(page) {
    const note = (kind, text) => this.problems.push(`${kind}: ${text}`);
    page.on('console', (message) => {
      // A broken content security policy is a console error as well.
      if (['error', 'warning'].includes(message.type())) note('console', `${message.text()} ${message.location().url}`);
    });
    page.on('pageerror', (error) => note('page error', error.stack));
    page.on('crash', () => note('page error', 'the page crashed'));
    this.context.on('request', (request) => {
      const url = new URL(request.url());
      if (url.origin !== this.stage.url && url.protocol !== 'data:' && url.protocol !== 'blob:')
        note('request to another origin', request.url());
    });
  }

  allow(pattern) {
    this.allowed.push(pattern);
  }

  async open(path) {
    const answer = await this.page.goto(path);
    assert.equal(answer.status(), 200, path);
  }

  async checkAccessible() {
    for (const colorScheme of ['light', 'dark']) {
      await this.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      const violations = await this.runAxe();
      assert.deepEqual(violations, [], `what axe-core finds in the ${colorScheme}`);
    }
    await this.page.emulateMedia({ colorScheme: null, reducedMotion: null });
  }

  async runAxe() {
    // The protocol of the developer tools is not bound by the page's policy; a script element would be.
    const tools = await this.context.newCDPSession(this.page);
    await tools.send('Runtime.evaluate', { expression: axe });
    const { result, exceptionDetails } = await within(tools.send('Runtime.evaluate', {
      expression: 'axe.run(document, { resultTypes: ["violations"] }).then((r) => JSON.stringify(r.violations))',
      awaitPromise: true,
      returnByValue: true,
    }), 'axe-core');
    await tools.detach();
    assert.equal(exceptionDetails, undefined, JSON.stringify(exceptionDetails));
    return JSON.parse(result.value)
      .filter(({ impact }) => ['serious', 'critical'].includes(impact))
      .map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map((node) => `${node.html} ${node.failureSummary}`) }));
  }

  async takePictures(name, fullPage = true) {
    if (!PICTURES) return;
    await mkdir(PICTURES, { recursive: true });
    const before = this.page.viewportSize();
    for (const colorScheme of ['light', 'dark']) {
      await this.page.emulateMedia({ colorScheme });
      for (const [width, height] of SIZES) {
        await this.page.setViewportSize({ width, height });
        await this.page.waitForTimeout(400); // plots and bars take their new size
        await this.page.screenshot({ path: join(PICTURES, `${name}-${colorScheme}-${width}.png`), fullPage });
      }
    }
    await this.page.setViewportSize(before);
    await this.page.emulateMedia({ colorScheme: null });
  }

  async measure(seconds) {
    const tools = await this.context.newCDPSession(this.page);
    await tools.send('Performance.enable');
    const read = async () => {
      const { metrics } = await tools.send('Performance.getMetrics');
      const value = (name) => metrics.find((metric) => metric.name === name).value;
      return { time: value('Timestamp'), tasks: value('TaskDuration'), processor: value('ProcessTime') };
    };
    const before = await read();
    await this.page.waitForTimeout(seconds * 1000);
    const after = await read();
    await tools.detach();
    const part = (name) => (after[name] - before[name]) / (after.time - before.time);
    return { tasks: part('tasks'), processor: part('processor') };
  }

  complaints() {
    return this.problems.filter((problem) => !this.allowed.some((pattern) => pattern.test(problem)));
  }

  log() {
    return [...this.problems.map((problem) => `page: ${problem}`), this.stage.log()].join('\n');
  }

  async close() {
    try {
      await within(this.context.close(), 'the end of the visit');
      assert.deepEqual(this.complaints(), [], 'complaints of the page');
    } catch (error) {
      await this.stage.abandon();
      throw Object.assign(error, { log: this.log() });
    }
    await this.stage.close();
  }

  async abandon() {
    await this.takePictures('failed').catch(() => {});
    await within(this.context?.close() ?? Promise.resolve(), 'the end of the visit').catch(() => {});
    await this.stage.abandon();
  }
}

/** For run() of tap.mjs: a stage, and a visitor at it. */
export async function visit({ relay = [], ...options } = {}) {
  const stage = await Stage.open({ ...options, relay: ['--admin-token', ADMIN_TOKEN, ...relay] });
  const visitor = new Visit(stage);
  try {
    await visitor.begin(options);
  } catch (error) {
    await visitor.abandon();
    throw Object.assign(error, { log: visitor.log() });
  }
  return visitor;
}
