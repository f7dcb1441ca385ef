// SPDX-License-Identifier: MIT
//
// The playground of /integrate: streams, figures, several turns, stopping, and each way in which an answer can fail.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';

import { LONG, answerTo } from './lib/dialects.mjs';
import { ADMIN_TOKEN } from './lib/browser.mjs';
import { test, until } from './lib/tap.mjs';

const APIS = { chat: '/v1/chat/completions', messages: '/v1/messages', responses: '/v1/responses' };
const FAST = { path: '/integrate', token: false, backend: ['--tokens-per-second', '0'] };
const SLOW = { ...FAST, backend: ['--tokens-per-second', '50'] };

// Chromium drops what a page has not read of an answer whose connection breaks, and with it, now and then, the reason.
const BROKEN =
  /^(The answer broke off: The (model server broke off|connection to the worker was lost)|The connection broke before)/;

const prompt = (page) => page.getByLabel('Prompt', { exact: true });
const state = (page) => page.locator('.playground .state');
const words = (page) => page.locator('.answer .words').last();

async function say(page, text, api = 'chat') {
  await page.locator('#model:enabled').waitFor();
  await page.getByLabel('API', { exact: true }).selectOption(api);
  await prompt(page).fill(text);
  await prompt(page).press('Enter');
}

const reaches = (page, text) => state(page).filter({ hasText: text }).waitFor();

/** A backend that does with each request what the test says; it notes the requests. */
class Scripted {
  static async open(stage, answer) {
    const backend = new Scripted();
    backend.requests = [];
    backend.server = createServer(async (request, response) => {
      if (request.method === 'GET') return response.end('{"data":[{"id":"scripted"}]}');
      let body = '';
      for await (const piece of request) body += piece;
      backend.requests.push({ path: request.url, headers: request.headers, body: JSON.parse(body) });
      return answer(response, backend.requests.length);
    });
    backend.server.listen(0, '127.0.0.1');
    await once(backend.server, 'listening');
    const url = `http://127.0.0.1:${backend.server.address().port}`;
    await stage.addWorker('--backend-url', url, '--worker-name', 'puppet');
    return backend;
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

async function withScript({ page, stage }, answer, act) {
  const backend = await Scripted.open(stage, answer);
  try {
    await page.getByRole('button', { name: 'Look again' }).click();
    await page.locator('#model option[value=scripted]').waitFor({ state: 'attached' });
    await page.getByLabel('Model', { exact: true }).selectOption('scripted');
    await act(backend);
  } finally {
    backend.close();
  }
}

function stream(response, ...events) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const event of events) response.write(`data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`);
}

const delta = (text) => ({ choices: [{ delta: { content: text } }] });

for (const [api, path] of Object.entries(APIS)) {
  test(`I3 ${api}: streams, and says how fast and by whom`, FAST, async ({ page, stage }) => {
    await say(page, 'Zürich 🦊 <b>bold</b>', api);
    await reaches(page, 'The answer is complete.');
    assert.equal(await words(page).textContent(), answerTo('Zürich 🦊 <b>bold</b>'));
    await stage.backend.logged(new RegExp(`request ${path} outcome=completed`));
    const figures = await page.locator('.figures').textContent();
    assert.match(figures, /^[\d.]+ m?s to the first word · \d+ tokens · [\d,.]+ tokens\/s · Worker: .+$/);
  });

  test(`E2 ${api}: Stop ends the work behind the relay`, { ...SLOW, token: true }, async ({ page, stage }) => {
    await say(page, LONG, api);
    await reaches(page, 'The answer is coming');
    await until(async () => (await words(page).textContent()).length > 20, 'some words');
    await page.getByRole('button', { name: 'Stop' }).click();
    await reaches(page, 'Stopped.');
    await stage.backend.logged(new RegExp(`request ${path} outcome=cancelled`));
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    await until(async () => {
      const { requests } = await (await fetch(`${stage.url}/admin/requests`, { headers })).json();
      return requests.length === 0;
    }, 'the end of the request in the relay');
    assert.ok(answerTo(LONG).startsWith(await words(page).textContent()));
    assert.equal(await page.evaluate(() => document.activeElement.id), 'prompt');
  });

  test(`D4 ${api}: a worker that is lost in the middle is said`, SLOW, async (visit) => {
    const { page, stage } = visit;
    visit.allow(/ERR_INCOMPLETE_CHUNKED_ENCODING/);
    await say(page, LONG, api);
    await reaches(page, 'The answer is coming');
    stage.workers[0].kill();
    await reaches(page, BROKEN);
    assert.match(await page.locator('.answer .problem').textContent(), BROKEN);
    assert.equal(await prompt(page).inputValue(), LONG);
  });
}

test('I3 the conversation goes on until a new one is begun', { ...FAST, token: true }, async (visit) => {
  const answer = (response, n) => {
    stream(response, delta(`Answer ${n}`), { choices: [{ delta: {}, finish_reason: 'stop' }] }, '[DONE]');
    response.end();
  };
  await withScript(visit, answer, async ({ requests }) => {
    const { page } = visit;
    await page.getByText('Options').click();
    await page.getByLabel('System prompt').fill('Be brief.');
    await page.getByLabel('At most so many tokens').fill('77');
    await page.getByLabel('Temperature').fill('0.5');
    for (const [n, api] of [[1, 'chat'], [2, 'chat']]) {
      await say(page, `Question ${n}`, api);
      await reaches(page, 'The answer is complete.');
      assert.equal(await words(page).textContent(), `Answer ${n}`);
    }
    const system = { role: 'system', content: 'Be brief.' };
    const [first, second] = ['Question 1', 'Question 2'].map((content) => ({ role: 'user', content }));
    assert.deepEqual(requests[0].body.messages, [system, first]);
    assert.deepEqual(requests[1].body.messages, [system, first, { role: 'assistant', content: 'Answer 1' }, second]);
    assert.deepEqual([requests[1].body.max_tokens, requests[1].body.temperature], [77, 0.5]);
    // The administrator's token is in this tab, and is nobody else's business.
    assert.equal(requests[0].headers.authorization, undefined);
    assert.match(await page.locator('.figures').textContent(), /Worker: puppet/);

    await page.getByRole('button', { name: 'New conversation' }).click();
    assert.equal(await page.locator('.turn').count(), 0);
    await say(page, 'Question 3');
    await reaches(page, 'The answer is complete.');
    assert.deepEqual(requests[2].body.messages, [system, { role: 'user', content: 'Question 3' }]);
  });
});

const BREAKS = {
  'an error in the middle': {
    answer: (response) => {
      stream(response, delta('Once upon'), { error: { message: 'out of memory', code: 500 } });
      response.end();
    },
    state: /^The answer broke off: out of memory$/,
    words: 'Once upon',
  },
  'a connection that is cut': {
    answer: (response) => {
      stream(response, delta('Once upon'));
      setTimeout(() => response.destroy(), 100);
    },
    state: BROKEN,
    words: 'Once upon',
  },
  'an end that comes too early': {
    answer: (response) => {
      stream(response, delta('Once upon'));
      response.end();
    },
    state: /^The connection broke before the answer was complete\.$/,
    words: 'Once upon',
  },
  'an error status': {
    answer: (response) => {
      response.writeHead(500, { 'content-type': 'application/json' });
      response.end('{"error":{"message":"the model is on fire"}}');
    },
    state: /^No answer: the model is on fire \(status 500\)$/,
    words: '',
  },
  'no stream at all': {
    answer: (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end('data: {not json\n\n');
    },
    state: /^The connection broke before the answer was complete\.$/,
    words: '',
  },
};

for (const [name, expected] of Object.entries(BREAKS)) {
  test(`I3 ${name} is said in words`, FAST, async (visit) => {
    visit.allow(/status of 500|ERR_INCOMPLETE_CHUNKED_ENCODING/);
    await withScript(visit, expected.answer, async () => {
      const { page } = visit;
      await say(page, 'Tell me a story');
      await reaches(page, expected.state);
      assert.equal(await words(page).textContent(), expected.words);
      assert.match(await page.locator('.answer .problem').textContent(), expected.state);
      assert.equal(await prompt(page).inputValue(), 'Tell me a story');
      await visit.checkAccessible();
    });
  });
}

test('I3 a relay that cannot be reached is said in words', FAST, async (visit) => {
  const { page } = visit;
  visit.allow(/ERR_INTERNET_DISCONNECTED/);
  await page.locator('#model:enabled').waitFor();
  await visit.context.setOffline(true);
  await say(page, 'Hello');
  await reaches(page, 'The relay cannot be reached.');
  await visit.context.setOffline(false);
  await prompt(page).press('Enter');
  await reaches(page, 'The answer is complete.');
});

test('I3 thoughts stand apart, and a limit that is reached is said', FAST, async (visit) => {
  const answer = (response) => {
    stream(response, { choices: [{ delta: { reasoning_content: 'Hm, well.' } }] }, delta('Yes'),
      { choices: [{ delta: {}, finish_reason: 'length' }] }, '[DONE]');
    response.end();
  };
  await withScript(visit, answer, async () => {
    const { page } = visit;
    await say(page, 'Is it?');
    await reaches(page, 'The answer is as long as it may be.');
    assert.equal(await words(page).textContent(), 'Yes');
    await page.getByText('Thoughts').click();
    assert.equal(await page.locator('.thoughts').innerText(), 'Hm, well.');
  });
});

test('I3 with keys required, the playground uses the key of the page', { ...FAST, relay: ['--require-api-keys'] },
  async (visit) => {
    const { page, stage } = visit;
    visit.allow(/status of 401/);
    await page.getByText('This relay wants a key.').waitFor();
    await prompt(page).fill('Hello');
    await prompt(page).press('Enter');
    await reaches(page, 'This relay wants a key.');
    const { secret } = await (await fetch(`${stage.url}/admin/keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
      body: '{"name":"test","scope":"client"}',
    })).json();
    await page.getByLabel('A key that I have').check();
    await page.getByLabel('Your key').fill(secret);
    await page.getByLabel('Your key').press('Tab');
    await page.getByText('1 model is there.').waitFor();
    await prompt(page).press('Enter');
    await reaches(page, 'The answer is complete.');
    assert.equal(await words(page).textContent(), answerTo('Hello'));
  });

test('I4 the playground by keyboard alone, and announced politely', FAST, async (visit) => {
  const { page } = visit;
  await page.locator('#model:enabled').waitFor();
  await prompt(page).focus();
  await page.keyboard.type('First line');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('second line');
  for (const id of ['api', null]) {
    await page.keyboard.press('Tab');
    if (id) assert.equal(await page.evaluate(() => document.activeElement.id), id);
  }
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Send');
  await page.keyboard.press('Enter');
  await reaches(page, 'The answer is complete.');
  assert.equal(await words(page).textContent(), answerTo('First line\nsecond line'));
  assert.equal(await state(page).getAttribute('role'), 'status');
  assert.equal(await page.locator('.talk').getAttribute('aria-live'), null);
  await visit.checkAccessible();
  await visit.takePictures('integrate-playground');
});
