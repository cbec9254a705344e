"""Change here: the command line's options, error messages and exit statuses."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO, cast

from . import DeploymentTargetIterator, DeploymentTargetsClient
from ._default_client import default_client
from ._errors import error_code
from ._report import JSONReport, LiveReport, Report, can_draw, one_line

_SUCCEEDED, _FAILED, _NO_ANSWER, _TIMEOUT, _INTERRUPTED = 0, 1, 2, 124, 130
_ABOUT = "Follow a CodeDeploy deployment, and tell why it failed."
_EPILOG = """Exit status: 0 the deployment succeeded (with --no-watch: or is not over yet), 1 it
failed or was stopped, 2 wrong usage, or no answer from AWS, 124 timeout, 130 interrupted."""
# The keys: codes of AWS's errors, or names of an exception's class or its bases; the first counts.
_ADVICE = {
    "AccessDeniedException": "Allow codedeploy:Get*, codedeploy:List* and codedeploy:BatchGet*.",
    "DeploymentDoesNotExistException": "Check the id, --region and --profile.",
    "InvalidDeploymentIdException": "A deployment id looks like d-EXAMPLE11.",
    "InvalidResponseError": "Try again; see whether a proxy changes what AWS answers.",
    "NoCredentialsError": "Sign in, or name a --profile.",
    "NoRegionError": "Add --region, or set AWS_DEFAULT_REGION.",
    "ProfileNotFound": "See the profiles in ~/.aws/config.",
    "ThrottlingException": "Try again later, with a longer --delay.",
    "BotoCoreError": "Check --region, --profile and the network.",
    "OSError": "",  # the error names what is wrong
    "Exception": "Check --region, --profile and the credentials.",
}


def main(argv: list[str] | None = None) -> int:
    """Run the command line, and return its exit status."""
    args = _parser().parse_args(argv)
    # Either stream may be closed, and not every encoding has the characters of every log.
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
    cast("Any", sys.stdout).reconfigure(errors="replace")
    try:
        return _run(args)
    except TimeoutError as error:
        return _fail(f"{error}.", _TIMEOUT)
    except KeyboardInterrupt:
        return _fail("Interrupted; the deployment goes on.", _INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - status 1 would say that the deployment failed
        if isinstance(error, OSError):
            _discard(sys.stdout)
        names = (error_code(error), *(cls.__name__ for cls in type(error).__mro__))
        advice = next(_ADVICE[name] for name in names if name in _ADVICE)
        if isinstance(error, BrokenPipeError):
            return _NO_ANSWER
        return _fail(f"{str(error).rstrip('.')}. {advice}".rstrip(), _NO_ANSWER)


def _run(args: argparse.Namespace) -> int:
    client = DeploymentTargetsClient(default_client(profile=args.profile, region=args.region))
    params = {"deploymentId": args.deployment_id}
    live = args.watch and sys.stdout.isatty() and can_draw()
    report = (JSONReport if args.json else LiveReport if live else Report)(args.deployment_id)
    targets: DeploymentTargetIterator
    if args.watch:
        targets = client.watch_deployment_targets(**params, delay=args.delay, timeout=args.timeout)
    else:
        targets = client.iter_deployment_targets(**params, skip_missing=True)
    try:
        with report.view(), suppress(client.exceptions.DeploymentNotStartedException):
            for target in targets:
                report.show(target)
    except (TimeoutError, KeyboardInterrupt):
        report.end({"status": "is not over"}, targets.missing_target_ids)
        raise
    deployment = client.client.get_deployment(**params)["deploymentInfo"]
    report.end(deployment, targets.missing_target_ids)
    return _FAILED if deployment["status"] in {"Failed", "Stopped"} else _SUCCEEDED


def _fail(message: str, status: int) -> int:
    try:
        sys.stderr.write(f"codedeploy-targets: {one_line(message, 2_000)}\n")
    except OSError:
        _discard(sys.stderr)
    return status


def _discard(stream: TextIO) -> None:
    # Python flushes the stream at its end. If that fails, it replaces the exit status.
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("codedeploy-targets", description=_ABOUT, epilog=_EPILOG)
    add = parser.add_argument
    add("deployment_id", metavar="DEPLOYMENT", help="the id of the deployment, like d-EXAMPLE11")
    add("--no-watch", dest="watch", action="store_false", help="tell how it stands, and end")
    add("--json", action="store_true", help="write each target as a line of JSON")
    add("--region", help="the AWS region")
    add("--profile", help="the profile in ~/.aws/config")
    add("--delay", type=seconds, default=5.0, metavar="SECONDS", help="from round to round (5)")
    add("--timeout", type=seconds, metavar="SECONDS", help="when to give up following (never)")
    return parser


def seconds(text: str) -> float:
    if not 0 <= float(text) <= 1e9:  # noqa: PLR2004 - 30 years; much longer, and time.sleep fails
        raise ValueError
    return float(text)


if __name__ == "__main__":
    sys.exit(main())
