// SPDX-License-Identifier: MIT
//
// A terminal for commands that a page shows: a home of its own, the worker in PATH, stand-ins for programs that a test
// cannot have. /etc is a directory of the sandbox. Whatever it started ends with it. Which commands run is not here.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

import { paths } from './stage.mjs';
import { until, within } from './tap.mjs';

const INHERITED = /^(LANG|LC_\w+|G_\w+|MALLOC_\w+|\w+SAN_OPTIONS)$/;
// sudo is passed through; the others note what they were asked for.
const SUDO = '#!/bin/sh\nexec "$@"\n';
const STAND_IN = '#!/bin/sh\necho "${0##*/} $*" >> "$CALLS"\n';

export class Terminal {
  /** standIns: names of programs that only note how they were called. */
  static async open(standIns = []) {
    const terminal = new Terminal();
    terminal.root = await mkdtemp(join(tmpdir(), 'modelrelay-terminal-'));
    terminal.home = join(terminal.root, 'home');
    terminal.etc = join(terminal.root, 'etc');
    terminal.callsFile = join(terminal.root, 'calls');
    terminal.running = [];
    const bin = join(terminal.root, 'bin');
    for (const directory of [terminal.home, bin, join(terminal.etc, 'systemd/system')])
      await mkdir(directory, { recursive: true });
    await writeFile(terminal.callsFile, '');
    for (const name of ['sudo', ...standIns]) {
      await writeFile(join(bin, name), name === 'sudo' ? SUDO : STAND_IN);
      await chmod(join(bin, name), 0o755);
    }
    await symlink(paths.worker, join(bin, 'modelrelay-worker'));
    terminal.environment = {
      ...Object.fromEntries(Object.entries(process.env).filter(([name]) => INHERITED.test(name))),
      PATH: `${bin}:/usr/bin:/bin:/usr/sbin:/sbin`,
      HOME: terminal.home,
      CALLS: terminal.callsFile,
      MODELRELAY_DBUS: 'none',
    };
    return terminal;
  }

  spawn(command) {
    const child = spawn('bash', ['-c', command.replace(/\/etc\/(?=modelrelay|systemd)/g, `${this.etc}/`)],
      { cwd: this.home, env: this.environment, detached: true });
    // Not every command reads what it is given before it ends.
    child.stdin.on('error', () => {});
    return child;
  }

  /** Runs a command to its end: {code, out, err}. */
  async run(command, input = '') {
    const child = this.spawn(command);
    child.stdin.end(input);
    const [out, err, [code]] = await within(
      Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]), `the end of: ${command}`);
    return { code, out, err };
  }

  /** Starts a command that stays. */
  start(command) {
    const child = this.spawn(command);
    const program = { child, lines: [], closed: once(child, 'close') };
    child.stdin.end();
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', (line) => program.lines.push(line));
    program.logged = (pattern) =>
      until(() => program.lines.find((line) => pattern.test(line)), `${pattern} from: ${command}\n${program.lines}`);
    program.stop = async () => {
      if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 'SIGTERM');
      return within(program.closed, `the exit of: ${command}`);
    };
    this.running.push(program);
    return program;
  }

  /** What the stand-ins were asked for, a line each. */
  async calls() {
    return (await readFile(this.callsFile, 'utf8')).split('\n').filter(Boolean);
  }

  async close() {
    for (const program of this.running) await program.stop();
    await rm(this.root, { recursive: true });
  }
}
