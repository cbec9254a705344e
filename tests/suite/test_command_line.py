"""The command line's options and exit statuses, in real processes and in process."""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import TypeAdapter
from support.command_line import (
    DEADLINE,
    KEYS,
    PROGRAM,
    SCRIPT,
    STEERING,
    Server,
    busy,
    ended,
    evil_targets,
    failed,
    without_times,
)
from support.endpoint import Response, error, serve

from codedeploy_targets import (
    DeploymentTarget,
    UnknownTarget,
)
from codedeploy_targets.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.endpoint import Answer

ADAPTER: TypeAdapter[DeploymentTarget] = TypeAdapter(DeploymentTarget)


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
    assert done.stderr == "codedeploy-targets: [Errno 28] No space left on device.\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk to write to")
def test_errors_that_cannot_be_written_do_not_change_the_status(server: Server) -> None:
    deployment_id = server.deploy([busy("i-1", "Install")], "InProgress")
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        assert server.run(deployment_id, "--timeout", "0", stderr=full).returncode == 124
        assert server.run("d-ABSENT", stderr=full).returncode == 2


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


HELP = """\
usage: codedeploy-targets [-h] [--no-watch] [--json] [--region REGION] [--profile PROFILE]
                          [--delay SECONDS] [--timeout SECONDS]
                          DEPLOYMENT

Follow a CodeDeploy deployment, and tell why it failed.

positional arguments:
  DEPLOYMENT         the id of the deployment, like d-EXAMPLE11

options:
  -h, --help         show this help message and exit
  --no-watch         tell how it stands, and end
  --json             write each target as a line of JSON
  --region REGION    the AWS region
  --profile PROFILE  the profile in ~/.aws/config
  --delay SECONDS    from round to round (5)
  --timeout SECONDS  when to give up following (never)

Exit status: 0 the deployment succeeded (with --no-watch: or is not over yet), 1 it failed or was
stopped, 2 wrong usage, or no answer from AWS, 124 timeout, 130 interrupted.
"""


def test_help_tells_each_option_and_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == HELP
    # As `python -m` does, but in this process.
    monkeypatch.delitem(sys.modules, "codedeploy_targets.__main__")
    monkeypatch.setattr(sys, "argv", ["codedeploy-targets", "--help"])
    with pytest.raises(SystemExit):
        runpy.run_module("codedeploy_targets", run_name="__main__")
    assert capsys.readouterr().out == HELP


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
