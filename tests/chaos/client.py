# SPDX-License-Identifier: MIT
"""A client: sends a request as its plan says, and tells what came back. It knows HTTP framing exactly, and nothing
about what the answer ought to be."""

import asyncio
import socket
import struct
import time
from dataclasses import dataclass, field

DEADLINE_SECONDS = 45


@dataclass
class Outcome:
    """What a client saw of one request.

    how: complete (an HTTP message with its proper end), cut (a head, and a body without its end), lost (no head), left
    (the client went away itself), hang (none of these within the deadline)
    """

    how: str = "lost"
    status: int = 0
    headers: dict = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    detail: str = ""
    began: float = 0
    ended: float = 0


class Truncated(Exception):
    """The connection ended before the message did."""


class Client:
    """One user with one connection, which it keeps for the next request when it may."""

    def __init__(self, port):
        self.port = port
        self.reader = None
        self.writer = None

    async def connect(self, slow):
        sock = socket.socket()
        if slow:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.reader, self.writer = await asyncio.open_connection(sock=sock, limit=8192 if slow else 65536)
        except BaseException:
            sock.close()
            raise

    def disconnect(self, reset=False):
        if self.writer is None:
            return
        sock = self.writer.get_extra_info("socket")
        if reset and sock.fileno() >= 0:  # else the relay has ended it already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        self.reader = self.writer = None

    @property
    def is_connected(self):
        return self.writer is not None

    async def run(self, plan):
        """Sends the request and returns its Outcome; never raises for what a peer does."""
        outcome = Outcome(began=time.monotonic())
        rng = plan.random("client")
        keep = rng.random() < 0.7
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                keep = await self.exchange(plan, rng, outcome) and keep
        except TimeoutError:
            outcome.how = "hang"
        except (OSError, Truncated, asyncio.IncompleteReadError) as error:
            outcome.how = "cut" if outcome.status else "lost"
            outcome.detail = repr(error)
        finally:
            outcome.ended = time.monotonic()
            if outcome.how != "complete" or not keep:
                self.disconnect(reset=rng.random() < 0.3)
        return outcome

    async def exchange(self, plan, rng, outcome):
        """Returns whether the connection can be used again."""
        slow = plan.act == "big" and rng.random() < 0.4
        if self.is_connected and (slow or self.reader.at_eof() or rng.random() < 0.1):
            self.disconnect()
        if not self.is_connected:
            await self.connect(slow)
        if not await self.send_request(plan, rng):
            outcome.how = "left"
            return False
        if plan.leave == "before":
            await asyncio.sleep(rng.choice((0, 0.001, 0.01, 0.05)))
            outcome.how = "left"
            return False
        await self.read_head(outcome)
        return await self.read_body(plan, rng, slow, outcome)

    async def send_request(self, plan, rng):
        """Returns False when the client left in the middle of its request."""
        body = plan.body
        chunked = rng.random() < 0.1
        head = f"POST {plan.path} HTTP/1.1\r\nHost: relay\r\nContent-Type: application/json\r\n"
        if plan.own_id:
            head += f"X-Request-ID: chaos-{plan.number}\r\n"
        head += "Transfer-Encoding: chunked\r\n\r\n" if chunked else f"Content-Length: {len(body)}\r\n\r\n"
        data = head.encode() + (b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body)
        if plan.leave == "upload":
            data = data[:rng.randrange(len(data))]
        elif rng.random() < 0.1:
            middle = rng.randrange(len(data))
            self.writer.write(data[:middle])
            await asyncio.sleep(0.005)
            data = data[middle:]
        self.writer.write(data)
        await self.writer.drain()
        return plan.leave != "upload"

    async def read_head(self, outcome):
        head = await self.reader.readuntil(b"\r\n\r\n")
        line, *fields = head[:-4].decode("latin-1").split("\r\n")
        outcome.headers = {name.lower(): value for name, value in (item.split(": ", 1) for item in fields)}
        outcome.status = int(line.split(" ")[1])

    async def read_body(self, plan, rng, slow, outcome):
        leave_at = rng.choice((0, 1, 200, 20_000)) if plan.leave == "after" else None
        read = self.read_chunks if outcome.headers.get("transfer-encoding") == "chunked" else self.read_length
        async for data in read(outcome):
            outcome.body += data
            if leave_at is not None and len(outcome.body) >= leave_at:
                await self.turn_away(rng)
                outcome.how = "left"
                return False
            if slow:
                await asyncio.sleep(0.01)
        outcome.how = "complete"
        return outcome.headers.get("connection") != "close"

    async def turn_away(self, rng):
        """Ends only its own half of the connection, sometimes; the caller ends the rest."""
        if rng.random() < 0.3 and self.writer.can_write_eof():
            self.writer.write_eof()
            await asyncio.sleep(0.05)

    async def read_length(self, outcome):
        left = int(outcome.headers["content-length"])
        while left > 0:
            data = await self.reader.read(min(left, 65536))
            if not data:
                raise Truncated(f"{left} bytes are missing")
            left -= len(data)
            yield data

    async def read_chunks(self, outcome):
        while True:
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            left = size
            while left > 0:
                data = await self.reader.read(min(left, 65536))
                if not data:
                    raise Truncated(f"{left} bytes of a chunk are missing")
                left -= len(data)
                yield data
            if await self.reader.readexactly(2) != b"\r\n":
                raise Truncated("a chunk does not end where it should")
            if size == 0:
                return
