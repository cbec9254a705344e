"""A CodeDeploy for measurements: in a process of its own, and too cheap to distort them.

`python -m support.loopback SECONDS`, run in `tests/`, prints its URL and answers each call after
that many seconds. The deployment `d-1000` has 1,000 targets, and so on.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from support.pages import instance

TARGET = json.dumps(instance("TARGET-ID"), separators=(",", ":")).encode()
RESPONSE = b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: r\r\nContent-Length: %d\r\n\r\n%b"
LIST_SIZE = 100


@contextmanager
def loopback(seconds: float = 0) -> Iterator[str]:
    command = [sys.executable, "-m", "support.loopback", str(seconds)]
    tests = Path(__file__).parents[1]
    with subprocess.Popen(command, cwd=tests, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


@lru_cache(maxsize=100)  # what is asked for again and again need not be made anew
def answer(body: bytes) -> bytes:
    params: dict[str, Any] = json.loads(body)
    if "targetIds" in params:
        targets = [TARGET.replace(b"TARGET-ID", each.encode()) for each in params["targetIds"]]
        return b'{"deploymentTargets":[' + b",".join(targets) + b"]}"
    size, start = int(params["deploymentId"][2:]), int(params.get("nextToken", 0))
    end = min(start + LIST_SIZE, size)
    more = {"nextToken": str(end)} if end < size else {}
    return json.dumps({"targetIds": [f"i-{n:017x}" for n in range(start, end)], **more}).encode()


class Protocol(asyncio.Protocol):
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, separator, body = self.received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if not separator or len(body) < int(length):
            return
        self.received = b""
        page = answer(body)
        response = RESPONSE % (len(page), page)
        asyncio.get_running_loop().call_later(self.seconds, self.transport.write, response)


async def main(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(Protocol, seconds), "127.0.0.1", 0)
    print("http://{}:{}".format(*server.sockets[0].getsockname()), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
