// SPDX-License-Identifier: MIT
//
// /integrate: its snippets, taken from the page and run, with names that are easily damaged; the choice of address,
// model and key. Its playground is tested in web-playground.mjs.

import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { answerTo } from './lib/dialects.mjs';
import { ADMIN_TOKEN } from './lib/browser.mjs';
import { test, until } from './lib/tap.mjs';

const MODULES = new URL('node_modules', import.meta.url).pathname;
const NASTY = [
  'a\'b"c$d',
  'org/model-1.5:7b',
  '-n `id` $(id) \\n \\u0041 !! ~ # : [x] {y} %s & | ; < > * ?',
  '{env:HOME} ${{ secrets.X }} {file:/etc/passwd}',
  'Ünï 東京 🦊 e\u0301 \u00a0\u2028 \'\'\' """',
];
const PROMPT = 'Say hello.';
const KEY = 'mr-any_key-0123456789';
const PAGE = { path: '/integrate', token: false, models: NASTY, backend: ['--tokens-per-second', '0'] };
const KEYS = { ...PAGE, models: ['demo'], relay: ['--require-api-keys'] };
const CLIENTS = ['curl-chat', 'curl-messages', 'curl-responses', 'python-openai', 'python-anthropic', 'node-openai',
  'node-anthropic', 'go', 'claude-code', 'codex', 'opencode', 'pi', 'aider', 'continue', 'cursor', 'open-webui',
  'litellm'];

const run = promisify(execFile);
const answer = `${answerTo(PROMPT)}\n`;

/** The blocks of code that the page shows for a client. */
async function blocks(page, id) {
  await page.evaluate((fragment) => { location.hash = fragment; }, id);
  await page.locator(`#tab-${id}[aria-selected="true"]`).waitFor();
  return page.locator('#snippets-panel pre')
    .evaluateAll((all) => all.map((pre) => ({ file: pre.dataset.file ?? null, code: pre.textContent })));
}

const fileOf = (all, name) => all.find(({ file }) => file === name).code;
const commandOf = (all) => all.find(({ file }) => file === null).code;

async function choose(page, model) {
  await page.locator('#model option').first().waitFor({ state: 'attached' });
  await page.getByLabel('Model', { exact: true }).selectOption(model);
}

async function inDirectory(act) {
  const directory = await mkdtemp(join(tmpdir(), 'modelrelay-'));
  try {
    return await act(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function execute(command, args, { cwd, env = {} } = {}) {
  const { stdout } = await run(command, args, { cwd, env: { ...process.env, ...env }, timeout: 50_000 });
  return stdout;
}

/** Runs a program of several lines of text, named as the page names it. */
const runFile = (command, args, name, code, env) => inDirectory(async (cwd) => {
  await symlink(MODULES, join(cwd, 'node_modules'));
  await writeFile(join(cwd, name), code);
  return execute(command, [...args, name], { cwd, env });
});

/** What a tool would get, run in a shell as the page says: {args, env}. */
const runTool = (tool, code) => inDirectory(async (cwd) => {
  const bin = join(cwd, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, tool), '#!/bin/sh\nprintf \'%s\\0\' "$@"\nprintf \'\\0\'\nexec env -0\n');
  await chmod(join(bin, tool), 0o755);
  const parts = (await execute('sh', ['-c', code], { cwd, env: { PATH: `${bin}:${process.env.PATH}` } })).split('\0');
  const end = parts.indexOf('');
  const env = Object.fromEntries(parts.slice(end + 1).filter(Boolean).map((part) => part.split(/=(.*)/s)));
  return { args: parts.slice(0, end), env };
});

async function readToml(text) {
  const script = 'import json, sys, tomllib; print(json.dumps(tomllib.loads(sys.argv[1])))';
  return JSON.parse(await execute('python3', ['-c', script, text]));
}

/** The values of a YAML file of the page, by key: its double-quoted strings are JSON's. */
function readYaml(text) {
  const values = {};
  for (const line of text.trimEnd().split('\n')) {
    const [, indent, key, value] = /^((?: {2})*(?:- )?)([\w-]+):(?: (.+))?$/.exec(line);
    assert.equal(indent.length % 2, 0, line);
    if (value !== undefined) values[key] = value.startsWith('"') ? JSON.parse(value) : value;
  }
  return values;
}

/** Modules that stand in for the SDKs of Python, of which Debian has none: they post what the real ones would. */
const PYTHON_SDKS = `
import contextlib, json, types, urllib.request

def post(url, headers, body):
    data = json.dumps({**body, "stream": True}).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request) as answer:
        for line in answer:
            if line.startswith(b"data: {"):
                yield json.loads(line[6:])

class OpenAI:
    def __init__(self, *, base_url, api_key):
        def create(*, stream, **body):
            assert stream
            for event in post(base_url + "/chat/completions", {"Authorization": "Bearer " + api_key}, body):
                deltas = [types.SimpleNamespace(content=c["delta"].get("content")) for c in event["choices"]]
                yield types.SimpleNamespace(choices=[types.SimpleNamespace(delta=delta) for delta in deltas])
        self.chat = types.SimpleNamespace(completions=types.SimpleNamespace(create=create))

class Anthropic:
    def __init__(self, *, base_url, api_key):
        @contextlib.contextmanager
        def stream(**body):
            events = post(base_url + "/v1/messages", {"x-api-key": api_key}, body)
            texts = (event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")
            yield types.SimpleNamespace(text_stream=texts)
        self.messages = types.SimpleNamespace(stream=stream)
`;

const runPython = (name, code) => inDirectory(async (cwd) => {
  for (const module of ['openai', 'anthropic']) await writeFile(join(cwd, `${module}.py`), PYTHON_SDKS);
  await writeFile(join(cwd, name), code);
  return execute('python3', ['-B', name], { cwd });
});

/** The text in an answer that is no stream, whichever API it is of. */
function textOf(json) {
  const { choices, content, output } = JSON.parse(json);
  return choices?.[0].message.content ?? content?.[0].text ?? output[0].content[0].text;
}

for (const model of NASTY) {
  test(`I3 programs run with the model ${JSON.stringify(model)}`, PAGE, async ({ page, stage }) => {
    await choose(page, model);
    for (const id of ['curl-chat', 'curl-messages', 'curl-responses']) {
      const code = commandOf(await blocks(page, id));
      assert.equal(textOf(await execute('sh', ['-c', code.replace(/^curl /, 'curl -s ')])), answerTo(PROMPT), id);
    }
    for (const [id, file] of [['python-openai', 'chat.py'], ['python-anthropic', 'messages.py']])
      assert.equal(await runPython(file, fileOf(await blocks(page, id), file)), answer, id);
    for (const [id, file] of [['node-openai', 'chat.mjs'], ['node-anthropic', 'messages.mjs']])
      assert.equal(await runFile('node', [], file, fileOf(await blocks(page, id), file)), answer, id);
    // Each request named a model that the relay knows, as it is.
    assert.equal(stage.relay.count(/request dispatched/), 7);
  });

  test(`I3 tools understand the model ${JSON.stringify(model)}`, PAGE, async ({ page, stage }) => {
    await choose(page, model);
    const url = stage.url;
    await checkTools(page, { url, model, key: 'none' });
    await page.getByLabel('A key that I have').check();
    await page.getByLabel('Your key').fill(KEY);
    await page.getByLabel('Your key').press('Tab');
    await checkTools(page, { url, model, key: KEY });
  });
}

async function checkTools(page, { url, model, key }) {
  await checkClaude(await blocks(page, 'claude-code'), { url, model, key });
  await checkCodex(await blocks(page, 'codex'), { url, model, key });

  // As opencode does it, with nothing in the environment.
  const opencode = fileOf(await blocks(page, 'opencode'), 'opencode.json').replace(/\{(env|file):[^}]+\}/g, '');
  const { provider: { modelrelay }, model: chosen } = JSON.parse(opencode);
  assert.deepEqual([modelrelay.npm, modelrelay.options.baseURL], ['@ai-sdk/openai-compatible', `${url}/v1`]);
  assert.deepEqual([Object.keys(modelrelay.models), chosen], [[model], `modelrelay/${model}`]);
  assert.equal(modelrelay.options.apiKey ?? 'none', key);

  const pi = await blocks(page, 'pi');
  const { baseUrl, api, apiKey, models } = JSON.parse(fileOf(pi, '~/.pi/agent/models.json')).providers.modelrelay;
  assert.deepEqual([baseUrl, api, apiKey, models], [`${url}/v1`, 'openai-completions', key, [{ id: model }]]);
  assert.deepEqual((await runTool('pi', commandOf(pi))).args, ['--provider', 'modelrelay', '--model', model]);

  const aider = await blocks(page, 'aider');
  const { args, env } = await runTool('aider', commandOf(aider));
  assert.deepEqual([args, env.OPENAI_API_BASE, env.OPENAI_API_KEY], [['--model', `openai/${model}`], `${url}/v1`, key]);
  assert.deepEqual(readYaml(fileOf(aider, '.aider.conf.yml')),
    { 'openai-api-base': `${url}/v1`, 'openai-api-key': key, model: `openai/${model}` });

  const continued = fileOf(await blocks(page, 'continue'), '~/.continue/config.yaml');
  assert.ok(!continued.includes('${{'), continued);
  const yaml = readYaml(continued);
  assert.deepEqual([yaml.schema, yaml.provider, yaml.model, yaml.apiBase, yaml.apiKey],
    ['v1', 'openai', model, `${url}/v1`, key]);

  assert.deepEqual((await blocks(page, 'cursor')).map(({ code }) => code), [key, `${url}/v1`, model]);

  const webui = (await runTool('docker', commandOf(await blocks(page, 'open-webui')))).args;
  for (const variable of [`OPENAI_API_BASE_URL=${url}/v1`, `OPENAI_API_KEY=${key}`])
    assert.equal(webui[webui.indexOf(variable) - 1], '-e', webui.join('\n'));
  assert.ok(webui.includes('--network=host'), webui.join('\n'));

  const litellm = readYaml(fileOf(await blocks(page, 'litellm'), 'config.yaml'));
  assert.deepEqual([litellm.model_name, litellm.model, litellm.api_base, litellm.api_key],
    [model, `openai/${model}`, `${url}/v1`, key]);
}

async function checkClaude(all, { url, model, key }) {
  const { env } = await runTool('claude', commandOf(all));
  const file = JSON.parse(fileOf(all, '~/.claude/settings.json')).env;
  for (const [name, value] of Object.entries(file)) assert.equal(env[name], value, name);
  assert.deepEqual([file.ANTHROPIC_BASE_URL, file.ANTHROPIC_AUTH_TOKEN, file.ANTHROPIC_MODEL], [url, key, model]);
}

async function checkCodex(all, { url, model, key }) {
  const config = await readToml(fileOf(all, '~/.codex/config.toml'));
  assert.deepEqual([config.model, config.model_provider], [model, 'modelrelay']);
  const { base_url, wire_api, env_key } = config.model_providers.modelrelay;
  assert.deepEqual([base_url, wire_api], [`${url}/v1`, 'responses']);
  assert.equal(env_key, key === 'none' ? undefined : 'MODELRELAY_API_KEY');
  const { env } = await runTool('codex', commandOf(all));
  assert.equal(env.MODELRELAY_API_KEY ?? 'none', key);
}

// The library is built before, so that the deadline of the test is for the program alone.
if (spawnSync('go', ['build', 'net/http', 'encoding/json']).status === 0) {
  test('I3 the snippet for Go runs', PAGE, async ({ page }) => {
    for (const model of NASTY) {
      await choose(page, model);
      const code = fileOf(await blocks(page, 'go'), 'main.go');
      assert.equal(await runFile('go', ['run'], 'main.go', code), answer);
    }
  });
}

test('I3 a key that is made here works in snippets, and is shown once', KEYS, async (visit) => {
  const { page, stage } = visit;
  visit.allow(/status of 401/);
  await page.getByText('This relay wants a key.').waitFor();
  assert.match(commandOf(await blocks(page, 'curl-chat')), /Bearer YOUR_KEY/);

  await page.getByLabel('Create a key').check();
  await page.getByLabel('Admin token').fill(ADMIN_TOKEN);
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByLabel('A name for it').fill('Kim’s <b>editor</b>');
  await page.getByLabel('A name for it').press('Enter');
  await page.getByText('The key “Kim’s <b>editor</b>” is made.').waitFor();
  const secret = await page.locator('.made pre').textContent();
  assert.match(secret, /^mr-[\w-]{43}$/);
  await page.getByText('1 model is there.').waitFor();
  await visit.checkAccessible();
  await visit.takePictures('integrate-key');

  const code = commandOf(await blocks(page, 'curl-messages'));
  assert.equal(textOf(await execute('sh', ['-c', code.replace(/^curl /, 'curl -s ')])), answerTo(PROMPT));
  const program = fileOf(await blocks(page, 'node-openai'), 'chat.mjs');
  assert.equal(await runFile('node', [], 'chat.mjs', program), answer);

  assert.ok(!page.url().includes(secret), page.url());
  assert.equal(await page.evaluate(() => localStorage.length + document.cookie.length), 0);
  assert.ok(!stage.log().includes(secret), 'the key is in a log');
  await page.reload();
  await page.getByText('1 model is there.').waitFor();
  assert.equal(await page.locator('.made').count(), 0);
});

test('I3 a wrong key is refused in words', KEYS, async (visit) => {
  const { page } = visit;
  visit.allow(/status of 401/);
  await page.getByLabel('A key that I have').check();
  await page.getByLabel('Your key').fill('mr-wrong');
  await page.getByLabel('Your key').press('Tab');
  await page.getByText('The relay does not take this key.').waitFor();
  await page.getByLabel('Your key').fill('nö key');
  await page.getByLabel('Your key').press('Tab');
  await page.getByText('A key has no spaces').waitFor();
});

test('I3 the address can be another, and must be one', PAGE, async ({ page }) => {
  const address = page.getByLabel('Address of the relay');
  await address.fill('https://relay.example.org:8443/v1/');
  const chat = 'curl https://relay.example.org:8443/v1/chat/completions ';
  assert.ok(commandOf(await blocks(page, 'curl-chat')).startsWith(chat));
  assert.match(commandOf(await blocks(page, 'open-webui')), /-p 3000:8080/);
  await address.fill('relay.example.org');
  await page.getByText('An address begins with').waitFor();
  assert.equal(await address.getAttribute('aria-invalid'), 'true');
  assert.ok(commandOf(await blocks(page, 'curl-chat')).startsWith(chat));
});

test('I3 the public address of the relay is filled in',
  { ...PAGE, token: true, relay: ['--public-url', 'https://models.example.org'] }, async ({ page }) => {
    const address = page.getByLabel('Address of the relay');
    await until(async () => (await address.inputValue()) === 'https://models.example.org', 'the public address');
    assert.match(commandOf(await blocks(page, 'codex')), /codex$/);
    assert.match(fileOf(await blocks(page, 'codex'), '~/.codex/config.toml'), /"https:\/\/models\.example\.org\/v1"/);
  });

test('I4 the snippets by keyboard; the fragment names the client', PAGE, async ({ page }) => {
  await page.locator('#model option').first().waitFor({ state: 'attached' });
  const selected = () => page.locator('[role=tab][aria-selected=true]').getAttribute('id');
  assert.deepEqual(await page.locator('[role=tab]').evaluateAll((tabs) => tabs.map((tab) => tab.id)),
    CLIENTS.map((id) => `tab-${id}`));
  await page.getByLabel('None: this relay wants no key').focus();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'tab-curl-chat');
  const path = [['ArrowDown', 'curl-messages'], ['ArrowRight', 'curl-responses'], ['ArrowUp', 'curl-messages'],
    ['End', 'litellm'], ['ArrowDown', 'curl-chat'], ['ArrowLeft', 'litellm'], ['Home', 'curl-chat']];
  for (const [key, id] of path) {
    await page.keyboard.press(key);
    assert.equal(await selected(), `tab-${id}`, key);
    assert.equal(await page.evaluate(() => document.activeElement.id), `tab-${id}`, key);
    assert.equal(new URL(page.url()).hash, `#${id}`);
  }
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Copied' }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), commandOf(await blocks(page, 'curl-chat')));
  await page.goto('/integrate#go');
  await page.reload();
  await page.locator('#tab-go[aria-selected="true"]').waitFor();
});

test('I4 headings in order, accessible in every client, from 360 pixels to 4K', PAGE, async (visit) => {
  const { page } = visit;
  await page.locator('#model option').first().waitFor({ state: 'attached' });
  assert.deepEqual(await page.locator('main :is(h1, h2, h3)').evaluateAll((all) => all.map((one) => one.tagName)),
    ['H1', 'H2', 'H2', 'H3', 'H2']);
  for (const [width, height] of [[360, 740], [1440, 900], [3840, 2160]]) {
    await page.setViewportSize({ width, height });
    for (const id of CLIENTS) {
      await blocks(page, id);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${id} is too wide for ${width}`);
    }
    await visit.checkAccessible();
  }
  await visit.takePictures('integrate');
});
