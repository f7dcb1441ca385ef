// SPDX-License-Identifier: MIT
//
// The wizard at /setup as a page: its steps, its fields, what it remembers, who can use it. Its commands are run in
// web-setup-run.mjs, and with a real worker in web-setup-live.mjs.

import assert from 'node:assert/strict';

import { ADMIN_TOKEN } from './lib/browser.mjs';
import { test, until } from './lib/tap.mjs';
import { chooseAt, fillField, goTo, shown, STEPS } from './lib/wizard.mjs';

const anonymous = { path: '/setup', token: false };

const current = (page) => page.locator('nav.steps [aria-current=step]').innerText();

test('I2: without a token every step is reached by its link, its address and back and forward', anonymous,
  async ({ page }) => {
    assert.deepEqual(await page.locator('nav.steps a').allInnerTexts(), STEPS);
    for (const number of [8, 3, 1, 6, 2, 7, 5, 4]) {
      await page.locator(`nav.steps a[href="#step-${number}"]`).click();
      await page.getByRole('heading', { level: 2, name: `Step ${number}: ${STEPS[number - 1]}` }).waitFor();
      assert.equal(await current(page), STEPS[number - 1]);
    }
    await page.goBack();
    await until(async () => await current(page) === STEPS[4], 'step 5 after back');
    await page.goForward();
    await until(async () => await current(page) === STEPS[3], 'step 4 after forward');
    for (let number = 1; number <= 8; number++) {
      await page.goto('about:blank');
      await page.goto(`/setup#step-${number}`);
      await page.getByRole('heading', { level: 2, name: `Step ${number}: ` }).waitFor();
    }
    await page.goto('/setup#step-99');
    assert.equal(await page.locator('nav.steps [aria-current=step]').count(), 1);
  });

test('I2: "next" leads through all steps, and "back" back', anonymous, async ({ page }) => {
  for (let number = 1; number < 8; number++) {
    await page.locator('a.next').click();
    await page.getByRole('heading', { level: 2, name: `Step ${number + 1}: ` }).waitFor();
  }
  assert.equal(await page.locator('a.next').count(), 0);
  await page.locator('a.back').click();
  await page.getByRole('heading', { level: 2, name: 'Step 7: ' }).waitFor();
});

test('I4: the keyboard alone reaches any step, chooses, and the focus follows', anonymous, async ({ page }) => {
  const focused = () => page.evaluate(() => document.activeElement.textContent.trim());
  const tabTo = (text) => until(async () => {
    await page.keyboard.press('Tab');
    return await focused() === text;
  }, `the focus on ${text}`);

  await tabTo('Skip to the content');
  await page.keyboard.press('Enter');
  assert.equal(await current(page), STEPS[0]);
  await tabTo('Backend');
  await page.keyboard.press('Enter');
  await until(async () => await focused() === 'Step 2: Backend', 'the focus on the heading');
  await page.keyboard.press('Tab');
  await page.keyboard.press('ArrowDown');
  assert.equal(await page.locator('input[name=backend]:checked').getAttribute('value'), 'ollama');
  assert.equal(await page.getByLabel('Address of the backend').inputValue(), 'http://127.0.0.1:11434');
  await tabTo('Next: Load a model');
  await page.keyboard.press('Enter');
  await until(async () => await focused() === 'Step 3: Load a model', 'the focus on the next heading');
  await until(async () => {
    await page.keyboard.press('Tab');
    return page.evaluate(() => document.activeElement.dataset.command === 'backend-check');
  }, 'the focus on a command');
});

test('I2: choices outlive a reload, secrets do not', anonymous, async ({ page }) => {
  await chooseAt(page, 1, 'linux');
  await chooseAt(page, 2, 'vllm');
  await goTo(page, 5);
  await fillField(page, 'Name of the worker', 'tower.2');
  await fillField(page, 'Worker secret', 'only once');
  assert.match(await shown(page, 'env-write'), /WORKER_SECRET='only once'/);
  await page.reload();
  assert.equal(await page.getByLabel('Name of the worker').inputValue(), 'tower.2');
  assert.equal(await page.getByLabel('Worker secret').inputValue(), '');
  assert.doesNotMatch(await shown(page, 'env-write'), /only once/);
  assert.doesNotMatch(await page.evaluate(() => JSON.stringify(sessionStorage)), /only once/);
  await goTo(page, 3);
  assert.match(await shown(page, 'backend-start'), /^vllm serve /);
});

test('I2: what cannot be right is said at once and gets into no command', anonymous, async ({ page }) => {
  await goTo(page, 5);
  const before = await shown(page, 'env-write');
  for (const [label, bad] of [
    ['Name of the worker', 'a b'], ['Name of the worker', '../x'], ['Name of the worker', '$(id)'],
    ['Address of the backend', 'https://127.0.0.1'], ['Address of the backend', 'localhost:8000'],
    ['Address of the backend', 'http://a/$(id)'], ['Models', 'a, b'], ['Models', 'a\'b'], ['Requests at a time', '0'],
    ['Requests at a time', '4097'], ['Requests at a time', 'many'], ['Address of this relay', 'ftp://relay'],
  ]) {
    const field = page.getByLabel(label, { exact: true });
    const usual = await field.inputValue();
    await field.fill(bad);
    assert.equal(await field.getAttribute('aria-invalid'), 'true', bad);
    assert.notEqual(await page.locator(`#${await field.getAttribute('id')}-problem`).innerText(), '');
    assert.equal(await shown(page, 'env-write'), before, bad);
    await field.fill(usual);
    assert.equal(await field.getAttribute('aria-invalid'), 'false');
  }
});

test('I2: a command is copied as it is shown', { path: '/setup#step-5' }, async ({ page }) => {
  await page.locator('.command', { has: page.locator('[data-command=env-write]') }).getByRole('button').click();
  await page.getByRole('button', { name: 'Copied' }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await shown(page, 'env-write'));
});

test('I2: a wrong admin token is told, and the right one goes on', anonymous, async (visit) => {
  const { page } = visit;
  visit.allow(/status of 403/);
  await goTo(page, 5);
  await page.getByRole('button', { name: 'Create a key for this worker' }).click();
  await page.getByLabel('Admin token').fill('wrong');
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByText('The relay does not take this token.').waitFor();
  await page.getByLabel('Admin token').fill(ADMIN_TOKEN);
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByText('The key is made').waitFor();
  assert.equal(await page.getByLabel('Admin token').count(), 0);
  const secret = await page.getByLabel('Worker secret').inputValue();
  assert.match(secret, /^mr-[\w-]{43}$/);
  assert.match(await shown(page, 'env-write'), new RegExp(`^WORKER_SECRET=${secret}$`, 'm'));
});

test('I4: every step is clean by axe-core in light and dark, wide and narrow', anonymous, async (visit) => {
  const { page } = visit;
  for (const number of STEPS.keys()) {
    await goTo(page, number + 1);
    if (number + 1 === 6) await page.locator('#hints summary').click();
    await visit.checkAccessible();
    await visit.takePictures(`setup-${number + 1}`);
  }
  await page.setViewportSize({ width: 360, height: 740 });
  for (const number of STEPS.keys()) {
    await goTo(page, number + 1);
    await visit.checkAccessible();
  }
});

test('I4: nothing is wider than its place from 360 px to 4K; headings are in order', anonymous, async ({ page }) => {
  for (const [width, height] of [[360, 740], [768, 1024], [1440, 900], [3840, 2160]]) {
    await page.setViewportSize({ width, height });
    for (const number of STEPS.keys()) {
      await goTo(page, number + 1);
      if (number + 1 === 6) await page.locator('#hints summary').click();
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(over <= 0, `step ${number + 1} is ${over} px wider than ${width}`);
      const spill = await page.evaluate(() => {
        const edge = document.querySelector('.step').getBoundingClientRect().right;
        return [...document.querySelectorAll('.step *')]
          .filter((one) => !one.closest('pre') && one.getBoundingClientRect().right > edge)
          .map((one) => one.outerHTML.slice(0, 80));
      });
      assert.deepEqual(spill, [], `what leaves the card in step ${number + 1} at ${width}`);
      const levels = await page.locator('h1, h2, h3, h4')
        .evaluateAll((all) => all.map((one) => Number(one.tagName[1])));
      levels.forEach((level, i) => assert.ok(level <= (levels[i - 1] ?? 0) + 1, `headings ${levels}`));
      assert.equal(levels.filter((level) => level === 1).length, 1);
    }
  }
});
