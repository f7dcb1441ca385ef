// SPDX-License-Identifier: MIT
//
// What the package @anthropic-ai/sdk makes of good answers: every endpoint it has for a relay, whole and streamed.
// Faults and cancels are elsewhere.

import assert from 'node:assert/strict';

import { test } from './lib/tap.mjs';
import { anthropic, answerTo, said } from './lib/dialects.mjs';
import { DIFFICULT, argumentsOf, schema } from './lib/samples.mjs';

const FAST = { backend: ['--tokens-per-second', '0'] };
const MODELS = ['demo', 'org/llama-3:8b', 'llama3.2:3b'];

const hello = { model: 'demo', max_tokens: 1000, messages: said('Hello') };

test('A3 models are listed and retrieved, with / and : in their names', { ...FAST, models: MODELS }, async (stage) => {
  const client = anthropic(stage);
  const page = await client.models.list();
  const ids = page.data.map((model) => model.id);
  assert.deepEqual([...ids].sort(), [...MODELS].sort());
  assert.deepEqual([page.has_more, page.first_id, page.last_id], [false, ids[0], ids.at(-1)]);
  const listed = [];
  for await (const model of client.models.list()) listed.push(model.id);
  assert.deepEqual(listed, ids);
  for (const id of MODELS) {
    const model = await client.models.retrieve(id);
    assert.deepEqual([model.id, model.type, model.display_name], [id, 'model', id]);
    assert.ok(!Number.isNaN(Date.parse(model.created_at)));
  }
});

test('A1 message, whole', FAST, async (stage) => {
  const message = await anthropic(stage).messages.create({ ...hello, system: 'Be brief.' });
  assert.deepEqual([message.type, message.role, message.model], ['message', 'assistant', 'demo']);
  assert.deepEqual(message.content, [{ type: 'text', text: answerTo('Hello') }]);
  assert.equal(message.stop_reason, 'end_turn');
  assert.ok(message.usage.input_tokens > 0 && message.usage.output_tokens > 0);
});

test('D1 message, streamed: every event, in order', FAST, async (stage) => {
  const events = [];
  for await (const event of await anthropic(stage).messages.create({ ...hello, stream: true })) events.push(event);
  const deltas = events.filter((event) => event.type === 'content_block_delta');
  assert.deepEqual(events.map((event) => event.type), [
    'message_start',
    'content_block_start',
    ...deltas.map((event) => event.type),
    'content_block_stop',
    'message_delta',
    'message_stop',
  ]);
  assert.equal(deltas.map((event) => event.delta.text).join(''), answerTo('Hello'));
  assert.equal(events.at(-2).usage.output_tokens, deltas.length);
});

test('D1 message through the stream helper', FAST, async (stage) => {
  const client = anthropic(stage);
  const whole = await client.messages.create(hello);
  let text = '';
  const runner = client.messages.stream(hello).on('text', (delta) => { text += delta; });
  const final = await runner.finalMessage();
  assert.equal(text, answerTo('Hello'));
  assert.deepEqual(final.content, whole.content);
  assert.equal(final.stop_reason, 'end_turn');
  assert.deepEqual(final.usage, whole.usage);
});

test('A1 the query string travels: the beta messages', FAST, async (stage) => {
  const message = await anthropic(stage).beta.messages.create({ ...hello, betas: ['none-2026-01-01'] });
  assert.equal(message.content[0].text, answerTo('Hello'));
});

test('A1 count_tokens', FAST, async (stage) => {
  const client = anthropic(stage);
  const { model, messages } = hello;
  const { input_tokens: counted } = await client.messages.countTokens({ model, messages });
  assert.ok(counted > 0);
  assert.equal(counted, (await client.messages.create(hello)).usage.input_tokens);
});

test('A2 D7 difficult characters, whole and streamed', FAST, async (stage) => {
  const client = anthropic(stage);
  const body = { ...hello, messages: said(DIFFICULT) };
  assert.equal((await client.messages.create(body)).content[0].text, answerTo(DIFFICULT));
  assert.equal(await client.messages.stream(body).finalText(), answerTo(DIFFICULT));
});

test('A2 a prompt of 2 MB, there and back', FAST, async (stage) => {
  const prompt = 'größer '.repeat(233_017);
  assert.ok(Buffer.byteLength(prompt) > 2_000_000);
  const message = await anthropic(stage).messages.create({ ...hello, max_tokens: 1_000_000, messages: said(prompt) });
  assert.ok(message.content[0].text === answerTo(prompt), 'the text came back changed');
});

test('D1 a tool call, whole and streamed', FAST, async (stage) => {
  const client = anthropic(stage);
  const body = {
    ...hello,
    tools: [{ name: 'get_weather', description: 'The weather', input_schema: schema }],
    tool_choice: { type: 'tool', name: 'get_weather' },
  };
  const whole = await client.messages.create(body);
  const deltas = [];
  const streamed = await client.messages.stream(body).on('inputJson', (delta) => deltas.push(delta)).finalMessage();
  for (const message of [whole, streamed]) {
    assert.equal(message.stop_reason, 'tool_use');
    assert.deepEqual([message.content[0].type, message.content[0].name], ['tool_use', 'get_weather']);
    assert.deepEqual(message.content[0].input, argumentsOf);
  }
  assert.ok(deltas.length > 3);
  assert.deepEqual(JSON.parse(deltas.join('')), argumentsOf);
});

test('A4 the SDK knows the request by its x-request-id', FAST, async (stage) => {
  const client = anthropic(stage);
  const { data, response, request_id } = await client.messages.create(hello).withResponse();
  assert.match(data._request_id, /^[0-9a-f-]{36}$/);
  assert.equal(data._request_id, response.headers.get('x-request-id'));
  assert.equal(data._request_id, request_id);
  await stage.relay.logged(new RegExp(`response complete.* request_id=${data._request_id}`));

  const named = await client.messages.create(hello, { headers: { 'x-request-id': 'mine-42' } });
  assert.equal(named._request_id, 'mine-42');
  const { data: model, response: found } = await client.models.retrieve('demo').withResponse();
  assert.equal(model._request_id, found.headers.get('x-request-id'));
  const unknown = { ...hello, model: 'none' };
  await assert.rejects(client.messages.create(unknown, { headers: { 'x-request-id': 'mine-43' } }),
                       (error) => error.requestID === 'mine-43' && error.error.request_id === 'mine-43');
});
