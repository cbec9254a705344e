"""Answers CodeDeploy's calls as a test tells it to: over HTTP on loopback, or in process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

import boto3
import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config

Answer = Callable[[str, dict[str, Any]], "Response"]
Respond = Callable[[str, "Response"], Any]
ReadRequest = Callable[[Any], tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class Response:
    body: bytes
    status: int = 200

    @property
    def headers(self) -> Any:
        return {"x-amzn-RequestId": "request-1", "content-length": str(len(self.body))}


@dataclass
class Endpoint:
    answer: Answer
    url: str = ""


def connection(url: str) -> dict[str, Any]:
    return {
        "endpoint_url": url,
        "region_name": "us-east-1",
        "aws_access_key_id": "testing",
        "aws_secret_access_key": "testing",
    }


def boto3_client(url: str, *, data_path: str | None = None, **config: Any) -> Any:
    session: Any = _boto3_session(data_path)
    return session.client("codedeploy", **connection(url), config=Config(**config))


@cache
def _boto3_session(data_path: str | None) -> boto3.Session:
    # One session keeps the service model for all clients.
    session = botocore.session.Session()
    session.set_config_variable("data_path", data_path)
    return boto3.Session(botocore_session=session)


def error(code: str, status: int = 400) -> Response:
    return Response(json.dumps({"__type": code, "message": "as told"}).encode(), status)


def unanswered(operation: str, params: dict[str, Any]) -> Response:
    raise AssertionError(f"{operation} was called with {params}")


@contextmanager
def serve(answer: Answer) -> Iterator[Endpoint]:
    """Answer over HTTP; where the answer is an exception, break the connection."""
    endpoint = Endpoint(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 20  # one write a response, or Nagle's algorithm holds back the second

        def do_POST(self) -> None:
            operation = self.headers["X-Amz-Target"].partition(".")[2]
            params = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            response = endpoint.answer(operation, params)
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(response.body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

        # Prints nothing: in many tests, the client goes away in the middle of an answer.
        def handle_error(self, *_: object) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        endpoint.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield endpoint
        finally:
            server.shutdown()
            thread.join()


def canned(answer: Answer, **config: Any) -> Any:
    """Return a boto3 client whose calls are answered in process, in place of the network."""
    client = boto3_client("http://localhost", **config)
    intercept(client, answer, aws_response)
    return client


def read_json_request(request: Any) -> tuple[str, dict[str, Any]]:
    operation: str = request.headers["X-Amz-Target"].decode().partition(".")[2]
    return operation, json.loads(request.body)


def intercept(
    client: Any, answer: Answer, respond: Respond, read: ReadRequest = read_json_request
) -> None:
    """Answer a client's calls in process, in place of the network.

    Args:
        client: a client of botocore or aiobotocore.
        answer: gets an operation's name and parameters.
        respond: makes the HTTP response that this kind of client takes.
        read: reads the operation's name and parameters in an HTTP request.
    """

    def send(request: Any, **_: Any) -> Any:
        return respond(request.url, answer(*read(request)))

    client.meta.events.register("before-send.codedeploy", send)


def aws_response(url: str, response: Response) -> AWSResponse:
    return AWSResponse(url, response.status, response.headers, _Raw(response.body))


class _Raw(BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()
