// SPDX-License-Identifier: MIT
//
// What the openai package makes of good answers: every endpoint it has for a relay, whole and streamed. Faults and
// cancels are elsewhere.

import assert from 'node:assert/strict';

import { test } from './lib/tap.mjs';
import { answerTo, openai, said } from './lib/dialects.mjs';
import { DIFFICULT, argumentsOf, schema } from './lib/samples.mjs';

const FAST = { backend: ['--tokens-per-second', '0'] };
const MODELS = ['demo', 'org/llama-3:8b', 'llama3.2:3b'];

const types = (events) => events.map((event) => event.type);

async function all(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

test('A3 models are listed and retrieved, with / and : in their names', { ...FAST, models: MODELS }, async (stage) => {
  const client = openai(stage);
  const listed = await all(client.models.list());
  assert.deepEqual(listed.map((model) => model.id).sort(), [...MODELS].sort());
  for (const id of MODELS) {
    const model = await client.models.retrieve(id);
    assert.deepEqual([model.id, model.object], [id, 'model']);
    assert.equal(typeof model.created, 'number');
  }
});

test('A1 chat completion, whole', FAST, async (stage) => {
  const { data, response } = await openai(stage).chat.completions
    .create({ model: 'demo', messages: [{ role: 'system', content: 'Be brief.' }, ...said('Hello')] }).withResponse();
  assert.equal(data.object, 'chat.completion');
  assert.equal(data.choices[0].message.role, 'assistant');
  assert.equal(data.choices[0].message.content, answerTo('Hello'));
  assert.equal(data.choices[0].finish_reason, 'stop');
  assert.ok(data.usage.prompt_tokens > 0);
  assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + data.usage.completion_tokens);
  assert.match(response.headers.get('content-type'), /^application\/json/);
});

test('D1 chat completion, streamed, with usage', FAST, async (stage) => {
  const client = openai(stage);
  const body = { model: 'demo', messages: said('Hello, stream') };
  const whole = await client.chat.completions.create(body);
  const chunks = await all(await client.chat.completions.create({
    ...body,
    stream: true,
    stream_options: { include_usage: true },
  }));
  const last = chunks.pop();
  assert.deepEqual(last.choices, []);
  assert.deepEqual(last.usage, whole.usage);
  assert.equal(chunks.length, whole.usage.completion_tokens + 2); // the role, the pieces, the reason
  assert.equal(chunks[0].choices[0].delta.role, 'assistant');
  assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join(''), answerTo('Hello, stream'));
  assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
});

test('D1 chat completion through the stream helper', FAST, async (stage) => {
  let content = '';
  const runner = openai(stage).chat.completions.stream({ model: 'demo', messages: said('helper') });
  runner.on('content', (delta) => { content += delta; });
  const final = await runner.finalChatCompletion();
  assert.equal(final.choices[0].message.content, answerTo('helper'));
  assert.equal(content, answerTo('helper'));
});

test('A4 max_tokens travels, and the reason comes back', FAST, async (stage) => {
  const body = { model: 'demo', messages: said('cut this'), max_tokens: 4 };
  const answer = await openai(stage).chat.completions.create(body);
  assert.equal(answer.choices[0].finish_reason, 'length');
  assert.equal(answer.usage.completion_tokens, 4);
  assert.ok(answerTo('').startsWith(answer.choices[0].message.content));
});

test('A1 completion, whole and streamed', FAST, async (stage) => {
  const client = openai(stage);
  const body = { model: 'demo', prompt: 'Once upon a time' };
  const whole = await client.completions.create(body);
  assert.equal(whole.object, 'text_completion');
  assert.equal(whole.choices[0].text, answerTo('Once upon a time'));
  const chunks = await all(await client.completions.create({
    ...body,
    stream: true,
    stream_options: { include_usage: true },
  }));
  assert.deepEqual(chunks.pop().usage, whole.usage);
  assert.equal(chunks.map((chunk) => chunk.choices[0].text).join(''), whole.choices[0].text);
  assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
});

test('A1 response, whole', FAST, async (stage) => {
  const response = await openai(stage).responses.create({
    model: 'demo',
    instructions: 'Be brief.',
    input: [{ role: 'user', content: [{ type: 'input_text', text: 'Hello' }] }],
  });
  assert.equal(response.object, 'response');
  assert.equal(response.status, 'completed');
  assert.equal(response.output_text, answerTo('Hello'));
  assert.equal(response.usage.total_tokens, response.usage.input_tokens + response.usage.output_tokens);
});

test('D1 response, streamed: every event, in order', FAST, async (stage) => {
  const client = openai(stage);
  const events = await all(await client.responses.create({ model: 'demo', input: 'Hello', stream: true }));
  const deltas = events.filter((event) => event.type === 'response.output_text.delta');
  assert.deepEqual(types(events), [
    'response.created',
    'response.in_progress',
    'response.output_item.added',
    'response.content_part.added',
    ...types(deltas),
    'response.output_text.done',
    'response.content_part.done',
    'response.output_item.done',
    'response.completed',
  ]);
  assert.deepEqual(events.map((event) => event.sequence_number), events.map((_, i) => i));
  assert.equal(deltas.map((event) => event.delta).join(''), answerTo('Hello'));
  assert.equal(events.at(-1).response.usage.output_tokens, deltas.length);

  const final = await client.responses.stream({ model: 'demo', input: 'Hello' }).finalResponse();
  assert.equal(final.output_text, answerTo('Hello'));
});

test('A1 embeddings, as numbers and as base64', FAST, async (stage) => {
  const client = openai(stage);
  const input = ['first', 'zweitens', '第三'];
  const numbers = await client.embeddings.create({ model: 'demo', input, encoding_format: 'float', dimensions: 64 });
  const base64 = await client.embeddings.create({ model: 'demo', input, dimensions: 64 });
  assert.deepEqual(numbers.data.map((item) => item.index), [0, 1, 2]);
  assert.ok(numbers.usage.prompt_tokens > 0);
  for (const [i, { embedding }] of numbers.data.entries()) {
    assert.equal(embedding.length, 64);
    assert.ok(Math.abs(Math.hypot(...embedding) - 1) < 1e-5);
    assert.deepEqual(embedding.map(Math.fround), Array.from(base64.data[i].embedding));
  }
  assert.notDeepEqual(numbers.data[0].embedding, numbers.data[1].embedding);
});

test('A2 D7 difficult characters, whole and streamed', FAST, async (stage) => {
  const client = openai(stage);
  const body = { model: 'demo', messages: said(DIFFICULT) };
  assert.equal((await client.chat.completions.create(body)).choices[0].message.content, answerTo(DIFFICULT));
  const final = await client.chat.completions.stream(body).finalChatCompletion();
  assert.equal(final.choices[0].message.content, answerTo(DIFFICULT));
});

test('A2 a prompt of 2 MB, there and back', FAST, async (stage) => {
  const prompt = 'größer '.repeat(233_017);
  assert.ok(Buffer.byteLength(prompt) > 2_000_000);
  const answer = await openai(stage).chat.completions.create({ model: 'demo', messages: said(prompt) });
  assert.ok(answer.choices[0].message.content === answerTo(prompt), 'the text came back changed');
});

test('D1 a tool call in chat completions, whole and streamed', FAST, async (stage) => {
  const client = openai(stage);
  const body = {
    model: 'demo',
    messages: said('What is the weather?'),
    tools: [{ type: 'function', function: { name: 'get_weather', parameters: schema } }],
    tool_choice: 'required',
  };
  const whole = await client.chat.completions.create(body);
  const deltas = [];
  const runner = client.chat.completions.stream(body);
  runner.on('tool_calls.function.arguments.delta', (event) => deltas.push(event.arguments_delta));
  const streamed = await runner.finalChatCompletion();
  for (const { choices: [choice] } of [whole, streamed]) {
    assert.equal(choice.finish_reason, 'tool_calls');
    assert.equal(choice.message.tool_calls[0].function.name, 'get_weather');
    assert.deepEqual(JSON.parse(choice.message.tool_calls[0].function.arguments), argumentsOf);
  }
  assert.ok(deltas.length > 3);
  assert.deepEqual(JSON.parse(deltas.join('')), argumentsOf);
});

test('D1 a tool call in responses, whole and streamed', FAST, async (stage) => {
  const client = openai(stage);
  const body = {
    model: 'demo',
    input: 'What is the weather?',
    tools: [{ type: 'function', name: 'get_weather', parameters: schema, strict: false }],
    tool_choice: { type: 'function', name: 'get_weather' },
  };
  const whole = await client.responses.create(body);
  const deltas = [];
  const runner = client.responses.stream(body);
  runner.on('response.function_call_arguments.delta', (event) => deltas.push(event.delta));
  const streamed = await runner.finalResponse();
  for (const { output: [call] } of [whole, streamed]) {
    assert.deepEqual([call.type, call.name], ['function_call', 'get_weather']);
    assert.deepEqual(JSON.parse(call.arguments), argumentsOf);
  }
  assert.ok(deltas.length > 3);
  assert.deepEqual(JSON.parse(deltas.join('')), argumentsOf);
});

test('A4 the SDK knows the request by its x-request-id', FAST, async (stage) => {
  const body = { model: 'demo', messages: said('x') };
  const client = openai(stage);
  const { data, response, request_id } = await client.chat.completions.create(body).withResponse();
  assert.match(data._request_id, /^[0-9a-f-]{36}$/);
  assert.equal(data._request_id, response.headers.get('x-request-id'));
  assert.equal(data._request_id, request_id);
  await stage.relay.logged(new RegExp(`response complete.* request_id=${data._request_id}`));

  const named = await client.chat.completions.create(body, { headers: { 'x-request-id': 'mine-42' } });
  assert.equal(named._request_id, 'mine-42');
  await assert.rejects(client.models.retrieve('none', { headers: { 'x-request-id': 'mine-43' } }),
                       { name: 'Error', requestID: 'mine-43', status: 404 });
});
