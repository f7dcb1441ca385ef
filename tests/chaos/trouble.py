# SPDX-License-Identifier: MIT
"""What is done to relay, workers, backends and links, and what must be so afterwards. Each action is one disturbance
from its beginning until everything is back."""

import asyncio
import time

from stage import CUT

BACK_SECONDS = 40  # until a worker is back that was cut off so often that it waits for half a minute
# A relay that was killed has its workers back after so long. A worker whose last session was short waits longer, and so
# does one that was sent away long before the relay had ended.
RELAY_BACK_SECONDS = 3
GOOD_SESSION_SECONDS = 10


class Trouble:
    """Makes trouble, one action at a time for each part."""

    def __init__(self, stage, report, rng):
        self.stage = stage
        self.report = report
        self.rng = rng
        self.busy = set()
        self.tasks = set()
        self.relay_back_s = []

    def start(self, action, part, *args):
        """Returns whether the part was free for it."""
        if part in self.busy:
            return False
        self.busy.add(part)
        task = asyncio.get_running_loop().create_task(self.run(action, part, *args))
        self.tasks.add(task)
        task.add_done_callback(self.on_done)
        return True

    async def run(self, action, part, *args):
        try:
            await action(*args)
        finally:
            self.busy.discard(part)

    def on_done(self, task):
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.report.violation(None, "the trouble itself works", repr(task.exception()))

    async def finish(self):
        """Waits until everything is back."""
        while self.tasks:
            await asyncio.wait(self.tasks)

    def something(self, only_backends=False):
        """One action of the kinds that may come at any time."""
        name = self.rng.choice(list(self.stage.workers))
        actions = [(self.kill_backend, "backend " + name, name)] * 2 + [(self.end_backend, "backend " + name, name)]
        if not only_backends:
            actions += [(self.kill_worker, "worker " + name, name), (self.end_worker, "worker " + name, name),
                        (self.cut_link, "worker " + CUT)]
        self.start(*self.rng.choice(actions))

    async def kill_backend(self, name):
        backend = self.stage.backends[name]
        disturbance = self.report.disturb("backend", f"kill -9 of backend {name}")
        backend.die(hard=self.rng.random() < 0.5)
        await self.restart_backend(backend, disturbance)

    async def end_backend(self, name):
        backend = self.stage.backends[name]
        disturbance = self.report.disturb("backend", f"SIGTERM of backend {name}")
        await backend.leave(seconds=2)
        await self.restart_backend(backend, disturbance)

    async def restart_backend(self, backend, disturbance):
        await asyncio.sleep(self.rng.uniform(0, 0.8))
        await backend.start()
        disturbance.ended = time.monotonic() + 0.1

    async def kill_worker(self, name):
        disturbance = self.report.disturb("worker", f"kill -9 of worker {name}")
        old = self.stage.sessions_of(name)
        await self.stage.workers[name].kill()
        await asyncio.sleep(self.rng.uniform(0, 0.5))
        await self.restart_worker(name, old, disturbance)

    async def end_worker(self, name):
        """What it has, it finishes: the disturbance is a reason for no error at all."""
        disturbance = self.report.disturb("drain", f"SIGTERM of worker {name}")
        old = self.stage.sessions_of(name)
        await self.stage.workers[name].terminate()
        await self.restart_worker(name, old, disturbance)

    async def restart_worker(self, name, old, disturbance):
        await self.stage.workers[name].start()
        await self.expect_back(name, BACK_SECONDS, old)
        disturbance.ended = time.monotonic() + 0.1

    async def cut_link(self):
        cutter = self.stage.cutter
        disturbance = self.report.disturb("worker", f"cut of the link of {CUT}")
        old = self.stage.sessions_of(CUT)
        cuts = cutter.cuts
        cutter.cut_after(self.rng.randrange(1, 20_000))
        for _ in range(200):
            await asyncio.sleep(0.01)
            if cutter.cuts > cuts:
                break
        else:
            cutter.cut()
        await self.expect_back(CUT, BACK_SECONDS, old)
        disturbance.ended = time.monotonic() + 0.1

    async def expect_back(self, name, seconds, old=frozenset()):
        if not await self.stage.wait_registered(name, seconds, old):
            self.report.violation(None, f"{name} is back within {seconds} s", "it is not")

    async def kill_relay(self):
        """Workers that nobody touches at the same time, and that had a good session, are back in time."""
        good = {name for name in self.stage.workers if self.stage.session_age(name) > GOOD_SESSION_SECONDS}
        good -= {part.removeprefix("worker ") for part in self.busy}
        await self.restart_relay("kill -9 of the relay", self.stage.relay.kill, good)

    async def end_relay(self):
        await self.restart_relay("SIGTERM of the relay", self.stage.relay.terminate, set())

    async def restart_relay(self, what, end, back_soon):
        stage = self.stage
        disturbance = self.report.disturb("relay", what)
        await end()
        await asyncio.sleep(self.rng.uniform(0, 0.8))
        await stage.start_relay()
        back = time.monotonic()
        for name in sorted(back_soon):
            await self.expect_back(name, RELAY_BACK_SECONDS - (time.monotonic() - back))
        for name in stage.workers:
            await self.expect_back(name, BACK_SECONDS)
        self.relay_back_s.append(time.monotonic() - back)
        disturbance.ended = time.monotonic() + 0.1
        self.report.note(f"the relay and its workers are back; in time had to be {sorted(back_soon)}")
