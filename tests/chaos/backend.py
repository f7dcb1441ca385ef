# SPDX-License-Identifier: MIT
"""A scripted model server: answers as each request's plan says, and accounts for what it saw. Whether an answer is
right is for others to judge; what is judged here is what only a backend can see: requests that were altered on the way,
or go on although nobody waits for them."""

import asyncio
import json
import socket
import struct
import time

from plan import MARK, Plan

# From the end of a request at its client to the end of its last exchange here; the contract's figures are some ms, but
# the machine may be busy.
CLOSE_SECONDS = 2.0


class Watch:
    """Which requests run at some backend, and which of them nobody waits for any more."""

    def __init__(self, report):
        self.report = report
        self.plans: dict[int, Plan] = {}  # those that a client has sent and not ended
        self.ended: dict[int, float] = {}
        self.running: dict["BackendConnection", int] = {}
        self.held = 0
        self.release = asyncio.Event()

    def expect(self, plan):
        self.plans[plan.number] = plan

    def client_ended(self, plan):
        self.ended[plan.number] = time.monotonic()

    def begin(self, connection, number):
        now = time.monotonic()
        self.running[connection] = number
        if now - self.ended.get(number, now) > CLOSE_SECONDS:
            self.report.violation(number, "a backend never sees a request that nobody waits for",
                                  f"it came {now - self.ended[number]:.1f} s after its client's end")

    def end(self, connection):
        number = self.running.pop(connection)
        if number in self.ended:
            self.check(number, time.monotonic() - self.ended[number])

    def check(self, number, seconds):
        if seconds > CLOSE_SECONDS:
            self.report.violation(number, "the exchange with the backend ends with its client's request",
                                  f"it went on for {seconds:.1f} s")

    def check_all(self):
        """At the end, when every client has ended: nothing may run."""
        now = time.monotonic()
        for number in self.running.values():
            self.check(number, now - self.ended.get(number, now))


class BackendConnection(asyncio.Protocol):
    """HTTP/1.1 as far as a worker speaks it: heads, Content-Length, keep-alive."""

    def __init__(self, backend):
        self.backend = backend
        self.transport = None
        self.received = bytearray()
        self.task = None
        self.carries_requests = False  # else only questions of which models there are
        self.writable = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.writable.set()
        self.backend.connections.add(self)

    def connection_lost(self, exc):
        self.backend.connections.discard(self)
        self.writable.set()
        if self.task is not None:
            self.task.cancel()

    def pause_writing(self):
        self.writable.clear()

    def resume_writing(self):
        self.writable.set()

    def data_received(self, data):
        self.received += data
        if self.task is None:
            self.take_request()

    def take_request(self):
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return
        line, *fields = bytes(self.received[:end]).decode("latin-1").split("\r\n")
        headers = dict(field.lower().split(": ", 1) for field in fields)
        length = int(headers.get("content-length", 0))
        if len(self.received) < end + 4 + length:
            return
        body = bytes(self.received[end + 4:end + 4 + length])
        del self.received[:end + 4 + length]
        self.task = asyncio.get_running_loop().create_task(self.serve(line, headers, body))

    async def serve(self, line, headers, body):
        try:
            method, path, _ = line.split(" ")
            if method == "GET":
                await self.answer_question(path)
            else:
                await self.answer_request(path, headers, body)
        finally:
            self.task = None
        if not self.transport.is_closing():
            self.take_request()

    async def answer_question(self, path):
        models = self.backend.models
        if path != "/v1/models" or models is None:
            await self.send(message(404, "application/json", b"{}"))
            return
        body = json.dumps({"object": "list", "data": [{"id": name, "object": "model"} for name in models]}).encode()
        await self.send(message(200, "application/json", body))

    async def answer_request(self, path, headers, body):
        watch = self.backend.watch
        mark = MARK.search(body)
        number = int(mark[1]) if mark else -1
        plan = watch.plans.get(number)
        if plan is None or body != plan.body or path != plan.path or plan.leave == "upload":
            watch.report.violation(number, "a backend gets exactly what the client sent",
                                   f"{path} {headers} and {len(body)} bytes: {body[:200]!r}")
            self.transport.abort()
            return
        self.carries_requests = True
        watch.begin(self, number)
        try:
            await self.perform(plan)
        finally:
            watch.end(self)

    async def send(self, data):
        self.transport.write(data)
        await self.writable.wait()

    def close(self, hard):
        """Ends the connection, with a reset if @hard."""
        sock = self.transport.get_extra_info("socket")
        if hard and sock.fileno() >= 0:  # else the peer has ended it already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if hard:
            self.transport.abort()
        else:
            self.transport.close()

    async def perform(self, plan):
        rng = plan.random("perform")
        if plan.act == "silent":
            await asyncio.sleep(rng.choice((0, 0.05)))
            self.close(hard=rng.random() < 0.5)
            return
        if plan.act == "hold":
            self.backend.watch.held += 1
            await self.backend.watch.release.wait()
        pieces = wire(plan, rng)
        stop_at = stopping_point(plan, rng, pieces)
        pauses = pauses_between(plan, rng, len(pieces))
        for index, piece in enumerate(pieces):
            if index == stop_at:
                await self.stop_short(plan, rng, piece)
                return
            await self.send(piece)
            if pauses[index] is not None:
                await asyncio.sleep(pauses[index])

    async def stop_short(self, plan, rng, piece):
        if plan.act == "hang":
            await asyncio.sleep(3600)
        await self.send(piece[:rng.randrange(len(piece))])
        await asyncio.sleep(rng.choice((0, 0.02)))
        self.close(hard=plan.act == "reset")


def message(status, content_type, body):
    return f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def wire(plan, rng):
    """The answer as it goes out, in pieces: the head, and the body in parts that do not care for events or letters."""
    head = f"HTTP/1.1 {plan.status} X\r\nContent-Type: {plan.content_type}\r\nX-Number: {plan.number}\r\n"
    chunked = plan.stream or rng.random() < 0.3
    body = plan.answer
    parts = []
    mean = {"fragments": 1, "big": 30_000}.get(plan.act, 1 + len(body) // rng.randrange(5, 40))
    while body:
        size = 1 if mean == 1 else rng.randrange(1, 2 * mean)
        parts.append(b"%x\r\n%b\r\n" % (len(body[:size]), body[:size]) if chunked else body[:size])
        body = body[size:]
    if chunked:
        return [(head + "Transfer-Encoding: chunked\r\n\r\n").encode(), *parts, b"0\r\n\r\n"]
    return [(head + f"Content-Length: {len(plan.answer)}\r\n\r\n").encode(), *parts]


def stopping_point(plan, rng, pieces):
    """The piece at which an answer that does not end as it should stops; -1: it ends as it should."""
    if plan.act in ("break", "reset", "hang"):
        return rng.randrange(len(pieces))
    return -1


def pauses_between(plan, rng, count):
    """Seconds after each piece; None is no pause at all."""
    if plan.act == "slow":
        return [1.5 / count] * count
    if plan.act == "fragments":
        return [0] * count
    pauses = [rng.choice((None, None, 0, 0.002)) for _ in range(count)]
    if plan.act == "stall":
        pauses[rng.randrange(count)] = rng.uniform(0.3, 1.5)
    return pauses


class Backend:
    """One model server; it can die and come back at the same port. @models is what it lists; None: it does not list."""

    def __init__(self, name, port, models, watch):
        self.name = name
        self.port = port
        self.models = models
        self.watch = watch
        self.connections = set()
        self.server = None

    def count_carriers(self):
        """Connections that a worker keeps open for requests."""
        return sum(connection.carries_requests for connection in self.connections)

    async def start(self):
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: BackendConnection(self), "127.0.0.1", self.port, backlog=128)

    def die(self, hard):
        """As a killed process: everything ends at once."""
        self.server.close()
        for connection in list(self.connections):
            connection.close(hard)

    async def leave(self, seconds):
        """As a process that was asked to end: takes nothing more, and ends when it is done or out of patience."""
        self.server.close()
        for connection in list(self.connections):
            if connection.task is None:
                connection.close(hard=False)
        deadline = time.monotonic() + seconds
        while any(connection.task for connection in self.connections) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        self.die(hard=False)
