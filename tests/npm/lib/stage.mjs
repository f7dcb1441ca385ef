// SPDX-License-Identifier: MIT
//
// The three real programs of a test: demonstration backend, relay, workers, on ports that the kernel chose. They never
// outlive the test, and one that crashed or complained fails it. What a test does with them is not here.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

import { until, within } from './tap.mjs';

const SECRET = 'correct horse';
const COMPLAINTS = /-CRITICAL \*\*|-WARNING \*\*|Sanitizer|runtime error:/;
const INHERITED = /^(PATH|HOME|LANG|LC_\w+|G_\w+|MALLOC_\w+|\w+SAN_OPTIONS)$/;
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => INHERITED.test(name)));

const running = new Set();

process.on('exit', () => running.forEach((program) => program.kill()));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

class Program {
  constructor(path, args) {
    this.path = path;
    this.lines = [];
    this.killed = false;
    this.child = spawn(path, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...environment, WORKER_SECRET: SECRET, DATABASE_URL: 'sqlite::memory:', MODELRELAY_DBUS: 'none' },
    });
    running.add(this);
    createInterface({ input: this.child.stderr }).on('line', (line) => this.lines.push(line));
    this.closed = once(this.child, 'close').finally(() => running.delete(this));
    this.closed.catch((error) => this.lines.push(String(error)));
  }

  count(pattern) {
    return this.lines.filter((line) => pattern.test(line)).length;
  }

  /** The nth line that matches. */
  async logged(pattern, n = 1) {
    await until(() => this.count(pattern) >= n || !running.has(this), `${pattern} (${n}) in the log of ${this.path}`);
    assert.ok(this.count(pattern) >= n, `${this.path} ended without ${pattern} (${n})`);
    return this.lines.filter((line) => pattern.test(line))[n - 1];
  }

  async port() {
    return Number((await this.logged(/listening .*127\.0\.0\.1:\d+/)).match(/127\.0\.0\.1:(\d+)/)[1]);
  }

  kill() {
    this.killed = true;
    this.child.kill('SIGKILL');
  }

  terminate() {
    this.child.kill('SIGTERM');
  }

  async finished() {
    const [code, signal] = await within(this.closed, `the exit of ${this.path}`);
    assert.deepEqual([code, signal], this.killed ? [null, 'SIGKILL'] : [0, null], `exit of ${this.path}`);
    assert.deepEqual(this.lines.filter((line) => COMPLAINTS.test(line)), [], `complaints of ${this.path}`);
  }
}

/** Set by the main program: paths of the relay, the worker and the demonstration backend. */
export const paths = { relay: '', worker: '', backend: '' };

export class Stage {
  /** Each option is a list of further arguments; models are the names that the backend lists. */
  static async open({ relay = [], worker = [], backend = [], models = ['demo'] } = {}) {
    const stage = new Stage();
    const listed = models.flatMap((model) => ['--model', model]);
    stage.relayOptions = relay;
    stage.relay = new Program(paths.relay, ['--listen', '127.0.0.1:0', ...relay]);
    stage.backend = new Program(paths.backend, ['--listen', '127.0.0.1:0', ...listed, ...backend]);
    stage.workers = [];
    try {
      stage.url = `http://127.0.0.1:${await stage.relay.port()}`;
      stage.backendUrl = `http://127.0.0.1:${await stage.backend.port()}`;
      await stage.addWorker(...worker);
      // A relay that wants keys does not say.
      await until(async () => ((await stage.get('/v1/models')).data ?? models).length === models.length, 'the models');
    } catch (error) {
      await stage.abandon();
      throw Object.assign(error, { log: stage.log() });
    }
    return stage;
  }

  async addWorker(...args) {
    const urls = ['--proxy-url', this.url, '--backend-url', this.backendUrl];
    const worker = new Program(paths.worker, [...urls, ...args]);
    this.workers.push(worker);
    await this.relay.logged(/worker registered/, this.workers.length);
    return worker;
  }

  /** Ends the relay, and starts another one in its place. Its keys are gone: they were in memory. */
  async restartRelay() {
    this.relay.terminate();
    await this.relay.finished();
    this.relay = new Program(paths.relay, ['--listen', new URL(this.url).host, ...this.relayOptions]);
    await this.relay.port();
  }

  async get(path) {
    return (await fetch(this.url + path)).json();
  }

  /** Until so many requests wait in the relay. */
  waiting(n) {
    return until(async () => (await this.get('/health')).queue_depth === n, `${n} waiting requests`);
  }

  get programs() {
    return [...this.workers, this.relay, this.backend];
  }

  log() {
    return this.programs.map((program) => [`--- ${program.path}`, ...program.lines].join('\n')).join('\n');
  }

  /** A good end: each program stops when told to, without a complaint. */
  async close() {
    try {
      for (const program of this.programs) {
        program.terminate();
        await program.finished();
      }
    } catch (error) {
      await this.abandon();
      throw Object.assign(error, { log: this.log() });
    }
  }

  async abandon() {
    for (const program of this.programs) {
      program.kill();
      await program.closed.catch(() => {});
    }
  }
}
