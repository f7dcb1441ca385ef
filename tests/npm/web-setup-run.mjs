// SPDX-License-Identifier: MIT
//
// The wizard's commands that bring up a backend, install the worker and make it a service, run in a sandbox. What
// cannot be here (the backends themselves, apt, a service manager) is a stand-in that notes how it was called.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

import { paths } from './lib/stage.mjs';
import { test } from './lib/tap.mjs';
import { Terminal } from './lib/terminal.mjs';
import { chooseAt, configure, fillField, goTo, shown } from './lib/wizard.mjs';

const BACKENDS = ['llama-server', 'ollama', 'vllm', 'lms'];
const SERVICE = ['systemctl', 'journalctl', 'loginctl'];
const ROOT = new URL('../..', import.meta.url).pathname;
const execute = promisify(execFile);

const anonymous = { path: '/setup', token: false };

const inTerminal = (standIns, body) => async (visit) => {
  const terminal = await Terminal.open(standIns);
  try {
    await body(visit, terminal);
  } finally {
    await terminal.close();
  }
};

/** Runs a command that has to work; bash -n looks at it first. */
async function runShown(terminal, page, name) {
  const command = await shown(page, name);
  await execute('bash', ['-n', '-c', command]);
  const result = await terminal.run(command);
  assert.equal(result.code, 0, `${command}\n${result.out}${result.err}`);
  return result.out;
}

const STARTS = {
  llamacpp: [['backend-start',
    'llama-server -hf ggml-org/gemma-3-1b-it-GGUF --host 127.0.0.1 --port 8080 --parallel 4']],
  ollama: [['backend-start', 'ollama serve'], ['model-load', 'ollama pull llama3.2:1b']],
  vllm: [['backend-start', 'vllm serve Qwen/Qwen2.5-0.5B-Instruct --host 127.0.0.1 --port 8000']],
  lmstudio: [
    ['model-load', 'lms get qwen2.5-0.5b-instruct --yes', 'lms load qwen2.5-0.5b-instruct --yes'],
    ['backend-start', 'lms server start --port 1234'],
  ],
};

test('I2: the commands of each backend call it as they should (stand-ins for the backends)', anonymous,
  inTerminal(BACKENDS, async ({ page }, terminal) => {
    for (const [backend, commands] of Object.entries(STARTS)) {
      await chooseAt(page, 2, backend);
      await goTo(page, 3);
      for (const [name] of commands) await runShown(terminal, page, name);
      const calls = (await terminal.calls()).slice(-commands.flatMap(([, ...lines]) => lines).length);
      assert.deepEqual(calls, commands.flatMap(([, ...lines]) => lines));
    }
  }));

test('I2: a llamafile is started as a file of that directory (a script stands in for it)', anonymous,
  inTerminal([], async ({ page }, terminal) => {
    await writeFile(join(terminal.home, 'my model.llamafile'), 'echo "llamafile $*" >> "$CALLS"\n');
    await writeFile(join(terminal.home, 'it\'s.llamafile'), 'echo "llamafile $*" >> "$CALLS"\n');
    await chooseAt(page, 2, 'llamafile');
    await goTo(page, 3);
    await fillField(page, 'Model', 'it\'s.llamafile');
    await runShown(terminal, page, 'backend-start');
    assert.deepEqual(await terminal.calls(), ['llamafile --server --host 127.0.0.1 --port 8080']);
  }));

test('I2: a hostile model name stays one argument (stand-ins for the backends)', anonymous,
  inTerminal(BACKENDS, async ({ page }, terminal) => {
    const name = '$(touch${IFS}x)\'";`id`\\*.gguf';
    const places = [['llamacpp', 'backend-start'], ['ollama', 'model-load'], ['vllm', 'backend-start']];
    for (const [backend, command] of places) {
      await chooseAt(page, 2, backend);
      await goTo(page, 3);
      await fillField(page, 'Model', name);
      await runShown(terminal, page, command);
      assert.ok((await terminal.calls()).at(-1).includes(` ${name}`), backend);
    }
  }));

test('I2: the check of the backend runs for real', anonymous, inTerminal([], async ({ page, stage }, terminal) => {
  await goTo(page, 2);
  await fillField(page, 'Address of the backend', stage.backendUrl);
  await goTo(page, 3);
  assert.match(await runShown(terminal, page, 'backend-check'), /"demo"/);
}));

test('I2: without downloads the page says so and invents nothing', anonymous,
  inTerminal([], async ({ page }, terminal) => {
    for (const platform of ['debian', 'linux', 'flatpak', 'container']) {
      await chooseAt(page, 1, platform);
      await goTo(page, 4);
      await page.locator('[data-notice=no-download]').waitFor();
      const fromSource = platform === 'debian' || platform === 'linux';
      assert.equal(await page.locator('[data-command]:visible').count(), fromSource ? 2 : 0);
    }
    await chooseAt(page, 1, 'debian');
    await goTo(page, 4);
    assert.match(await runShown(terminal, page, 'install-check'), /^modelrelay-worker /);
  }));

const offered = await mkdtemp(join(tmpdir(), 'modelrelay-offered-'));
process.on('exit', () => rmSync(offered, { recursive: true }));
const FILES = {
  'modelrelay-worker_0.9.0-1_amd64.deb': 'old package',
  'modelrelay-worker_0.10.0-1_amd64.deb': 'new package',
  'modelrelay-server_0.10.0-1_amd64.deb': 'not this one',
  'modelrelay-desktop.flatpak': 'flatpak',
  'modelrelay-worker-image.tar.gz': 'image',
};
for (const [name, content] of Object.entries(FILES)) await writeFile(join(offered, name), content);

/** An archive in the shape of a release, whose bootstrap only notes that it ran. */
async function packSource(target) {
  const work = await mkdtemp(join(tmpdir(), 'modelrelay-source-'));
  await mkdir(join(work, 'modelrelay-0.10.0/scripts'), { recursive: true });
  await writeFile(join(work, 'modelrelay-0.10.0/scripts/bootstrap'), '#!/bin/sh\necho "bootstrap $*" >> "$CALLS"\n',
    { mode: 0o755 });
  await execute('tar', ['czf', join(target, 'modelrelay-0.10.0.tar.gz'), '-C', work, 'modelrelay-0.10.0']);
  rmSync(work, { recursive: true });
}
await packSource(offered);

const PACKAGES = {
  debian: ['install-deb', 'modelrelay-worker_0.10.0-1_amd64.deb', 'apt install ./'],
  flatpak: ['install-flatpak', 'modelrelay-desktop.flatpak', 'flatpak install --user ./'],
  container: ['install-image', 'modelrelay-worker-image.tar.gz', 'podman load -i ./'],
};

test('I2: packages that the relay offers are fetched and checked for real (stand-ins for apt, flatpak, podman)',
  { ...anonymous, relay: ['--downloads-dir', offered] },
  inTerminal(['apt', 'flatpak', 'podman'], async (visit, terminal) => {
    const { page } = visit;
    for (const [platform, [name, file, call]] of Object.entries(PACKAGES)) {
      await chooseAt(page, 1, platform);
      await goTo(page, 4);
      await runShown(terminal, page, name);
      assert.equal(await readFile(join(terminal.home, file), 'utf8'), FILES[file]);
      assert.equal((await terminal.calls()).at(-1), `${call}${file}`);
    }
    await visit.takePictures('setup-4-downloads');
    // Another file under that name is not installed.
    await chooseAt(page, 1, 'debian');
    await goTo(page, 4);
    const digest = createHash('sha256').update('new package').digest('hex');
    const other = digest.replace(/./, (digit) => (digit === '0' ? '1' : '0'));
    const command = (await shown(page, 'install-deb')).replace(digest, other);
    const before = (await terminal.calls()).length;
    assert.notEqual((await terminal.run(command)).code, 0);
    assert.equal((await terminal.calls()).length, before);
  }));

test('I2: a source archive that the relay offers is fetched, checked and unpacked for real (stand-ins for its build)',
  { ...anonymous, relay: ['--downloads-dir', offered] },
  inTerminal(['meson'], async ({ page }, terminal) => {
    await chooseAt(page, 1, 'linux');
    await goTo(page, 4);
    await runShown(terminal, page, 'install-archive');
    assert.deepEqual(await terminal.calls(),
      ['bootstrap build', 'meson setup build --buildtype=release', 'meson install -C build']);
  }));

/** A copy of the source, as in a clone. */
async function copySource(target) {
  const { stdout } = await execute('git', ['-C', ROOT, 'ls-files', '-z', '--cached', '--others', '--exclude-standard']);
  for (const name of stdout.split('\0').filter((one) => one && !one.startsWith('tests/npm/node_modules')))
    await cp(join(ROOT, name), join(target, name)).catch((error) => assert.equal(error.code, 'ENOENT'));
}

// Building takes minutes, and the build that runs this test has shown that it works: of the install only the plan.
const PLAN_SUDO = '#!/bin/sh\necho "$*" >> "$CALLS"\n' +
  'meson introspect "$4" --installed | grep -q bin/modelrelay-worker\n';

test('I2: from source: bootstrap and meson setup for real in a copy; of the install only its plan', anonymous,
  inTerminal([], async ({ page }, terminal) => {
    await copySource(terminal.home);
    await writeFile(join(terminal.root, 'bin/sudo'), PLAN_SUDO);
    await goTo(page, 4);
    const command = await shown(page, 'install-source');
    const { code, out, err } = await terminal.run(command);
    assert.equal(code, 0, out + err);
    assert.match(out, /Found ninja/);
    assert.deepEqual(await terminal.calls(), ['meson install -C build']);
  }));

/** What systemd-analyze thinks of the unit that the page had written. */
async function verify(file, scope) {
  // It looks for the program where packages put it; here it is in the build.
  const unit = (await readFile(file, 'utf8')).replace(/^ExecStart=modelrelay-worker$/m, `ExecStart=${paths.worker}`);
  assert.ok(unit.includes(`ExecStart=${paths.worker}`));
  await writeFile(file, unit);
  // Where a user has no session it has no such directory either.
  const env = { ...process.env, XDG_RUNTIME_DIR: dirname(file) };
  const { stdout, stderr } = await execute('systemd-analyze', [scope, 'verify', file], { env });
  assert.equal(stdout + stderr, '');
}

test('I2: the system service: units written for real, verified by systemd-analyze, exposure below 2.0 (stand-ins for ' +
  'systemctl, journalctl)', anonymous, inTerminal(SERVICE, async (visit, terminal) => {
  const { page } = visit;
  await configure(visit, { name: 'gpu-1', who: 'system' });
  await goTo(page, 8);
  for (const name of ['unit-write', 'unit-enable', 'unit-status', 'unit-log', 'unit-drain', 'unit-resume'])
    await runShown(terminal, page, name);
  const unit = 'modelrelay-worker-gpu-1.service';
  assert.deepEqual(await terminal.calls(), ['systemctl daemon-reload', `systemctl enable --now ${unit}`,
    `systemctl --no-pager status ${unit}`, `journalctl -u ${unit} -n 50 -f`, `systemctl stop ${unit}`,
    `systemctl start ${unit}`]);
  const file = join(terminal.etc, 'systemd/system', unit);
  await verify(file, '--system');
  await execute('systemd-analyze', ['security', '--offline=yes', '--threshold=20', file]);
  assert.match(await readFile(file, 'utf8'), /^EnvironmentFile=.*\/modelrelay\/worker-gpu-1\.env$/m);
}));

test('I2: the user service: units written for real, verified by systemd-analyze (stand-ins for systemctl, journalctl)',
  anonymous, inTerminal(SERVICE, async (visit, terminal) => {
    const { page } = visit;
    await configure(visit, { name: 'desk', who: 'user' });
    await goTo(page, 8);
    for (const name of ['unit-write', 'unit-enable', 'unit-status', 'unit-log', 'unit-drain', 'unit-resume'])
      await runShown(terminal, page, name);
    const unit = 'modelrelay-worker-desk.service';
    assert.deepEqual(await terminal.calls(), ['loginctl enable-linger', 'systemctl --user daemon-reload',
      `systemctl --user enable --now ${unit}`, `systemctl --user --no-pager status ${unit}`,
      `journalctl --user -u ${unit} -n 50 -f`, `systemctl --user stop ${unit}`, `systemctl --user start ${unit}`]);
    await verify(join(terminal.home, '.config/systemd/user', unit), '--user');
  }));
