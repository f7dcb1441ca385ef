# SPDX-License-Identifier: MIT
"""The programs under test as processes, the cutter between one worker and the relay, and all of them together with
their scripted backends. What is done to them, and when, is decided elsewhere."""

import asyncio
import contextlib
import ctypes
import json
import os
import random
import re
import secrets
import signal
import socket
import time
import urllib.request
from pathlib import Path

from backend import Backend, Watch

START_SECONDS = 10
STOP_SECONDS = 15
POLL_SECONDS = 0.01
BAD_LINES = re.compile(r"CRITICAL|Z error |Sanitizer|runtime error:|assertion")
WORKER_LINE = re.compile(r" worker (registered|disconnected) worker=(\S+) worker_id=(\S+) ")
PR_SET_PDEATHSIG = 1

# glibc gives freed memory back at once, so that the resident size shows what a program holds and not the largest thing
# it ever held.
ENVIRONMENT = {"G_DEBUG": "fatal-criticals", "G_SLICE": "always-malloc", "MALLOC_ARENA_MAX": "1",
               "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_TOP_PAD_": "65536"}

# name: slots, models that it is told (None: whatever its backend lists), models that its backend lists (None: no list).
# w4 ends up with `*`. w2's link goes through the cutter.
WORKERS = {
    "w1": (1, "alpha,only-1", ["alpha"]),
    "w2": (4, "alpha,beta,only-2", ["beta"]),
    "w3": (1, None, ["beta", "gamma", "only-3"]),
    "w4": (4, None, None),
}
CUT = "w2"
PROBES = {"w4": "wild-probe", "w1": "only-1", "w2": "only-2", "w3": "only-3"}


class Failure(Exception):
    """Something that makes going on pointless, said in one sentence."""


def free_port():
    """A port below those that the kernel gives to clients, so that nobody takes it while its program is down."""
    while True:
        port = random.SystemRandom().randrange(11000, 32000)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


async def wait_until(condition, seconds):
    """Returns whether @condition came true within @seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Program:
    """One program that can be ended and started again. Its log goes on in one file."""

    def __init__(self, name, command, log, report, env):
        self.name = name
        self.command = [str(part) for part in command]
        self.log = Path(log)
        self.report = report
        self.env = env
        self.process = None
        self.ending = True
        self.watcher = None
        self.read_at = 0  # how far into the log new_lines() has come

    async def start(self):
        with open(self.log, "ab") as log:
            self.read_at = log.tell()
            self.process = await asyncio.create_subprocess_exec(
                *self.command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                start_new_session=True, preexec_fn=die_with_parent)
        self.ending = False
        self.watcher = asyncio.get_running_loop().create_task(self.watch(self.process))

    async def watch(self, process):
        status = await process.wait()
        if not self.ending:
            self.report.violation(None, f"{self.name} died by itself", f"status {status}, see {self.log}")

    @property
    def pid(self):
        return self.process.pid

    def is_alive(self):
        return self.process is not None and self.process.returncode is None

    async def kill(self):
        self.ending = True
        if self.is_alive():
            self.process.kill()
        await self.process.wait()

    async def terminate(self, seconds=STOP_SECONDS):
        """Asks it to end, and waits: it does so in time and with status 0."""
        self.ending = True
        if not self.is_alive():
            return
        began = time.monotonic()
        self.process.terminate()
        try:
            status = await asyncio.wait_for(self.process.wait(), seconds)
        except TimeoutError:
            self.report.violation(None, f"{self.name} does not end", f"{seconds} s after SIGTERM, see {self.log}")
            await self.kill()
            return
        self.report.note(f"{self.name} ended {time.monotonic() - began:.2f} s after SIGTERM")
        if status != 0:
            self.report.violation(None, f"{self.name} ended with status {status} after SIGTERM", f"see {self.log}")

    def new_lines(self):
        """The whole lines that the present process has logged since the last call."""
        with open(self.log, "rb") as log:
            log.seek(self.read_at)
            text, newline, _ = log.read().rpartition(b"\n")
        self.read_at += len(text + newline)
        return text.decode().splitlines()

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def rss_kib(self):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0


class Cutter:
    """A TCP proxy that can cut everything that goes through it after some more bytes, in the middle of a frame."""

    def __init__(self, port, target):
        self.port = port
        self.target = target
        self.pairs = set()
        self.left = None  # bytes until the cut; None: no cut
        self.cuts = 0
        self.server = None

    async def start(self):
        self.server = await asyncio.start_server(self.on_connection, "127.0.0.1", self.port)

    def close(self):
        self.server.close()
        self.cut()

    def cut_after(self, count):
        self.left = count

    def cut(self):
        for writers in list(self.pairs):
            for writer in writers:
                writer.transport.abort()
        self.cuts += 1
        self.left = None

    async def on_connection(self, reader, writer):
        try:
            relay_reader, relay_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, relay_writer)
        self.pairs.add(pair)
        try:
            await asyncio.gather(self.pass_on(reader, relay_writer), self.pass_on(relay_reader, writer))
        except OSError:
            pass  # a reset of one end is one of the other, too
        finally:
            self.pairs.discard(pair)
            for end in pair:
                end.transport.abort()

    async def pass_on(self, reader, writer):
        while data := await reader.read(65536):
            if self.left is not None and self.left <= len(data):
                writer.write(data[:self.left])
                await asyncio.sleep(0.002)
                self.cut()
                return
            if self.left is not None:
                self.left -= len(data)
            writer.write(data)
            await writer.drain()
        writer.write_eof()


class Stage:
    """A relay, workers with their backends, and the cutter. `async with`: everything is stopped at its end."""

    def __init__(self, server, worker, directory, report, relay_options=()):
        self.report = report
        self.directory = directory
        self.port = free_port()
        env = dict(os.environ, WORKER_SECRET=secrets.token_hex(16), DATABASE_URL=f"sqlite:{directory}/relay.db",
                   MODELRELAY_DBUS="none", **ENVIRONMENT)
        command = [server, "--listen", f"127.0.0.1:{self.port}", "--max-queue-len", 10000, *relay_options]
        self.relay = Program("relay", command, directory / "relay.log", report, env)
        self.watch = Watch(report)
        self.cutter = Cutter(free_port(), self.port)
        self.backends = {}
        self.workers = {}
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self.listening = False
        self.sessions = {}  # of the present relay: worker id -> name, time of its registration
        for name, (slots, models, listed) in WORKERS.items():
            backend = self.backends[name] = Backend(name, free_port(), listed, self.watch)
            proxy = self.cutter.port if name == CUT else self.port
            command = [worker, "--proxy-url", f"http://127.0.0.1:{proxy}", "--worker-name", name, "--max-concurrency",
                       slots, "--backend-url", f"http://127.0.0.1:{backend.port}", "--poll-interval", 1]
            command += ["--models", models] if models else []
            self.workers[name] = Program(name, command, directory / f"{name}.log", report, env)

    @property
    def programs(self):
        return [*self.workers.values(), self.relay]

    async def __aenter__(self):
        try:
            await self.cutter.start()
            for backend in self.backends.values():
                await backend.start()
            await self.start_relay()
            for worker in self.workers.values():
                await worker.start()
            for name in self.workers:
                if not await self.wait_registered(name, START_SECONDS):
                    raise Failure(f"{name} did not register within {START_SECONDS} s")
        except BaseException:
            await self.kill_all()
            raise
        return self

    async def __aexit__(self, *_):
        await self.kill_all()

    async def kill_all(self):
        for program in self.programs:
            if program.process is not None:
                await program.kill()
        self.cutter.close()
        for backend in self.backends.values():
            if backend.server is not None:
                backend.die(hard=True)

    async def start_relay(self):
        self.sessions.clear()
        self.listening = False
        await self.relay.start()
        if not await wait_until(self.is_listening, START_SECONDS):
            raise Failure(f"the relay does not listen, see {self.relay.log}")

    def is_listening(self):
        self.look_at_log()
        return self.listening

    def look_at_log(self):
        for line in self.relay.new_lines():
            self.listening |= " listening address=" in line
            if match := WORKER_LINE.search(line):
                event, name, worker_id = match.groups()
                if event == "registered":
                    self.sessions[worker_id] = (name, time.monotonic())
                else:
                    self.sessions.pop(worker_id, None)

    def sessions_of(self, name):
        """The ids under which the relay has this worker now."""
        self.look_at_log()
        return {worker_id for worker_id, (owner, _) in self.sessions.items() if owner == name}

    def session_age(self, name):
        self.look_at_log()
        return max((time.monotonic() - since for owner, since in self.sessions.values() if owner == name), default=0)

    async def wait_registered(self, name, seconds, old=frozenset()):
        """Waits for a session that is not one of the @old ones."""
        return await wait_until(lambda: self.sessions_of(name) - old, seconds)

    def get_health(self):
        with self.opener.open(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
            return json.load(answer)

    def get_metrics(self):
        """The samples of /metrics by their names with labels."""
        with self.opener.open(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}

    def get_queue_depth(self):
        return self.get_health()["queue_depth"]

    def bad_lines(self):
        """Lines in the logs that no run should bring forth."""
        for program in self.programs:
            for line in program.log.read_text(errors="replace").splitlines():
                if BAD_LINES.search(line) and "requeue exhausted" not in line:
                    yield program.name, line
