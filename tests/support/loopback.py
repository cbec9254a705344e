"""A CodeDeploy for measurements: in a process of its own, and too cheap to distort them.

`python -m support.loopback SECONDS`, run in `tests/`, prints its URL and answers each call after
that many seconds.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from support.pages import instance

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET = json.dumps(instance("TARGET-ID"), separators=(",", ":")).encode()
DEPLOYMENT_SIZES = {"d-1000": 1_000, "d-50000": 50_000, "d-100000": 100_000}
LIST_SIZE = 100


@contextmanager
def loopback(seconds: float = 0) -> Iterator[str]:
    command = [sys.executable, "-m", "support.loopback", str(seconds)]
    tests = Path(__file__).parents[1]
    with subprocess.Popen(  # noqa: S603
        command, cwd=tests, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def answer(operation: str, params: dict[str, object]) -> bytes:
    if operation == "ListDeploymentTargets":
        start = int(str(params.get("nextToken", 0)))
        end = min(start + LIST_SIZE, DEPLOYMENT_SIZES[str(params["deploymentId"])])
        page: dict[str, object] = {"targetIds": [f"i-{n:017x}" for n in range(start, end)]}
        if end < DEPLOYMENT_SIZES[str(params["deploymentId"])]:
            page["nextToken"] = str(end)
        return json.dumps(page).encode()
    target_ids = params["targetIds"]
    assert isinstance(target_ids, list)
    targets = [TARGET.replace(b"TARGET-ID", target_id.encode()) for target_id in target_ids]
    return b'{"deploymentTargets":[' + b",".join(targets) + b"]}"


class Protocol(asyncio.Protocol):
    cache: dict[bytes, bytes]

    def __init__(self, seconds: float, cache: dict[bytes, bytes]) -> None:
        self.seconds = seconds
        self.cache = cache
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator or len(body) < int(self.header(head, b"content-length")):
            return
        self.received = b""
        operation = self.header(head, b"x-amz-target").partition(b".")[2].decode()
        key = body if operation != "ListDeploymentTargets" else b""
        page = self.cache.get(key) or answer(operation, json.loads(body))
        if key and len(self.cache) < 100:  # what is asked for again and again need not be made anew
            self.cache[key] = page
        response = b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: r\r\nContent-Length: %d\r\n\r\n%b"
        asyncio.get_running_loop().call_later(
            self.seconds, self.transport.write, response % (len(page), page)
        )

    @staticmethod
    def header(head: bytes, name: bytes) -> bytes:
        return head[head.lower().index(name) :].partition(b":")[2].partition(b"\r\n")[0].strip()


async def main(seconds: float) -> None:
    cache: dict[bytes, bytes] = {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Protocol(seconds, cache), "127.0.0.1", 0)
    print("http://{}:{}".format(*server.sockets[0].getsockname()), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
