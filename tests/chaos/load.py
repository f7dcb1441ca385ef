# SPDX-License-Identifier: MIT
"""Users who send one request after the other, and the checks that want all of them to be quiet."""

import asyncio
import random
import time

from client import Client
from judge import Judge
from plan import make_hold, make_plan
from stage import PROBES, WORKERS, wait_until

QUIET_SECONDS = 10
HELD_SECONDS = 3


class Load:
    """A number of users. Each request's number is given once."""

    def __init__(self, stage, report, seed, users, **mix):
        self.stage = stage
        self.report = report
        self.seed = seed
        self.users = users
        self.mix = mix
        self.pause_s = 0.005  # at most, between two requests of a user
        self.judge = Judge(report)
        self.number = 0
        self.on = False
        self.tasks = []
        self.seconds = []  # that right answers took

    def next_number(self):
        self.number += 1
        return self.number

    def start(self):
        self.on = True
        self.tasks = [asyncio.get_running_loop().create_task(self.use(user)) for user in range(self.users)]

    async def stop(self):
        """Waits until every request has its end."""
        self.on = False
        await asyncio.gather(*self.tasks)
        self.tasks = []

    async def use(self, user):
        rng = random.Random(f"{self.seed}/user {user}")
        client = Client(self.stage.port)
        try:
            while self.on:
                outcome = await self.request(client, make_plan(self.seed, self.next_number(), **self.mix))
                await asyncio.sleep(0.5 if outcome.how == "lost" else rng.uniform(0, self.pause_s))
        finally:
            client.disconnect()

    async def request(self, client, plan):
        watch = self.stage.watch
        watch.expect(plan)
        outcome = await client.run(plan)
        watch.client_ended(plan)
        self.judge.judge(plan, outcome)
        if outcome.how == "complete" and outcome.status == 200:
            self.seconds.append(outcome.ended - outcome.began)
        return outcome

    async def check_slots(self):
        """Every slot of every worker serves a request at the same time, and none serves one more."""
        watch = self.stage.watch
        watch.release.clear()
        watch.held = held = 0
        tasks = []
        for name, model in PROBES.items():  # first w4, which would take what is meant for the others
            slots = WORKERS[name][0]
            tasks += [self.hold(model) for _ in range(slots)]
            held += slots
            if not await wait_until(lambda: watch.held >= held, HELD_SECONDS):
                self.report.violation(None, f"{name} serves {slots} requests at once", f"{watch.held - held + slots}")
                held = watch.held
        tasks += [self.hold(model) for model in PROBES.values()]
        all_wait = await wait_until(lambda: self.stage.get_queue_depth() == len(PROBES), HELD_SECONDS)
        if not all_wait or watch.held != held:
            self.report.violation(None, "a request beyond the slots waits", f"{watch.held} run instead of {held}, "
                                  f"{self.stage.get_queue_depth()} wait instead of {len(PROBES)}")
        watch.release.set()
        await asyncio.gather(*tasks)
        self.report.note(f"slots: {watch.held} held")

    def hold(self, model):
        return asyncio.get_running_loop().create_task(self.hold_one(make_hold(self.seed, self.next_number(), model)))

    async def hold_one(self, plan):
        client = Client(self.stage.port)
        await self.request(client, plan)
        client.disconnect()

    async def settle(self):
        """Waits until nothing runs and no backend connection waits for a next request."""
        backends = self.stage.backends.values()
        if not await wait_until(lambda: not any(backend.count_carriers() for backend in backends), QUIET_SECONDS):
            self.report.violation(None, "workers close their connections when all is quiet",
                                  str({backend.name: backend.count_carriers() for backend in backends}))
        self.stage.watch.check_all()
        await asyncio.sleep(0.5)

    def fds(self):
        return {program.name: program.fds() for program in self.stage.programs}

    async def check_fds(self, before):
        """After a quiet time every program has as many descriptors as it had then."""
        began = time.monotonic()
        if not await wait_until(lambda: all(self.fds()[name] <= before[name] for name in before), QUIET_SECONDS):
            self.report.violation(None, "no descriptor is left open", f"before {before}, now {self.fds()}")
        self.report.note(f"fds {self.fds()} after {time.monotonic() - began:.1f} s")
