"""The command line, as a real process against moto's server, and in process for its coverage."""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.codedeploy.models import codedeploy_backends
from moto.server import ThreadedMotoServer
from pydantic import TypeAdapter
from support.endpoint import Response, error, serve

from codedeploy_targets import (
    DeploymentTarget,
    Diagnostics,
    ECSTarget,
    InstanceTarget,
    LifecycleErrorCode,
    LifecycleEvent,
    LifecycleEventStatus,
    TargetStatus,
    UnknownTarget,
)
from codedeploy_targets.__main__ import main
from codedeploy_targets.testing import MockDeploymentTargets, mock_deployment_targets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from support.endpoint import Answer
    from support.terminal import Terminal

PROGRAM = [sys.executable, "-m", "codedeploy_targets"]
SCRIPT = Path(sys.executable).with_name("codedeploy-targets")
DEADLINE = 60  # seconds that a busy machine may take for anything
BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
ADAPTER: TypeAdapter[DeploymentTarget] = TypeAdapter(DeploymentTarget)

# It would change the title, erase the screen, colour it, turn the text round, move the cursor.
EVIL = "\x1b]0;title\x07\x1b[2J\x9b2J\u202e\0[red]\rx"
STEERING = ("\x1b]", "\x07", "\x1b[2J", "\x9b", "\u202e", "\0")


def busy(target_id: str, event: str, *, seconds: float = 0) -> InstanceTarget:
    begin = datetime.now(timezone.utc) - timedelta(seconds=seconds)
    going_on = LifecycleEvent(
        lifecycle_event_name=event, status=LifecycleEventStatus.IN_PROGRESS, start_time=begin
    )
    return InstanceTarget(
        target_id=target_id, status=TargetStatus.IN_PROGRESS, lifecycle_events=[going_on]
    )


def ended(target_id: str, status: str = "Succeeded") -> InstanceTarget:
    return InstanceTarget(target_id=target_id, status=TargetStatus(status))


def failed(target_id: str, *, seconds: float = 75, **why: Any) -> InstanceTarget:
    event = LifecycleEvent(
        lifecycle_event_name="AfterInstall",
        status=LifecycleEventStatus.FAILED,
        start_time=BEGIN,
        end_time=BEGIN + timedelta(seconds=seconds),
        diagnostics=Diagnostics(error_code=LifecycleErrorCode.SCRIPT_FAILED, **why),
    )
    return InstanceTarget(target_id=target_id, status=TargetStatus.FAILED, lifecycle_events=[event])


def evil_targets() -> list[DeploymentTarget]:
    why = Diagnostics(
        error_code=LifecycleErrorCode(EVIL),
        script_name=EVIL,
        message=EVIL,
        log_tail=f"{EVIL}\n  {EVIL}",
    )
    names: dict[str, Any] = {"lifecycle_event_name": EVIL, "diagnostics": why, "start_time": BEGIN}
    going_on = [LifecycleEvent(status=LifecycleEventStatus.IN_PROGRESS, **names)]
    gone_wrong = [LifecycleEvent(status=LifecycleEventStatus.FAILED, **names)]
    odd = [LifecycleEvent(status=LifecycleEventStatus(EVIL), **names)]
    return [
        InstanceTarget(
            target_id=f"1{EVIL}", status=TargetStatus.FAILED, lifecycle_events=gone_wrong
        ),
        ECSTarget(target_id=f"2{EVIL}", status=TargetStatus.IN_PROGRESS, lifecycle_events=going_on),
        InstanceTarget(target_id=f"3{EVIL}", status=TargetStatus(EVIL), lifecycle_events=odd),
        UnknownTarget(
            target_id=f"4{EVIL}",
            raw={"deploymentTargetType": EVIL, "newTarget": {"targetId": f"4{EVIL}"}},
        ),
    ]


class Server:
    """moto's server, and what a process needs to reach it."""

    def __init__(self, url: str, home: Path, targets: MockDeploymentTargets) -> None:
        self.targets = targets
        kept = {name: text for name, text in os.environ.items() if _is_kept(name)}
        self.env = {
            **kept,
            **KEYS,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
            "HOME": str(home),
            "TERM": "xterm-256color",
        }

    def deploy(
        self,
        targets: Sequence[DeploymentTarget] | None,
        status: str,
        *,
        region: str = "us-east-1",
        account: str = "",
    ) -> str:
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        connect = {"endpoint_url": self.env["AWS_ENDPOINT_URL"], "region_name": region}
        if account:
            sts: Any = boto3.client("sts", **connect, **keys)  # type: ignore[call-overload]
            role = f"arn:aws:iam::{account}:role/reader"
            made = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
            keys = {
                "aws_access_key_id": made["AccessKeyId"],
                "aws_secret_access_key": made["SecretAccessKey"],
                "aws_session_token": made["SessionToken"],
            }
        client: Any = boto3.client("codedeploy", **connect, **keys)  # type: ignore[call-overload]
        group = {"applicationName": "a", "deploymentGroupName": "g"}
        if "a" not in client.list_applications()["applications"]:
            client.create_application(applicationName="a", computePlatform="Server")
            client.create_deployment_group(**group, serviceRoleArn="arn:aws:iam::1:role/r")
        deployment_id: str = client.create_deployment(**group)["deploymentId"]
        if targets is not None:
            self.targets.put(deployment_id, targets)
        self.targets.set_status(deployment_id, status)
        return deployment_id

    def run(
        self,
        *args: str,
        program: Sequence[str | Path] = PROGRAM,
        env: Mapping[str, str | None] | None = None,
        **options: Any,
    ) -> subprocess.CompletedProcess[str]:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.run(  # noqa: S603
            [*program, *args],
            env=self.with_changes(env or {}),
            timeout=DEADLINE,
            encoding="utf-8",
            check=False,
            **streams,
        )

    @contextmanager
    def started(self, *args: str) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(  # noqa: S603
            [*PROGRAM, *args],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def with_changes(self, env: Mapping[str, str | None]) -> dict[str, str]:
        merged = {**self.env, **env}
        return {name: text for name, text in merged.items() if text is not None}


def _is_kept(name: str) -> bool:
    drawing = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}
    return not name.startswith("AWS_") and name not in drawing


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    moto = ThreadedMotoServer("127.0.0.1", port=0)
    moto.start()
    url = "http://{}:{}".format(*moto.get_host_and_port())
    with mock_deployment_targets() as targets:
        yield Server(url, tmp_path_factory.mktemp("home"), targets)
    moto.stop()


@pytest.fixture
def in_process(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Give this process the environment that the server's processes have."""
    for name in [*os.environ]:
        if not _is_kept(name):
            monkeypatch.delenv(name)
    for name, text in server.env.items():
        monkeypatch.setenv(name, text)
    return server


def without_times(text: str) -> list[str]:
    return [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in text.splitlines()]


# The exit statuses, in a real process.


def test_a_deployment_that_succeeded_is_0(server: Server) -> None:
    deployment_id = server.deploy([ended("i-1"), ended("i-2", "Skipped")], "Succeeded")
    program = [SCRIPT] if SCRIPT.exists() else PROGRAM
    done = server.run(deployment_id, program=program)
    assert (done.returncode, done.stderr) == (0, "")
    assert without_times(done.stdout) == [
        "i-1 Succeeded",
        "i-2 Skipped",
        f"{deployment_id} Succeeded: 1 Succeeded, 1 Skipped",
    ]


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_a_deployment_that_failed_or_was_stopped_is_1(server: Server, status: str) -> None:
    deployment_id = server.deploy([ended("i-1"), failed("i-2", message="exit 1")], status)
    done = server.run(deployment_id)
    assert (done.returncode, done.stderr) == (1, "")
    assert without_times(done.stdout) == [
        "i-1 Succeeded",
        "i-2 Failed AfterInstall",
        "1 failed in AfterInstall: ScriptFailed",
        "    targets   i-2",
        "    duration  1 min 15 s",
        "    message   exit 1",
        f"{deployment_id} {status}: 1 Succeeded, 1 Failed",
    ]


def test_a_timeout_is_124_and_tells_what_failed_so_far(server: Server) -> None:
    deployment_id = server.deploy([busy("i-1", "Install"), failed("i-2")], "InProgress")
    done = server.run(deployment_id, "--timeout", "0.2", "--delay", "0.05")
    assert done.returncode == 124
    assert done.stderr == f"codedeploy-targets: {deployment_id} is not over after 0.2 seconds.\n"
    assert without_times(done.stdout) == [
        "i-1 InProgress Install",
        "i-2 Failed AfterInstall",
        "1 failed in AfterInstall: ScriptFailed",
        "    targets   i-2",
        "    duration  1 min 15 s",
        f"{deployment_id} is not over: 1 InProgress, 1 Failed",
    ]


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_is_130(server: Server) -> None:
    deployment_id = server.deploy([busy("i-1", "Install")], "InProgress")
    with server.started(deployment_id) as process:
        assert process.stdout is not None
        assert process.stdout.readline().endswith(" i-1 InProgress Install\n")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 130
    assert out == f"{deployment_id} is not over: 1 InProgress\n"
    assert err == "codedeploy-targets: Interrupted; the deployment goes on.\n"


def test_a_reader_that_goes_away_brings_no_traceback(server: Server) -> None:
    deployment_id = server.deploy([busy("i-1", "Install")], "InProgress")
    with server.started(deployment_id, "--delay", "0.05") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        server.targets.put(deployment_id, [ended("i-1")])
        server.targets.set_status(deployment_id, "Succeeded")
        assert process.wait(DEADLINE) == 2
        assert process.stderr.read() == ""


USAGE: dict[str, list[str]] = {
    "no id": [],
    "two ids": ["d-1", "d-2"],
    "a delay that is no number": ["d-1", "--delay", "soon"],
    "a negative delay": ["d-1", "--delay", "-1"],
    "a delay that no clock can measure": ["d-1", "--delay", "1e300"],
    "a timeout that is no number": ["d-1", "--timeout", "nan"],
    "an unknown option": ["d-1", "--watch-closely"],
}


@pytest.mark.parametrize("args", USAGE.values(), ids=[*USAGE])
def test_wrong_usage_is_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(args)
    out, err = capsys.readouterr()
    assert (exit_.value.code, out) == (2, "")
    assert err.startswith("usage: codedeploy-targets ")
    assert "codedeploy-targets: error: " in err
    assert "_seconds" not in err


NO_ANSWER: dict[str, tuple[list[str], dict[str, str | None], str]] = {
    "no credentials": (["d-1"], dict.fromkeys(KEYS), "Sign in, or name a --profile."),
    "no region": (
        ["d-1"],
        {"AWS_DEFAULT_REGION": None},
        "Add --region, or set AWS_DEFAULT_REGION.",
    ),
    "a wrong region": (["d-1", "--region", "a b"], {}, "Check --region"),
    "an unknown profile": (["d-1", "--profile", "nobody"], {}, "See the profiles in"),
    "no such deployment": (["d-ABSENT"], {}, "Check the id, --region and --profile."),
    "an invalid id": (["d_1", "--no-watch"], {}, "A deployment id looks like d-EXAMPLE11."),
    "a wrong endpoint": (["d-1"], {"AWS_ENDPOINT_URL": "nowhere"}, "Check --region"),
    "no certificates": (
        ["d-1"],
        {"AWS_ENDPOINT_URL": "TLS", "AWS_CA_BUNDLE": "/absent.pem"},
        "codedeploy-targets: ",
    ),
    "a refused connection": (["d-1"], {"AWS_ENDPOINT_URL": "closed"}, "and the network."),
    "a dropped connection": (["d-1"], {"AWS_ENDPOINT_URL": "dropped"}, "and the network."),
    "denied": (["d-1"], {"AWS_ENDPOINT_URL": "AccessDeniedException"}, "Allow codedeploy:Get*"),
    "throttled": (["d-1"], {"AWS_ENDPOINT_URL": "ThrottlingException"}, "with a longer --delay."),
    "another error": (["d-1"], {"AWS_ENDPOINT_URL": "ExpiredTokenException"}, "the credentials"),
    "no JSON": (["d-1"], {"AWS_ENDPOINT_URL": "no JSON"}, "Try again; see whether a proxy"),
    "no JSON at the end": (
        ["d-1", "--no-watch"],
        {"AWS_ENDPOINT_URL": "no JSON at the end"},
        "Try again; see whether a proxy",
    ),
}


@pytest.fixture(scope="module")
def endpoints() -> Iterator[dict[str, str]]:
    """Yield the URL of an endpoint for each way of not answering."""
    codes = ("AccessDeniedException", "ThrottlingException", "ExpiredTokenException")
    answers = {code: refuse(code) for code in codes}
    answers |= {"no JSON": garble, "no JSON at the end": garble_at_the_end}
    with (
        ExitStack() as stack,
        socket.socket() as closed,
        socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as dropped,
    ):
        closed.bind(("127.0.0.1", 0))  # and never listens
        urls = {"closed": "http://{}:{}".format(*closed.getsockname())}
        urls["dropped"] = "http://{}:{}".format(*dropped.server_address)
        threading.Thread(target=dropped.serve_forever).start()
        stack.callback(dropped.shutdown)
        for name, answer in answers.items():
            urls[name] = stack.enter_context(serve(answer)).url
        yield {**urls, "TLS": urls["no JSON"].replace("http:", "https:")}


def refuse(code: str) -> Answer:
    return lambda *_: error(code)


def garble(*_: object) -> Response:
    return Response(b"<html>")


def garble_at_the_end(operation: str, _: object) -> Response:
    return Response(b'{"targetIds": []}' if operation == "ListDeploymentTargets" else b"<html>")


def check_no_answer(status: int, out: str, err: str, advice: str) -> None:
    assert (status, out) == (2, "")
    assert err.startswith("codedeploy-targets: ")
    assert advice in err
    assert err.count("\n") == 1
    assert ".." not in err


def at(endpoints: dict[str, str], env: Mapping[str, str | None]) -> dict[str, str | None]:
    url = env.get("AWS_ENDPOINT_URL")
    return {**env, "AWS_ENDPOINT_URL": endpoints.get(url, url)} if url else dict(env)


@pytest.mark.parametrize("case", NO_ANSWER.values(), ids=[*NO_ANSWER])
def test_no_answer_is_2_and_one_line_that_says_what_to_do(
    case: tuple[list[str], dict[str, str | None], str],
    in_process: Server,
    endpoints: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    args, env, advice = case
    changed = in_process.with_changes(at(endpoints, env))
    for name in KEYS.keys() | env.keys() | {"AWS_DEFAULT_REGION"}:
        monkeypatch.delenv(name, raising=False)
    for name, text in changed.items():
        monkeypatch.setenv(name, text)
    stdout = os.dup(1)  # a failure to write puts another file in its place
    try:
        status = main(args)
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
    check_no_answer(status, *capfd.readouterr(), advice)


def test_no_answer_and_wrong_usage_are_2_in_a_real_process(
    server: Server, endpoints: dict[str, str]
) -> None:
    names = ("no credentials", "no region", "no such deployment", "a dropped connection", "denied")
    chosen = [NO_ANSWER[name] for name in names]
    with ThreadPoolExecutor(3) as executor:
        futures = [
            executor.submit(server.run, *args, env=at(endpoints, env)) for args, env, _ in chosen
        ]
        usage = executor.submit(server.run, "--delay", "soon", "d-1")
    for (_, _, advice), future in zip(chosen, futures, strict=True):
        done = future.result()
        check_no_answer(done.returncode, done.stdout, done.stderr, advice)
    assert (usage.result().returncode, usage.result().stdout) == (2, "")
    assert "invalid seconds value: 'soon'" in usage.result().stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk to write to")
def test_a_full_disk_is_one_line(server: Server) -> None:
    deployment_id = server.deploy([ended("i-1")], "Succeeded")
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        done = server.run(deployment_id, stdout=full)
    assert done.returncode == 2
    assert (
        done.stderr
        == "codedeploy-targets: [Errno 28] No space left on device. See where the output goes.\n"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk to write to")
@pytest.mark.parametrize(("timeout", "status"), [("0", 124), ("soon", 2)])
def test_errors_that_cannot_be_written_do_not_change_the_status(
    server: Server, timeout: str, status: int
) -> None:
    deployment_id = server.deploy([busy("i-1", "Install")], "InProgress")
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        done = server.run(deployment_id, "--timeout", timeout, stderr=full)
    assert done.returncode == status


def test_a_pipe_that_broke_is_silent(
    in_process: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment_id = in_process.deploy([ended("i-1")], "Succeeded")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert main([deployment_id]) == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["plain", "JSON"])
def test_an_interrupt_in_process_is_130(
    options: list[str],
    in_process: Server,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    deployment_id = in_process.deploy([ended("i-1")], "InProgress")

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupt)
    assert main([deployment_id, *options]) == 130
    out, err = capsys.readouterr()
    assert err == "codedeploy-targets: Interrupted; the deployment goes on.\n"
    assert len(out.splitlines()) == (1 if options else 2)


def test_a_timeout_in_process_is_124(
    in_process: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment_id = in_process.deploy(None, "Created")
    assert main([deployment_id, "--timeout", "0"]) == 124
    out, err = capsys.readouterr()
    assert out == f"{deployment_id} is not over: no targets\n"
    assert err == f"codedeploy-targets: {deployment_id} is not over after 0.0 seconds.\n"


# The options.


def test_without_watching_it_tells_how_it_stands(
    in_process: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    running = in_process.deploy([busy("i-1", "Install"), ended("i-2")], "InProgress")
    assert main([running, "--no-watch"]) == 0
    assert without_times(capsys.readouterr().out) == [
        "i-1 InProgress Install",
        "i-2 Succeeded",
        f"{running} InProgress: 1 InProgress, 1 Succeeded",
    ]
    succeeded = in_process.deploy([ended("i-1")], "Succeeded")
    assert main([succeeded, "--no-watch"]) == 0
    assert capsys.readouterr().out.endswith(f"{succeeded} Succeeded: 1 Succeeded\n")
    for status in ("Failed", "Stopped"):
        over = in_process.deploy([ended("i-1", "Failed")], status)
        assert main([over, "--no-watch"]) == 1
        assert without_times(capsys.readouterr().out) == [
            "i-1 Failed",
            "1 failed",
            "    targets   i-1",
            f"{over} {status}: 1 Failed",
        ]
    not_started = in_process.deploy(None, "Created")
    assert main([not_started, "--no-watch"]) == 0
    assert capsys.readouterr() == (f"{not_started} Created: no targets\n", "")


def test_without_watching_a_real_process_ends(server: Server) -> None:
    deployment_id = server.deploy([busy("i-1", "Install")], "InProgress")
    done = server.run(deployment_id, "--no-watch")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"{deployment_id} InProgress: 1 InProgress\n")


def test_the_json_is_that_of_the_models_and_nothing_else(
    in_process: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    targets = [*evil_targets(), failed("i-1", message="é…\u2028")]
    deployment_id = in_process.deploy(targets, "Failed")
    done = in_process.run(deployment_id, "--json", env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.isascii()
    assert not any(text in done.stdout for text in (*STEERING, "\r"))
    assert main([deployment_id, "--json"]) == 1
    assert capsys.readouterr() == (done.stdout, "")
    sent = [
        target
        if isinstance(target, UnknownTarget)
        else target.model_copy(update={"deployment_id": deployment_id})
        for target in targets
    ]
    read = [ADAPTER.validate_json(line) for line in done.stdout.splitlines()]
    assert [target.target_id for target in read] == [target.target_id for target in sent]
    for target, original in zip(read, sent, strict=True):
        if isinstance(target, UnknownTarget):
            assert isinstance(original, UnknownTarget)
            assert target.raw == original.raw
        else:
            assert target == original
    assert json.loads(done.stdout.splitlines()[-1])["lifecycle_events"][0]["status"] == "Failed"


def test_region_and_profile_reach_the_client(
    in_process: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile near]\nregion = eu-west-1\n"
        "aws_access_key_id = testing\naws_secret_access_key = testing\n"
        "[profile far]\nregion = eu-west-2\ncredential_source = Environment\n"
        "role_arn = arn:aws:iam::111111111111:role/reader\n"
    )
    near = in_process.deploy([ended("i-1")], "Succeeded", region="eu-west-1")
    far = in_process.deploy([ended("i-1")], "Succeeded", region="eu-west-2", account="1" * 12)
    env = {"AWS_CONFIG_FILE": str(config)}
    assert main([near]) == 2
    assert main([far, "--region", "eu-west-2"]) == 2
    capsys.readouterr()
    assert main([near, "--region", "eu-west-1"]) == 0
    with ThreadPoolExecutor(2) as executor:
        nearby = executor.submit(in_process.run, near, "--profile", "near", env=env_near(env))
        assumed = executor.submit(in_process.run, far, "--profile", "far", env=env_near(env))
    assert (nearby.result().returncode, nearby.result().stderr) == (0, "")
    assert (assumed.result().returncode, assumed.result().stderr) == (0, "")
    assert assumed.result().stdout.endswith(f"{far} Succeeded: 1 Succeeded\n")


def env_near(env: dict[str, str]) -> dict[str, str | None]:
    """Leave the region to the profile."""
    return {**env, "AWS_DEFAULT_REGION": None}


def test_help_tells_each_option_and_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # As `python -m` does, but in this process.
    monkeypatch.delitem(sys.modules, "codedeploy_targets.__main__")
    monkeypatch.setattr(sys, "argv", ["codedeploy-targets", "--help"])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_module("codedeploy_targets", run_name="__main__")
    out = capsys.readouterr().out
    assert exit_.value.code == 0
    options = ("--no-watch", "--json", "--region", "--profile", "--delay", "--timeout")
    assert all(f"\n  {option}" in out for option in options)
    assert all(re.search(rf"\b{status}\b", out) for status in (0, 1, 2, 124, 130))


# The plain report.


def test_a_group_of_failures_is_told_once(
    in_process: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    log = "".join(f"line {n}\n" for n in range(30)) + "Traceback:\n  \x1b[31mred\x1b[0m\n\n"
    many = [failed(f"i-{n:017x}", script_name="a.sh", message="exit 1") for n in range(25)]
    first = failed("i-0", seconds=3.6, script_name="a.sh", message="exit 1", log_tail=log)
    deployment_id = in_process.deploy([failed("i-alone"), first, *many], "Failed")
    assert main([deployment_id]) == 1
    ids = ["i-0", *(f"i-{n:017x}" for n in range(19))]
    assert without_times(capsys.readouterr().out)[27:] == [
        "26 failed in AfterInstall: ScriptFailed",
        f"    targets   {', '.join(ids[:4])},",
        *(f"              {', '.join(ids[n : n + 4])}," for n in (4, 8, 12)),
        f"              {', '.join(ids[16:])},",
        "              and 6 more",
        "    duration  4 s",
        "    script    a.sh",
        "    message   exit 1",
        "    log       line 22",
        *(f"              line {n}" for n in range(23, 30)),
        "              Traceback:",
        "                red",
        "1 failed in AfterInstall: ScriptFailed",
        "    targets   i-alone",
        "    duration  1 min 15 s",
        f"{deployment_id} Failed: 27 Failed",
    ]


def test_long_texts_are_cut(in_process: Server, capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 4096
    target = failed("i-1", script_name=long, message=long, log_tail=f"{long}\n{long}")
    deployment_id = in_process.deploy([target, ended(long)], "Failed")
    assert main([deployment_id]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) < 330 for line in lines)
    assert sum(line.endswith(f"{'x' * 250}…") for line in lines) == 5


def answer_with(deployment: Any, targets: Sequence[DeploymentTarget]) -> Any:
    def answer(operation: str, _: dict[str, Any]) -> Response:
        listed = {"targetIds": ["i-1", "i-2"]}
        read = {"deploymentTargets": [target.to_boto3() for target in targets]}
        told = {"GetDeployment": {"deploymentInfo": deployment}, "ListDeploymentTargets": listed}
        return Response(json.dumps(told.get(operation, read)).encode())

    return answer


def test_what_the_service_leaves_out_is_left_out(
    in_process: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    gone_wrong = [LifecycleEvent(status=LifecycleEventStatus.FAILED, diagnostics=Diagnostics())]
    target = InstanceTarget(
        target_id="i-1", status=TargetStatus.FAILED, lifecycle_events=gone_wrong
    )
    deployment_id = in_process.deploy([target, InstanceTarget(target_id="i-2")], "Failed")
    assert main([deployment_id]) == 1
    assert without_times(capsys.readouterr().out) == [
        "i-1 Failed",
        "i-2",
        "1 failed",
        "    targets   i-1",
        f"{deployment_id} Failed: 1 Failed, 1 without status",
    ]


@pytest.mark.usefixtures("in_process")
def test_the_error_of_the_deployment_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cause = {"code": "HEALTH_CONSTRAINTS", "message": f"Too many failed.\n{EVIL}"}
    deployment = {"status": "Failed", "errorInformation": cause}
    with serve(answer_with(deployment, [ended("i-1")])) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
        for options in ([], ["--no-watch"]):
            assert main(["d-1", *options]) == 1
            out = capsys.readouterr().out
            assert not any(text in out for text in (*STEERING, "\r"))
            lines = without_times(out)
            assert lines[:2] == ["i-1 Succeeded", "AWS tells nothing of i-2"]
            assert lines[2].startswith("HEALTH_CONSTRAINTS: Too many failed.")
            assert lines[3:] == ["d-1 Failed: 1 Succeeded"]


@pytest.mark.usefixtures("in_process")
def test_a_deployment_without_a_status_is_no_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(answer_with({}, [ended("i-1"), ended("i-2")])) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
        assert main(["d-1", "--no-watch"]) == 2
    written = capsys.readouterr()
    assert "The response to GetDeployment cannot be read" in written.err
    assert written.err.count("\n") == 1


def test_what_the_service_sends_steers_no_terminal(server: Server) -> None:
    deployment_id = server.deploy(evil_targets(), "Failed")
    # Nor does it need characters that the locale's encoding lacks.
    done = server.run(deployment_id, env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (1, "")
    assert not any(text in done.stdout for text in (*STEERING, "\x1b", "\r"))
    assert done.stdout.isascii()
    lines = done.stdout.splitlines()
    assert [line[9] for line in lines[:4]] == ["1", "2", "3", "4"]
    # All of its texts are there, markup and all: the id, the event, the code, the script...
    assert sum(line.count("[red]") for line in lines) == 15


def test_a_text_that_the_encoding_lacks_is_replaced(server: Server) -> None:
    deployment_id = server.deploy([failed("i-1", message="Größe: 漢")], "Failed")
    done = server.run(deployment_id, env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (1, "")
    assert "    message   Gr??e: ?\n" in done.stdout


# The live view.


@contextmanager
def in_terminal(
    server: Server,
    *args: str,
    program: Sequence[str] = PROGRAM,
    env: Mapping[str, str | None] | None = None,
) -> Iterator[Terminal]:
    pytest.importorskip("rich")
    pytest.importorskip("pyte")
    pytest.importorskip("pty")
    from support.terminal import terminal

    command = [*program, "--delay", "0.05", *args]
    with terminal(command, server.with_changes(env or {})) as opened:
        yield opened


def test_a_terminal_shows_it_live(server: Server) -> None:
    pending = [InstanceTarget(target_id=f"i-p{n}", status=TargetStatus.PENDING) for n in range(20)]
    hanging = busy("i-hanging", "ValidateService", seconds=3725)
    working = [busy(f"i-w{n}", "BeforeInstall", seconds=-100) for n in range(10)]
    targets = [*pending, *working, hanging, ended("i-done")]
    deployment_id = server.deploy(targets, "InProgress")
    with in_terminal(server, deployment_id) as screen:
        screen.wait_for(lambda: "1 of 32 done, 0 failed" in screen.text)
        screen.wait_for(lambda: "and 10 more" in screen.text)
        rows = screen.rows
        assert re.match(f"{deployment_id}  [╸━]", rows[0])
        assert re.fullmatch(r"i-hanging +InProgress +ValidateService +62 min \d+ s", rows[1])
        # Of this machine's clock the service's is ahead.
        assert re.fullmatch(r"i-w0 +InProgress +BeforeInstall +0 s", rows[2])
        assert re.fullmatch(r"i-p0 +Pending", rows[12])
        assert rows[-1] == "and 10 more"
        assert len(rows) == 23
        assert not screen.shows_cursor()
        broken = failed("i-hanging", message="exit 1", log_tail="out of memory")
        server.targets.put(deployment_id, [*pending, *working, broken, ended("i-done")])
        screen.wait_for(lambda: "2 of 32 done, 1 failed" in screen.text)
        assert "i-hanging Failed AfterInstall" in screen.text
        rest = [ended(str(target.target_id)) for target in [*pending, *working]]
        server.targets.put(deployment_id, [*rest, broken, ended("i-done")])
        server.targets.set_status(deployment_id, "Failed")
        assert screen.finish() == 1
        assert screen.shows_cursor()
        assert "━" not in screen.text
        assert without_times("\n".join(screen.rows)) == [
            "i-hanging Failed AfterInstall",
            "1 failed in AfterInstall: ScriptFailed",
            "    targets   i-hanging",
            "    duration  1 min 15 s",
            "    message   exit 1",
            "    log       out of memory",
            f"{deployment_id} Failed: 31 Succeeded, 1 Failed",
        ]


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_leaves_the_terminal_as_it_was(server: Server) -> None:
    deployment_id = server.deploy([busy("i-1", "Install"), ended("i-2", "Failed")], "InProgress")
    with in_terminal(server, deployment_id, env={"NO_COLOR": "1"}) as screen:
        screen.wait_for(lambda: "1 of 2 done, 1 failed" in screen.text)
        # Once a later round is drawn, the line of the failure is surely written.
        later = [busy("i-1", "ValidateService"), ended("i-2", "Failed")]
        server.targets.put(deployment_id, later)
        screen.wait_for(lambda: "ValidateService" in screen.text)
        assert not screen.shows_cursor()
        screen.interrupt()
        assert screen.finish() == 130
        assert screen.shows_cursor()
        assert without_times("\n".join(screen.rows)) == [
            "i-2 Failed",
            "1 failed",
            "    targets   i-2",
            f"{deployment_id} is not over: 1 InProgress, 1 Failed",
            "codedeploy-targets: Interrupted; the deployment goes on.",
        ]
        assert not re.search(rb"\x1b\[[\d;]*3\dm", screen.written)


def test_an_error_leaves_the_terminal_as_it_was(server: Server) -> None:
    deployment_id = server.deploy([busy("i-1", "Install")], "InProgress")
    with in_terminal(server, deployment_id) as screen:
        screen.wait_for(lambda: "0 of 1 done, 0 failed" in screen.text)
        del codedeploy_backends["123456789012"]["us-east-1"].deployments[deployment_id]
        assert screen.finish() == 2
        assert screen.shows_cursor()
        assert screen.text.startswith("codedeploy-targets: An error occurred")
        assert "━" not in screen.text


def test_what_the_service_sends_steers_no_live_view(server: Server) -> None:
    deployment_id = server.deploy(evil_targets(), "InProgress")
    with in_terminal(server, deployment_id) as screen:
        screen.wait_for(lambda: "1 of 4 done, 1 failed" in screen.text)
        assert [row for row in screen.rows if row.startswith(("2", "3", "4"))]
        server.targets.set_status(deployment_id, "Failed")
        assert screen.finish() == 1
        assert not any(text.encode() in screen.written for text in STEERING)
        assert b"[red]" in screen.written


@pytest.mark.parametrize("cause", ["no rich", "a dumb terminal", "nothing to watch"])
def test_a_terminal_shows_plain_lines_where_it_cannot_be_live(server: Server, cause: str) -> None:
    deployment_id = server.deploy([ended("i-1")], "Succeeded")
    program, env, args = PROGRAM, {"TERM": "xterm"}, [deployment_id]
    if cause == "no rich":
        hide = "import runpy, sys; sys.modules['rich'] = None"
        run = "runpy.run_module('codedeploy_targets', run_name='__main__')"
        program = [sys.executable, "-c", f"{hide}; {run}"]
    elif cause == "a dumb terminal":
        env = {"TERM": "dumb"}
    else:
        args.append("--no-watch")
    with in_terminal(server, *args, program=program, env=env) as screen:
        assert screen.finish() == 0
        lines = screen.written.decode().splitlines()
    assert [line[-13:] for line in lines] == ["i-1 Succeeded", ": 1 Succeeded"]
    assert b"\x1b" not in screen.written


def pretend_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "24")


def test_a_terminal_in_process_shows_it_live(
    in_process: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rich: Any = pytest.importorskip("rich")
    pretend_terminal(monkeypatch)
    monkeypatch.setattr(rich, "_console", None)
    hanging = busy("i-hanging", "Install", seconds=65)
    pending = [InstanceTarget(target_id=f"i-{n}", status=TargetStatus.PENDING) for n in range(25)]
    deployment_id = in_process.deploy([failed("i-f"), hanging, *pending], "Failed")
    assert main([deployment_id]) == 1
    out = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", capsys.readouterr().out)
    assert "1 of 27 done, 1 failed" in out
    assert re.search(r"i-hanging +InProgress +Install +1 min \d+ s", out)
    assert "and 5 more" in out
    assert out.endswith(f"{deployment_id} Failed: 25 Pending, 1 Failed, 1 InProgress\n")


def test_a_terminal_in_process_without_rich_shows_plain_lines(
    in_process: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend_terminal(monkeypatch)
    monkeypatch.setitem(sys.modules, "rich", None)
    deployment_id = in_process.deploy([ended("i-1")], "Succeeded")
    assert main([deployment_id]) == 0
    assert without_times(capsys.readouterr().out)[0] == "i-1 Succeeded"


# What it costs, and the demo.


def test_an_import_of_the_library_brings_nothing_of_the_command_line() -> None:
    names = "'rich', 'argparse', 'codedeploy_targets._report', 'codedeploy_targets.__main__'"
    code = f"import codedeploy_targets, sys; print([n for n in ({names}) if n in sys.modules])"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=DEADLINE
    )
    assert done.stdout == "[]\n"


def test_the_demo_shows_three_failed_of_sixty(server: Server) -> None:
    demo = Path(__file__).parents[1] / "programs" / "demo.py"
    done = server.run(program=[sys.executable, demo], env={"AWS_ENDPOINT_URL": None})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(" Failed: 57 Succeeded, 3 Failed\n")
    assert "\n2 failed in AfterInstall: ScriptFailed\n" in done.stdout


@pytest.mark.parametrize("closed", [1, 2])
def test_a_stream_may_be_closed(server: Server, closed: int) -> None:
    deployment_id = server.deploy([ended("i-1")], "Succeeded")
    command = f'exec "{sys.executable}" -m codedeploy_targets {deployment_id} {closed}>&-'
    assert subprocess.run(["sh", "-c", command], env=server.env, check=False).returncode == 0  # noqa: S603, S607
