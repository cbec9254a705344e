"""Change here: the command line's options, error messages and exit statuses."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

from botocore.config import Config
from botocore.exceptions import BotoCoreError

from . import DeploymentTargetsClient, __version__
from ._default_client import default_client
from ._errors import error_code
from ._interrupts import handle_signals
from ._report import WIDEST, Report, one_line

_ABOUT = """Follow a CodeDeploy deployment, and tell why it failed. Exit status: 0 it succeeded, or
--until is reached, 1 it failed or was stopped, 2 wrong usage, an error of AWS or no answer, 3 not
over yet (--no-watch), 124 timeout, 129 SIGHUP, 130 Ctrl-C, 143 SIGTERM."""
# The keys: codes of AWS's errors, or names of an exception's class or its bases; the first counts.
_ADVICE = {
    "AccessDeniedException": "Allow codedeploy:Get*, codedeploy:List* and codedeploy:BatchGet*.",
    "ConnectionError HTTPClientError": "Check --region and the network.",
    "DeploymentDoesNotExistException": "Check the id and --region; it may be deleted by now.",
    "InvalidDeploymentIdException": "A deployment id looks like d-EXAMPLE11.",
    "InvalidResponseError": "Try again; see whether a proxy changes what AWS answers.",
    "NoCredentialsError": "Sign in, or name a --profile.",
    "NoRegionError": "Add --region, or set AWS_DEFAULT_REGION.",
    "ProfileNotFound": "See the profiles in ~/.aws/config.",
    "OSError ValueError": "",  # the error names what is wrong
    "SSOError TokenRetrievalError": "Run `aws sso login`.",
    "ThrottlingException": "Try again later, with a longer --delay.",
    "Exception JSONDecodeError": "Check --region, --profile, the credentials and all names.",
}

# A call that hangs ends after some 18 seconds, and the watch goes on.
_IMPATIENT = Config(
    connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3}
)


def main(argv: list[str] | None = None) -> int:
    """Run the command line, and return its exit status."""
    args = _parse(argv)
    # Either stream may be closed, and not every encoding has the characters of every log.
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    with suppress(AttributeError):  # a notebook's stdout has no such method
        cast("Any", sys.stdout).reconfigure(errors="replace")
    report = Report(args)
    is_live = args.watch and not args.json and sys.stdout.isatty()
    if is_live and os.environ.get("TERM") not in {"dumb", "unknown"}:
        with suppress(ImportError):  # without rich, lines have to do
            from ._live import view

            report.view = view

    follow = partial(_follow, args, report)
    for step in follow, report.tell_rest, report.explain, report.save, report.end:
        try:
            step()
        except (Exception, KeyboardInterrupt) as caught:  # noqa: BLE001
            report.error = report.error or caught
    status, message = _outcome(report, args)
    message = f"codedeploy-targets: {one_line(message, WIDEST)}\n" if message else ""
    for stream, text in (sys.stdout, ""), (sys.stderr, message):
        try:
            print(text, end="", file=stream, flush=True)
        except OSError:
            # Python flushes it again at its end. If that fails, it replaces the exit status.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    # A process that is about to end ignores signals: `interrupt` counts a second from here.
    report.followed_until, report.has_ended = time.monotonic(), True
    return status


def _follow(args: Any, report: Report) -> None:
    handle_signals(report)
    if args.json_file:
        args.json_file.touch()
    # As in AWS's own CLI: what is empty counts as not given, and AWS_REGION, which botocore does
    # not read, comes before AWS_DEFAULT_REGION and the profile's.
    region = args.region or os.environ.get("AWS_REGION") or None
    aws = default_client(profile=args.profile or None, region=region, config=_IMPATIENT)
    client, deployment_id = DeploymentTargetsClient(aws), args.deployment_id
    begin, timeout, known = time.monotonic(), args.timeout, None
    if args.group:
        names = {"applicationName": args.application, "deploymentGroupName": args.group}
        group = aws.get_deployment_group(**names).get("deploymentGroupInfo", {})
        deployment_id = group.get("lastAttemptedDeployment", {}).get("deploymentId")
        if not deployment_id:
            raise ValueError(f"GetDeploymentGroup names no deployment of {args.group}")
        if timeout and 0 < timeout <= time.monotonic() - begin:
            raise TimeoutError(f"{deployment_id} is not read after {timeout} seconds")
        known = client.get_deployment(deploymentId=deployment_id)
        if cause := known.rollback_info and known.rollback_info.rollback_triggering_deployment_id:
            report.rollback = f"{deployment_id} {known.status}"
            deployment_id, known = cause, None
        timeout = timeout and min(timeout, max(timeout + begin - time.monotonic(), 0.0))
    times = {"delay": args.delay, "timeout": timeout, "on_round": report.tell}
    watch = client.watch_deployment_targets(deploymentId=deployment_id, **times)
    watch._state.deployment = known  # noqa: SLF001 - so that it is told, whatever AWS answers next
    report.watch, report.meta, report.deployment_id = watch, aws.meta, deployment_id
    for target in report.watch:
        report.take(target)


def _outcome(report: Report, args: Any) -> tuple[int, str]:
    error, deployment, has_reached_goal = report.error, report.deployment, report.has_reached_goal()
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.Signals[str(error)], f"Ended by {error}."
    status = 124 if isinstance(error, TimeoutError) else 2
    # Any OSError but these tells that something could not be written. Then a success is none, but a
    # failure stays one.
    others = TimeoutError, BotoCoreError, BrokenPipeError
    was_written = isinstance(error, others) or not isinstance(error, OSError)
    has_succeeded = str(deployment.status).lower() in {"succeeded", args.until}
    # A reader that goes away, such as `head`, takes nothing from what was to be told.
    is_piped = isinstance(error, BrokenPipeError)
    has_told = is_piped and deployment.status and (has_reached_goal or not args.watch)
    if deployment.is_over and (was_written or not has_succeeded):
        status = 0 if has_succeeded else 1
    elif error is None or has_told:
        status = 0 if has_reached_goal else 3
    if error is None or is_piped:
        return status, ""
    names = [str(error_code(error)), *(each.__name__ for each in type(error).__mro__)]
    advice = (text for name in names for keys, text in _ADVICE.items() if name in keys.split())
    text = str(error).rstrip(".") or type(error).__name__
    return status, f"{text}. {next(advice)}"


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("codedeploy-targets", description=_ABOUT)
    add = parser.add_argument
    add("deployment_id", nargs="?", metavar="DEPLOYMENT", help="its id, like d-EXAMPLE11")
    add("--application", metavar="NAME", help="its --group's newest, or what that rolled back")
    add("--group", metavar="NAME", help="the deployment group")
    add("--no-watch", dest="watch", action="store_false", help="tell how it stands, and end")
    until = "end once it has this status, or all targets are past this event"
    add("--until", type=str.lower, metavar="GOAL", help=until)
    add("--json", action="store_true", help="write each target as a line of JSON")
    add("--json-file", metavar="FILE", help="where to write all as JSON at the end")
    add("--region", help="the AWS region")
    add("--profile", help="the profile in ~/.aws/config")
    add("--delay", type=float, default=5.0, metavar="SECONDS", help="from round to round (5)")
    add("--timeout", type=float, metavar="SECONDS", help="when to give up following (never)")
    add("--version", action="version", version=f"codedeploy-targets {__version__}")
    args = parser.parse_args(argv)
    args.json_file = args.json_file and Path(args.json_file)
    # Path.is_dir fails where the user may not enter a folder above it.
    if os.path.isdir(args.json_file or ""):  # noqa: PTH112
        parser.error(f"--json-file {args.json_file} is a folder")
    if bool(args.deployment_id) == bool(args.group) or bool(args.group) != bool(args.application):
        parser.error("name either a DEPLOYMENT, or an --application and its --group")
    return args


if __name__ == "__main__":
    sys.exit(main())
