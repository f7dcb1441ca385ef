// SPDX-License-Identifier: MIT
// Tools that use the relay once they are told where it is: what goes into their files, environment and settings. Pure;
// what the settings are, integrate-snippets.js says.

import { t } from './i18n.js';
import { inField, inFile, inTerminal, keyOrNone, quoted, shellWord } from './integrate-quote.js';

const exported = (variables) =>
  Object.entries(variables).map(([name, value]) => `export ${name}=${shellWord(value)}`).join('\n');

/** A JSON file. */
const json = (value) => `${JSON.stringify(value, null, 2)}\n`;

/** Whether only the machine that the relay runs on can reach this URL. */
export function isLoopback(url) {
  const { hostname } = new URL(url);
  return hostname === '[::1]' || /(^|\.)localhost$/.test(hostname) || /^127(\.\d+){3}$/.test(hostname);
}

function claudeCode(settings) {
  const variables = {
    ANTHROPIC_BASE_URL: settings.url,
    ANTHROPIC_AUTH_TOKEN: keyOrNone(settings),
    ANTHROPIC_MODEL: settings.model,
    ANTHROPIC_DEFAULT_OPUS_MODEL: settings.model,
    ANTHROPIC_DEFAULT_SONNET_MODEL: settings.model,
    ANTHROPIC_DEFAULT_HAIKU_MODEL: settings.model,
  };
  return [
    inTerminal(`unset ANTHROPIC_API_KEY\n${exported(variables)}\nclaude`),
    { ...inFile('~/.claude/settings.json', json({ env: variables })), where: t('Or for good, in the file {file}',
      { file: '~/.claude/settings.json' }) },
  ];
}

function codex(settings) {
  const key = settings.key === null ? '' : 'env_key = "MODELRELAY_API_KEY"\n';
  const variables = settings.key === null ? {} : { MODELRELAY_API_KEY: settings.key };
  return [
    inFile('~/.codex/config.toml', `model = ${quoted(settings.model)}
model_provider = "modelrelay"

[model_providers.modelrelay]
name = "ModelRelay"
base_url = ${quoted(`${settings.url}/v1`)}
wire_api = "responses"
${key}`),
    inTerminal([exported(variables), 'codex'].filter(Boolean).join('\n')),
  ];
}

function opencode(settings) {
  const text = json({
    $schema: 'https://opencode.ai/config.json',
    provider: {
      modelrelay: {
        npm: '@ai-sdk/openai-compatible',
        name: 'ModelRelay',
        options: { baseURL: `${settings.url}/v1`, ...(settings.key === null ? {} : { apiKey: settings.key }) },
        models: { [settings.model]: { name: settings.model } },
      },
    },
    model: `modelrelay/${settings.model}`,
  });
  // opencode replaces {env:NAME} and {file:PATH} before it reads the JSON.
  return [inFile('opencode.json', text.replace(/\{(?=env:|file:)/g, '\\u007b')), inTerminal('opencode')];
}

function pi(settings) {
  const provider = {
    baseUrl: `${settings.url}/v1`,
    api: 'openai-completions',
    apiKey: keyOrNone(settings),
    compat: { supportsDeveloperRole: false, supportsReasoningEffort: false },
    models: [{ id: settings.model }],
  };
  return [
    inFile('~/.pi/agent/models.json', json({ providers: { modelrelay: provider } })),
    inTerminal(`pi --provider modelrelay --model ${shellWord(settings.model)}`),
  ];
}

function aider(settings) {
  const variables = { OPENAI_API_BASE: `${settings.url}/v1`, OPENAI_API_KEY: keyOrNone(settings) };
  return [
    inTerminal(`${exported(variables)}\naider --model ${shellWord(`openai/${settings.model}`)}`),
    { ...inFile('.aider.conf.yml', `openai-api-base: ${quoted(`${settings.url}/v1`)}
openai-api-key: ${quoted(keyOrNone(settings))}
model: ${quoted(`openai/${settings.model}`)}
`), where: t('Or for good, in the file {file}', { file: '.aider.conf.yml' }) },
  ];
}

function continueDev(settings) {
  const text = `name: ModelRelay
version: 0.0.1
schema: v1
models:
  - name: ${quoted(settings.model)}
    provider: openai
    model: ${quoted(settings.model)}
    apiBase: ${quoted(`${settings.url}/v1`)}
    apiKey: ${quoted(keyOrNone(settings))}
    roles: [chat, edit, apply]
`;
  // Continue replaces ${{ ... }} before it reads the YAML.
  return [inFile('~/.continue/config.yaml', text.replaceAll('${{', '\\u0024{{'))];
}

function cursor(settings) {
  return [
    inField('OpenAI API Key', keyOrNone(settings)),
    inField('Override OpenAI Base URL', `${settings.url}/v1`),
    inField('Add Custom Model', settings.model),
  ];
}

/** In a container, loopback is the container's own: there it shares the machine's network instead. */
function openWebui(settings) {
  const network = isLoopback(settings.url) ? ['--network=host', '-e PORT=3000'] : ['-p 3000:8080'];
  const parts = [
    'docker run -d --name open-webui',
    ...network,
    `-e OPENAI_API_BASE_URL=${shellWord(`${settings.url}/v1`)}`,
    `-e OPENAI_API_KEY=${shellWord(keyOrNone(settings))}`,
    '-v open-webui:/app/backend/data',
    'ghcr.io/open-webui/open-webui:main',
  ];
  return [inTerminal(parts.join(' \\\n  '))];
}

function litellm(settings) {
  return [
    inFile('config.yaml', `model_list:
  - model_name: ${quoted(settings.model)}
    litellm_params:
      model: ${quoted(`openai/${settings.model}`)}
      api_base: ${quoted(`${settings.url}/v1`)}
      api_key: ${quoted(keyOrNone(settings))}
`),
    inTerminal('litellm --config config.yaml'),
  ];
}

const cursorNote = (settings) => (isLoopback(settings.url)
  ? t('Cursor calls from its own servers. They cannot reach {url}: give the relay a public address with TLS first.',
    settings)
  : t('The fields are in Cursor Settings, Models. Cursor calls from its own servers: they must be able to reach {url}.',
    settings));

/** See clients() of integrate-snippets.js. */
export function toolClients() {
  return [
    { id: 'claude-code', name: 'Claude Code', make: claudeCode },
    { id: 'codex', name: 'Codex CLI', make: codex },
    { id: 'opencode', name: 'opencode', make: opencode,
      note: () => t('In a project’s folder the file is for that project; in ~/.config/opencode it is for all.') },
    { id: 'pi', name: 'pi', make: pi },
    { id: 'aider', name: 'Aider', make: aider },
    { id: 'continue', name: 'Continue', make: continueDev },
    { id: 'cursor', name: 'Cursor', make: cursor, note: cursorNote },
    { id: 'open-webui', name: 'Open WebUI', make: openWebui,
      note: () => t('It is then at port 3000. The variables count at its first start only.') },
    { id: 'litellm', name: 'LiteLLM', make: litellm },
  ];
}
