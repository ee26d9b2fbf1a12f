"""Send HTTP requests from a process of its own and time the answers; no tool from elsewhere.

Open loop (`rate`): request i is due at i / rate whatever became of those before it, and its time runs from
when it was due, so a server that stalls is charged for all who wait (no coordinated omission). Closed loop
(no rate): each connection sends its next request when it has the answer, which measures throughput.
Prints one JSON value: statuses, milliseconds of each status (sorted, in hundredths), seconds, errors.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter, deque
from pathlib import Path


class Connection(asyncio.Protocol):
    """One connection that is kept open; one request on its way at a time."""

    def __init__(self, load):
        self.load, self.buffer, self.due, self.transport = load, b"", 0.0, None

    def connection_made(self, transport):
        self.transport = transport
        self.load.ready(self)

    def send(self, body, due):
        self.due = due
        self.transport.write(body)

    def data_received(self, data):
        self.buffer = data = self.buffer + data if self.buffer else data
        head = data.find(b"\r\n\r\n")
        if head < 0:
            return
        at = data.find(b"content-length: ", 0, head)
        if at < 0:
            at = data.find(b"Content-Length: ", 0, head)
        length = int(data[at + 16 : data.index(b"\r", at)]) if at >= 0 else 0
        if len(data) < head + 4 + length:
            return
        self.buffer = b""
        self.load.answered(int(data[9:12]), time.perf_counter() - self.due)
        self.load.ready(self)

    def connection_lost(self, _):
        if not self.load.over.done():
            self.load.lost(self)


class Load:
    """A number of requests over a number of connections."""

    def __init__(self, loop, bodies, *, requests, rate, limit):
        self.loop, self.bodies, self.requests, self.rate, self.limit = loop, bodies, requests, rate, limit
        self.idle, self.due = deque(), deque()
        self.sent = self.done = self.errors = 0
        self.statuses, self.times = Counter(), {}
        self.over, self.start = loop.create_future(), 0.0

    def ready(self, connection):
        if self.start and not self.rate and self.sent < self.requests:
            self.give(connection, time.perf_counter())
        elif self.due:
            self.give(connection, self.due.popleft())
        else:
            self.idle.append(connection)

    def give(self, connection, due):
        body = self.bodies[self.sent % len(self.bodies)]
        self.sent += 1
        connection.send(body, due)

    def answered(self, status, seconds):
        self.statuses[status] += 1
        self.times.setdefault(status, []).append(seconds)
        self.done += 1
        if self.done >= self.requests and not self.over.done():
            self.over.set_result(None)

    def lost(self, connection):
        self.errors += 1
        self.answered(0, time.perf_counter() - connection.due)

    def begin(self):
        self.start = time.perf_counter()
        if not self.rate:
            for connection in list(self.idle):
                self.idle.popleft()
                self.ready(connection)
            return
        self.next = 0
        self.tick()

    def tick(self):
        now = time.perf_counter()
        while self.next < self.requests and self.start + self.next / self.rate <= now:
            due = self.start + self.next / self.rate
            self.next += 1
            if self.idle:
                self.give(self.idle.popleft(), due)
            else:
                self.due.append(due)
        if self.next < self.requests:
            self.loop.call_at(
                self.loop.time() + max(0.0, self.start + self.next / self.rate - now), self.tick
            )


async def run(o):
    """Connect, send, wait for the last answer."""
    head = f"POST {o.path} HTTP/1.1\r\nHost: 127.0.0.1:{o.port}\r\nContent-Type: application/json\r\n"
    if o.token:
        head += f"Authorization: Bearer {o.token}\r\n"
    lines = Path(o.bodies).read_text(encoding="utf-8").splitlines()
    bodies = [f"{head}Content-Length: {len(x.encode())}\r\n\r\n{x}".encode() for x in lines]
    loop = asyncio.get_running_loop()
    load = Load(loop, bodies, requests=o.requests, rate=o.rate, limit=o.seconds)
    for _ in range(o.connections):
        await loop.create_connection(lambda: Connection(load), "127.0.0.1", o.port)
    load.begin()
    try:
        await asyncio.wait_for(asyncio.shield(load.over), o.seconds)
    except TimeoutError:
        load.over.cancel()
    seconds = time.perf_counter() - load.start
    times = {str(k): sorted(round(v * 1e5) / 100 for v in values) for k, values in load.times.items()}
    return {
        "statuses": {str(k): v for k, v in load.statuses.items()}, "times": times, "seconds": seconds,
        "errors": load.errors, "unanswered": load.requests - load.done,
    }  # fmt: skip


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("port", type=int)
    p.add_argument("bodies", help="file with one JSON body a line")
    p.add_argument("--path", default="/predict")
    p.add_argument("--token", default="")
    p.add_argument("--requests", type=int, default=1000)
    p.add_argument("--rate", type=float, default=0.0, help="a second; 0: as fast as answers come")
    p.add_argument("--connections", type=int, default=32)
    p.add_argument("--seconds", type=float, default=300.0, help="give up after this")
    try:
        import uvloop

        uvloop.install()
    except ImportError:
        pass
    json.dump(asyncio.run(run(p.parse_args())), sys.stdout)


if __name__ == "__main__":
    main()
