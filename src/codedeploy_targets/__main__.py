"""Change here: the command line's options, error messages and exit statuses."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn, cast

from botocore.config import Config

from . import DeploymentInfo, DeploymentTargetsClient
from ._default_client import default_client
from ._errors import error_code
from ._report import Report, as_json, one_line

_SUCCEEDED, _FAILED, _NO_ANSWER, _NOT_OVER, _TIMEOUT, _SIGNAL = 0, 1, 2, 3, 124, 128
_EPILOG = """Exit status: 0 the deployment succeeded, or --until is reached, 1 it failed or was
stopped, 2 wrong usage, or no answer from AWS, 3 not over yet (--no-watch), 124 timeout, 129 SIGHUP,
130 Ctrl-C, 143 SIGTERM."""
# For a call that hangs longer than the watch may last; Windows has none.
_alarm: Any = getattr(signal, "alarm", abs)
# A call that hangs ends after 18 seconds; the watch goes on.
_RETRIES: Any = {"mode": "standard", "total_max_attempts": 3}
_CONFIG = Config(connect_timeout=3, read_timeout=5, retries=_RETRIES)
# The keys: codes of AWS's errors, or names of an exception's class or its bases; the first counts.
_ADVICE = {
    "AccessDeniedException": "Allow codedeploy:Get*, codedeploy:List* and codedeploy:BatchGet*.",
    "ConfigParseError": "Correct that file.",
    "ConnectionError HTTPClientError": "Check --region and the network.",
    "DeploymentDoesNotExistException": "Check the id, --region and --profile.",
    "InvalidDeploymentIdException": "A deployment id looks like d-EXAMPLE11.",
    "InvalidResponseError": "Try again; see whether a proxy changes what AWS answers.",
    "LoginError": "Run `aws login`.",
    "NoCredentialsError": "Sign in, or name a --profile.",
    "NoRegionError": "Add --region, or set AWS_DEFAULT_REGION.",
    "OSError ValueError": "",  # the error names what is wrong
    "ProfileNotFound": "See the profiles in ~/.aws/config.",
    "SSOError TokenRetrievalError": "Run `aws sso login`.",
    "ThrottlingException": "Try again later, with a longer --delay.",
    "vanished": "It was deleted meanwhile.",
    "Exception": "Check --region, --profile and the credentials.",
}


def main(argv: list[str] | None = None) -> int:
    """Run the command line, and return its exit status."""
    args = _parse(argv)
    # Either stream may be closed, and not every encoding has the characters of every log.
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
    cast("Any", sys.stdout).reconfigure(errors="replace")
    for name in {"SIGALRM", "SIGHUP", "SIGINT", "SIGTERM"} & {*dir(signal)}:
        if signal.getsignal(number := getattr(signal, name)) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, _interrupt)
    report = Report(sys.stderr if args.json else sys.stdout, live=args.watch and not args.json)
    error: BaseException | None = None
    for step in partial(_follow, args, report), report.end, partial(_save, args, report):
        try:
            step()
        except (Exception, KeyboardInterrupt) as caught:  # noqa: BLE001
            error = error or caught
            if isinstance(caught, OSError) and not isinstance(caught, TimeoutError):
                _discard(sys.stdout)
    status, message = _outcome(args, report, error)
    try:
        sys.stderr.write(f"codedeploy-targets: {one_line(message, 2_000)}\n" if message else "")
    except OSError:
        _discard(sys.stderr)
    return status


def _interrupt(number: int, _: object) -> NoReturn:
    raise KeyboardInterrupt(number)


def _discard(stream: Any) -> None:
    # Python flushes the stream at its end. If that fails, it replaces the exit status.
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _follow(args: argparse.Namespace, report: Report) -> None:
    if args.json_file:
        args.json_file.touch()
    aws = default_client(profile=args.profile, region=args.region, config=_CONFIG)
    client, report.aws, deployment_id = DeploymentTargetsClient(aws), aws.meta, args.deployment_id
    if args.group:
        names = {"applicationName": args.application, "deploymentGroupName": args.group}
        last = aws.get_deployment_group(**names)["deploymentGroupInfo"].get(
            "lastAttemptedDeployment"
        )
        if last is None:
            raise LookupError(f"{args.group} has had no deployment")
        newest = client.get_deployment(deploymentId=last["deploymentId"])
        told = newest.rollback_info and newest.rollback_info.rollback_triggering_deployment_id
        deployment_id = told or newest.deployment_id
        report.rollback = f"{newest.deployment_id} {newest.status}" if told else None

    def tell(deployment: DeploymentInfo) -> None:
        report.tell(deployment)
        if not args.watch or report.has_reached(args.until):
            watch.close()

    times = {"delay": args.delay, "timeout": args.timeout}
    watch = client.watch_deployment_targets(deploymentId=deployment_id, on_round=tell, **times)
    _alarm(0 if args.timeout is None else int(min(args.timeout, 1e9)) + 2)
    try:
        for target in watch:
            report.tell(watch.deployment)
            if args.json:
                sys.stdout.write(f"{as_json(target)}\n")
                sys.stdout.flush()
            report.show(target)
    finally:
        _alarm(0)
        report.missing_target_ids = watch.missing_target_ids
        with suppress(RuntimeError):  # no answer has come
            report.tell(watch.deployment)


def _save(args: argparse.Namespace, report: Report) -> None:
    if args.json_file:
        told = {"deployment": report.deployment, "targets": [*report.targets.values()]}
        told |= {"failures": report.failures, "missing_target_ids": report.missing_target_ids}
        args.json_file.write_text(f"{as_json(told)}\n", encoding="utf-8")


def _outcome(
    args: argparse.Namespace, report: Report, error: BaseException | None
) -> tuple[int, str]:
    """Return the exit status, and a message, which may be empty."""
    number = error.args[0] if isinstance(error, KeyboardInterrupt) else 0
    is_late = isinstance(error, TimeoutError) or number == getattr(signal, "SIGALRM", -1)
    if number and not is_late:
        return _SIGNAL + number, f"{signal.Signals(number).name}."
    if isinstance(error, BrokenPipeError):
        return _NO_ANSWER, ""
    deployment, status = report.deployment, _NO_ANSWER
    if deployment and deployment.is_over and (is_late or not isinstance(error, OSError)):
        status = _SUCCEEDED if deployment.status == "Succeeded" else _FAILED
    elif is_late:
        return _TIMEOUT, f"The deployment was not over after {args.timeout:g} seconds."
    elif error is None:
        status = _SUCCEEDED if report.has_reached(args.until) else _NOT_OVER
    if error is None:
        return status, ""
    code = error_code(error)
    is_gone = deployment and code == "DeploymentDoesNotExistException"
    names = ["vanished" if is_gone else code, *(each.__name__ for each in type(error).__mro__)]
    advice = [text for name in names for key, text in _ADVICE.items() if str(name) in key.split()]
    return status, f"{str(error).rstrip('.')}. {advice[0]}".rstrip()


def _parse(argv: list[str] | None) -> argparse.Namespace:
    about = "Follow a CodeDeploy deployment, and tell why it failed."
    parser = argparse.ArgumentParser("codedeploy-targets", description=about, epilog=_EPILOG)
    add = parser.add_argument
    add("deployment_id", nargs="?", metavar="DEPLOYMENT", help="its id, like d-EXAMPLE11")
    add("--application", metavar="NAME", help="with --group, in place of the id: the newest one's")
    add("--group", metavar="NAME", help="the deployment group")
    add("--no-watch", dest="watch", action="store_false", help="tell how it stands, and end")
    add("--until", metavar="GOAL", help="end once it is Ready, or all targets are past an EVENT")
    add("--json", action="store_true", help="write each target as a line of JSON")
    add("--json-file", type=Path, metavar="FILE", help="where to write all as JSON at the end")
    add("--region", help="the AWS region")
    add("--profile", help="the profile in ~/.aws/config")
    add("--delay", type=float, default=5.0, metavar="SECONDS", help="from round to round (5)")
    add("--timeout", type=float, metavar="SECONDS", help="when to give up following (never)")
    add("--version", action="version", version=f"%(prog)s {version('codedeploy-targets')}")
    args = parser.parse_args(argv)
    if bool(args.deployment_id) == bool(args.group) or bool(args.group) != bool(args.application):
        parser.error("name a DEPLOYMENT, or an --application and its --group")
    return args


if __name__ == "__main__":
    sys.exit(main())
