# SPDX-License-Identifier: MIT
"""What the checks of modelrelay-llamafile share: a home with a space in its name, a stand-in for the llamafile (a
script that becomes the demonstration backend), and the run over all checks in TAP. No checks."""
import contextlib
import hashlib
import json
import os
import pathlib
import pty
import random
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import traceback

program, parts, backend, worker = sys.argv[1:]
CHECKS = []
PAGE = 'https://models.example/page'


def check(path):
    """Marks a function as a check, with its name in TAP."""
    return lambda function: CHECKS.append((path, function))


class Home:
    """A home directory of its own, removed with everything that was started in it."""

    def __init__(self, directory):
        self.path = pathlib.Path(directory, 'a home')
        self.path.mkdir()
        self.models = self.path / '.local/share/modelrelay/llamafiles'
        self.state = self.path / '.local/state/modelrelay/llamafiles'
        self.catalog = self.path / '.local/share/modelrelay/llamafile-catalog.tsv'
        self.env = {'HOME': str(self.path), 'PATH': os.environ['PATH'], 'LC_ALL': 'C', 'TERM': 'xterm',
                    'MODELRELAY_LLAMAFILE_LIB': parts}
        self('config', 'set', 'port', str(free_port()))

    def __call__(self, *words, code=0, **more):
        """Runs a command; its output and its messages, after the exit code was checked."""
        run = subprocess.run([program, *words], env={**self.env, **more.pop('env', {})}, text=True, capture_output=True,
                             stdin=more.pop('stdin', subprocess.DEVNULL), timeout=60, **more)
        assert run.returncode == code, f'{words}: exit code {run.returncode}, not {code}\n{run.stdout}{run.stderr}'
        return run.stdout + run.stderr

    def start(self, *words):
        return subprocess.Popen([program, *words], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                stdin=subprocess.DEVNULL, text=True, start_new_session=True)

    def offer(self, *rows):
        """A catalogue of (name, URL, content or None, further fields by name)."""
        self.catalog.parent.mkdir(parents=True, exist_ok=True)
        self.catalog.write_text(catalog_of(*rows))

    def install(self, name='one'):
        self.models.mkdir(parents=True, exist_ok=True)
        path = self.models / f'{name}.llamafile'
        path.write_bytes(stand_in())
        path.chmod(0o755)
        return path

    def status(self, name=None):
        servers = {server['name']: server for server in json.loads(self('status', '--json'))}
        return servers if name is None else servers.get(name)

    def run_file(self, name='one'):
        return self.state / f'{name}.run'


def catalog_of(*rows):
    lines = ['# modelrelay-llamafile catalogue 1']
    for name, url, content, more in rows:
        fields = {'tags': 'chat', 'size': '-', 'ram': '64', 'sha256': '-'}
        if content is not None:
            fields |= {'size': str(len(content)), 'sha256': hashlib.sha256(content).hexdigest()}
        fields |= more
        lines.append('\t'.join([name, fields['tags'], '1B', 'Q4_K_M', fields['size'], fields['ram'], fields['sha256'],
                                'MIT', url, PAGE]))
    return '\n'.join(lines) + '\n'


def stand_in(padding=200000, seed=1):
    """A file that passes for a llamafile: begins like the portable format, ends with a zip directory, and serves."""
    script = f"""MZqFpD='
'
printf '%s\\n' "$@" >"$0.args"
host=127.0.0.1
while [ $# -gt 0 ]; do
  case $1 in
    --host) host=$2; shift ;;
    --port) port=$2; shift ;;
    --slow) sleep 0.5 ;;
    --fail) echo 'error: cannot load the weights'; exit 3 ;;
  esac
  shift
done
case $host in *:*) host="[$host]" ;; esac
exec {shlex.quote(backend)} --listen "$host:$port" --model stand-in --tokens-per-second 500
exit
"""
    return script.encode() + random.Random(seed).randbytes(padding) + b'PK\x05\x06' + bytes(18)


def free_port():
    """Below those that the kernel gives to others, so that it stays free until a server takes it."""
    while True:
        port = random.randrange(12000, 32000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(('127.0.0.1', port))
            return port


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'waited too long'
        time.sleep(0.02)


def has(text, *pieces):
    for piece in pieces:
        assert piece in text, f'without "{piece}":\n{text}'


def has_not(text, *pieces):
    for piece in pieces:
        assert piece not in text, f'with "{piece}":\n{text}'


def in_terminal(home, *words, answer=b'', env=None):
    """What the program shows in a terminal."""
    main, side = pty.openpty()
    child = subprocess.Popen([program, *words], env={**home.env, **(env or {})}, stdin=side, stdout=side, stderr=side,
                             start_new_session=True)
    os.close(side)
    if answer:
        os.write(main, answer)
    shown = b''
    with contextlib.suppress(OSError):
        while data := os.read(main, 65536):
            shown += data
    os.close(main)
    child.wait(timeout=20)
    return shown.decode()


def machine(home, ram_gib, gpu_mib=0, amd_mib=0, binfmt=()):
    """A /proc and /sys of the test's own, and an nvidia-smi."""
    root = home.path / 'root'
    (root / 'proc/sys/fs/binfmt_misc').mkdir(parents=True)
    (root / 'proc/meminfo').write_text(f'MemTotal: {ram_gib << 20} kB\nMemAvailable: {ram_gib << 20} kB\n')
    (root / 'proc/cpuinfo').write_text('flags : fpu avx avx2\n')
    for name, text in binfmt:
        (root / 'proc/sys/fs/binfmt_misc' / name).write_text(text)
    if amd_mib:
        (root / 'sys/class/drm/card0/device').mkdir(parents=True)
        (root / 'sys/class/drm/card0/device/mem_info_vram_total').write_text(f'{amd_mib << 20}\n')
    (home.path / 'bin').mkdir()
    smi = home.path / 'bin/nvidia-smi'
    smi.write_text(f'#!/bin/sh\necho "{gpu_mib}, Test GPU"\n' if gpu_mib else '#!/bin/sh\nexit 9\n')
    smi.chmod(0o755)
    home.env |= {'MODELRELAY_LLAMAFILE_ROOT': str(root), 'PATH': f'{home.path}/bin:{home.env["PATH"]}'}


def run_checks():
    failed = 0
    for number, (path, function) in enumerate(CHECKS, 1):
        with tempfile.TemporaryDirectory(prefix='modelrelay-llamafile-') as directory:
            started = time.monotonic()
            home = Home(directory)
            try:
                function(home)
                print(f'ok {number} - /contract/N4/{path} # {time.monotonic() - started:.2f} s', flush=True)
            except Exception:
                failed += 1
                print(f'not ok {number} - /contract/N4/{path}', flush=True)
                print('\n'.join('# ' + line for line in traceback.format_exc().splitlines()), flush=True)
            finally:
                subprocess.run([program, 'stop', 'all', '--timeout', '1'], env=home.env, capture_output=True)
    print(f'1..{len(CHECKS)}')
    sys.exit(failed > 0)
