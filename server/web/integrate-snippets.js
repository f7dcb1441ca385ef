// SPDX-License-Identifier: MIT
// Programs that use the relay, ready to run: curl, Python, Node, Go. Pure: settings in, text out. Tools that are set up
// by a file or by their environment are in integrate-tools.js.
//
// Settings: {url, model, key}. url has no slash at its end; key is null where the relay wants none.

import { inFile, inTerminal, keyOrNone, quoted, shellWord } from './integrate-quote.js';
import { toolClients } from './integrate-tools.js';

const PROMPT = 'Say hello.';
const MAX_TOKENS = 1024;

const messages = () => [{ role: 'user', content: PROMPT }];

function curl(settings, path, headers, body) {
  const parts = [
    `curl ${shellWord(settings.url + path)}`,
    ...['Content-Type: application/json', ...headers].map((header) => `-H ${shellWord(header)}`),
    `-d ${shellWord(JSON.stringify({ model: settings.model, ...body }, null, 2))}`,
  ];
  return [inTerminal(parts.join(' \\\n  '))];
}

const bearer = (settings) => (settings.key === null ? [] : [`Authorization: Bearer ${settings.key}`]);

const curlChat = (settings) => curl(settings, '/v1/chat/completions', bearer(settings), { messages: messages() });

const curlResponses = (settings) => curl(settings, '/v1/responses', bearer(settings), { input: PROMPT });

function curlMessages(settings) {
  const key = settings.key === null ? [] : [`x-api-key: ${settings.key}`];
  return curl(settings, '/v1/messages', ['anthropic-version: 2023-06-01', ...key],
    { max_tokens: MAX_TOKENS, messages: messages() });
}

function pythonOpenai(settings) {
  return [
    inTerminal('pip install openai'),
    inFile('chat.py', `from openai import OpenAI

client = OpenAI(
    base_url=${quoted(`${settings.url}/v1`)},
    api_key=${quoted(keyOrNone(settings))},
)

stream = client.chat.completions.create(
    model=${quoted(settings.model)},
    messages=[{"role": "user", "content": ${quoted(PROMPT)}}],
    stream=True,
)
for chunk in stream:
    if chunk.choices and chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="", flush=True)
print()
`),
  ];
}

function pythonAnthropic(settings) {
  return [
    inTerminal('pip install anthropic'),
    inFile('messages.py', `from anthropic import Anthropic

client = Anthropic(
    base_url=${quoted(settings.url)},
    api_key=${quoted(keyOrNone(settings))},
)

with client.messages.stream(
    model=${quoted(settings.model)},
    max_tokens=${MAX_TOKENS},
    messages=[{"role": "user", "content": ${quoted(PROMPT)}}],
) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
print()
`),
  ];
}

function nodeOpenai(settings) {
  return [
    inTerminal('npm install openai'),
    inFile('chat.mjs', `import OpenAI from 'openai';

const client = new OpenAI({
  baseURL: ${quoted(`${settings.url}/v1`)},
  apiKey: ${quoted(keyOrNone(settings))},
});

const stream = await client.chat.completions.create({
  model: ${quoted(settings.model)},
  messages: [{ role: 'user', content: ${quoted(PROMPT)} }],
  stream: true,
});
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta?.content ?? '');
}
process.stdout.write('\\n');
`),
  ];
}

function nodeAnthropic(settings) {
  return [
    inTerminal('npm install @anthropic-ai/sdk'),
    inFile('messages.mjs', `import Anthropic from '@anthropic-ai/sdk';

const client = new Anthropic({
  baseURL: ${quoted(settings.url)},
  apiKey: ${quoted(keyOrNone(settings))},
});

const stream = client.messages.stream({
  model: ${quoted(settings.model)},
  max_tokens: ${MAX_TOKENS},
  messages: [{ role: 'user', content: ${quoted(PROMPT)} }],
});
stream.on('text', (text) => process.stdout.write(text));
await stream.finalMessage();
process.stdout.write('\\n');
`),
  ];
}

function go(settings) {
  const authorization = settings.key === null ? ''
    : `\trequest.Header.Set("Authorization", ${quoted(`Bearer ${settings.key}`)})\n`;
  return [
    inFile('main.go', `package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
)

func main() {
	body, err := json.Marshal(map[string]any{
		"model":    ${quoted(settings.model)},
		"messages": []map[string]string{{"role": "user", "content": ${quoted(PROMPT)}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	request, err := http.NewRequest("POST", ${quoted(`${settings.url}/v1/chat/completions`)}, bytes.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
${authorization}	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		problem, _ := io.ReadAll(response.Body)
		log.Fatalf("%s: %s", response.Status, problem)
	}
	var answer struct {
		Choices []struct {
			Message struct {
				Content string
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		log.Fatal(err)
	}
	for _, choice := range answer.Choices {
		fmt.Println(choice.Message.Content)
	}
}
`),
    inTerminal('go run main.go'),
  ];
}

/**
 * All clients, in the order of the page: {id, name, make, note}. make(settings) gives blocks (integrate-quote.js);
 * note(settings), if there is one, gives a sentence.
 */
export function clients() {
  return [
    { id: 'curl-chat', name: 'curl: chat completions', make: curlChat },
    { id: 'curl-messages', name: 'curl: messages', make: curlMessages },
    { id: 'curl-responses', name: 'curl: responses', make: curlResponses },
    { id: 'python-openai', name: 'Python: openai', make: pythonOpenai },
    { id: 'python-anthropic', name: 'Python: anthropic', make: pythonAnthropic },
    { id: 'node-openai', name: 'Node: openai', make: nodeOpenai },
    { id: 'node-anthropic', name: 'Node: @anthropic-ai/sdk', make: nodeAnthropic },
    { id: 'go', name: 'Go: net/http', make: go },
    ...toolClients(),
  ];
}
