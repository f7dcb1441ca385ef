# SPDX-License-Identifier: MIT
"""What the programs of the pages are tried on: a demonstration backend, a relay and a worker, on free ports, in a
directory of their own. What a page is, and what its commands are, is no concern of this file."""

import json
import os
import pathlib
import re
import signal
import ssl
import subprocess
import tempfile
import time
import urllib.request

START_SECONDS = 60  # a busy machine, and programs built with sanitizers
STOP_SECONDS = 30
ADMIN_TOKEN = 'an-admin-token-of-the-stage'
WORKER_SECRET = 'a-worker-secret-of-the-stage'


def wait_until(ready, what):
    """Polls for what no event tells, up to a deadline."""
    deadline = time.monotonic() + START_SECONDS
    while not (value := ready()):
        if time.monotonic() > deadline:
            raise RuntimeError(f'{what} did not happen within {START_SECONDS} s')
        time.sleep(0.01)
    return value


def end_process(process):
    """As an administrator would. Returns the exit status."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


class Stage:
    def __init__(self, relay, worker, backend, tls=False):
        self.programs = {'relay': os.path.abspath(relay), 'worker': os.path.abspath(worker),
                         'backend': os.path.abspath(backend)}
        self.tls = tls
        self.processes = []

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory(prefix='modelrelay-docs-')
        self.path = pathlib.Path(self.directory.name)
        self.environment = {
            'PATH': os.environ['PATH'], 'HOME': str(self.path), 'TMPDIR': str(self.path), 'LANG': 'C.UTF-8',
            'DATABASE_URL': f'sqlite:{self.path}/state/relay.db', 'MODELRELAY_DBUS': 'none',
            'WORKER_SECRET': WORKER_SECRET, 'MODELRELAY_ADMIN_TOKEN': ADMIN_TOKEN,
        } | {name: value for name, value in os.environ.items()
             if name.endswith('SAN_OPTIONS') or name.startswith(('G_', 'MALLOC_'))}
        try:
            self.start_all()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            end_process(process)
        self.directory.cleanup()

    def start(self, name, program, *arguments, announces):
        """Starts a program and waits for a line of its log. Returns the match."""
        path = self.path / f'{name}.log'
        with path.open('wb') as log:
            process = subprocess.Popen([program, *arguments], env=self.environment, cwd=self.path, stdout=log,
                                       stderr=subprocess.STDOUT)
        self.processes.append(process)

        def find():
            if process.poll() is not None:
                raise RuntimeError(f'{name} ended: {path.read_text()}')
            return re.search(announces, path.read_text(errors='replace'))
        return wait_until(find, f'"{announces}" of {name}')

    def start_all(self):
        backend = self.start('backend', self.programs['backend'], '--listen', '127.0.0.1:0',
                             '--tokens-per-second', '500', announces=r'listening on http://127.0.0.1:(\d+)\n')[1]
        options = ['--listen', '127.0.0.1:0']
        pin = []
        if self.tls:
            self.make_certificate()
            options += ['--tls-cert', 'relay.pem', '--tls-key', 'relay.key']
        port = self.start('relay', self.programs['relay'], *options, announces=r'listening address=\S*:(\d+)\n')[1]
        if self.tls:
            pin = ['--pin', re.search(r' pin=(\S+)', (self.path / 'relay.log').read_text())[1]]
        self.ports = {'relay': int(port), 'backend': int(backend)}
        self.url = f'http{"s" if self.tls else ""}://127.0.0.1:{port}'
        self.backend_url = f'http://127.0.0.1:{backend}'
        self.start('worker', self.programs['worker'], '--worker-name', 'gpu-1', '--proxy-url', self.url,
                   '--backend-url', self.backend_url, '--max-concurrency', '4', *pin, announces=r' registered .*\n')

    def make_certificate(self):
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                        '-days', '30', '-subj', '/CN=relay', '-keyout', 'relay.key', '-out', 'relay.pem'],
                       cwd=self.path, check=True, capture_output=True)

    def ask(self, path, body=None):
        """The text of an answer; the administrator asks."""
        tls = urllib.request.HTTPSHandler(context=ssl._create_unverified_context() if self.tls else None)
        request = urllib.request.Request(self.url + path, body and json.dumps(body).encode(),
                                         {'Authorization': f'Bearer {ADMIN_TOKEN}', 'Content-Type': 'application/json'})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), tls)
        with opener.open(request, timeout=START_SECONDS) as answer:
            return answer.read().decode()
