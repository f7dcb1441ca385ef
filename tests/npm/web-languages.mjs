// SPDX-License-Identifier: MIT
//
// The pages in the languages of po/: the reader's is taken, plurals follow its rules, and its longer texts fit.

import assert from 'node:assert/strict';

import { ADMIN_TOKEN } from './lib/browser.mjs';
import { LONG } from './lib/dialects.mjs';
import { test } from './lib/tap.mjs';
import { goTo, STEPS } from './lib/wizard.mjs';

const NARROW = { width: 360, height: 740 };
const ASK = { model: 'demo', messages: [{ role: 'user', content: LONG }] };
const KEY = { name: 'laptop', models: ['demo'], requests_per_minute: 60, max_concurrent: 2, tokens_per_day: 1_000_000 };
const LANGUAGES = {
  'de-AT': ['de', 'Dashboard', 'bisher 0 Tokens', '0 von 1 Platz', 'Antwortet'],
  'es-MX': ['es', 'Panel', '0 tokens hasta ahora', '0 de 1 plaza', 'Respondiendo'],
  'fr-CA': ['fr', 'Tableau de bord', '0 token jusqu’ici', '0 sur 1 place', 'Répond'],
  // Northern Frisian: not to be taken for French.
  'frr': ['en', 'Dashboard', '0 tokens so far', '0 of 1 slot', 'Streaming'],
};

async function post(stage, path, body, token) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const answer = await fetch(stage.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  assert.ok(answer.ok, `${path}: ${answer.status}`);
  return answer;
}

/** Fails when the page scrolls sideways, or when something that does not scroll itself shows less than its text (the
 * heads of tables are only for screen readers here). */
async function checkFits(page, what) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(over <= 0, `${what} is ${over} px too wide`);
  const cut = await page.evaluate(() => [...document.querySelectorAll('body *')]
    .filter((one) => one.checkVisibility() && one.clientWidth > 0 && one.scrollWidth > one.clientWidth)
    .filter((one) => !['auto', 'scroll'].includes(getComputedStyle(one).overflowX))
    .filter((one) => !one.closest('svg, thead, .offscreen'))
    .map((one) => one.outerHTML.slice(0, 200)));
  assert.deepEqual(cut, [], `what is cut off in ${what}`);
  const touching = await page.evaluate(() => [...document.querySelectorAll('svg text')]
    .filter((one) => one.previousElementSibling?.tagName === 'text')
    .filter((one) => one.getBoundingClientRect().top === one.previousElementSibling.getBoundingClientRect().top)
    .filter((one) => one.getBoundingClientRect().left <= one.previousElementSibling.getBoundingClientRect().right)
    .map((one) => `${one.previousElementSibling.textContent} ${one.textContent}`));
  assert.deepEqual(touching, [], `words of plots that touch in ${what}`);
}

for (const [locale, [language, title, tokens, slots, streaming]] of Object.entries(LANGUAGES)) {
  const options = { locale, viewport: NARROW, path: '/dashboard', worker: ['--max-concurrency', '1'],
    backend: ['--tokens-per-second', '1'] };
  test(`I4 ${locale}: the language, its plurals, and nothing too wide for 360 pixels`, options, async (visit) => {
    const { page, stage } = visit;
    await page.getByText(tokens, { exact: true }).waitFor();
    await page.getByText(slots).waitFor();
    assert.equal(await page.title(), `${title} – ModelRelay`);
    assert.equal(await page.locator('html').getAttribute('lang'), language);
    await post(stage, '/admin/keys', KEY, ADMIN_TOKEN);
    const answer = await post(stage, '/v1/chat/completions', { ...ASK, stream: true });
    await page.reload();
    await page.getByRole('row').filter({ hasText: 'laptop' }).waitFor();
    await page.getByRole('row').filter({ hasText: streaming }).waitFor();
    await checkFits(page, 'the dashboard');
    await visit.takePictures(`dashboard-${language}`);
    await answer.body.cancel();

    await visit.open('/setup');
    for (const number of STEPS.keys()) {
      await goTo(page, number + 1);
      await checkFits(page, `step ${number + 1}`);
      await visit.takePictures(`setup-${number + 1}-${language}`);
    }
    await visit.open('/integrate');
    await page.locator('#model option').first().waitFor({ state: 'attached' });
    await checkFits(page, 'the snippets');
    await visit.takePictures(`integrate-${language}`);
  });
}
