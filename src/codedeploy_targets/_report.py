"""Change here: what the command line shows: lines for a log, JSON, and how a run ended."""

# What the service sends is data: `one_line` and `as_json` let it steer no terminal, no CI runner.

from __future__ import annotations

import json
import re
import shlex
import sys
import time
from collections import Counter, deque
from contextlib import suppress
from shutil import get_terminal_size
from textwrap import fill
from threading import Event, Thread
from typing import Any

from pydantic_core import to_jsonable_python

from . import DeploymentInfo, DeploymentTarget, DeploymentWatch, Diagnostics
from ._deployments import RollbackInfo, write_deployment
from ._failure_groups import FailureGroup, group_failures
from ._watching import SETTLED

_MOST = 20  # groups, ids of one, lines of a log
WIDEST = 4_200  # characters of a line: all 4 KB of a log may be one
_TICK, _SIGN_OF_LIFE = 0.25, 60  # seconds
_DOMAINS = {  # of AWS's console, where it is public
    "aws": "aws.amazon.com", "aws-cn": "amazonaws.cn", "aws-eusc": "amazonaws-eusc.eu",
    "aws-us-gov": "amazonaws-us-gov.com",
}  # fmt: skip


def one_line(text: object, width: int = 300) -> str:
    plain = re.sub(r"\x1b\[[\d;]*m|[\ufe00-\ufe0f]", "", str(text or ""))  # colours, glyph variants
    line = "".join(char if char.isprintable() else " " for char in plain).rstrip()
    # GitHub obeys `::…` where a line begins and `##[…` anywhere, Azure and TeamCity `##name[…`.
    line = re.sub(r"^ *:(?=:)|#(?=#\w*\[)", r"\g<0> ", line)
    return line if len(line) <= width else f"{line[:width]}…"


def as_json(value: object) -> str:
    return json.dumps(to_jsonable_python(value)).replace("##", "#\\u0023")


def _join(glue: str, *texts: object) -> str:
    return glue.join(str(each) for each in texts if each)


def _first_ids(ids: list[str]) -> str:
    more = len(ids) > _MOST and f"and {len(ids) - _MOST} more"
    return _join(", ", *map(one_line, ids[:_MOST]), more)


def span(seconds: float) -> str:
    minutes, rest = divmod(max(round(seconds), 0), 60)  # this machine's clock may be behind
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def doing(target: DeploymentTarget) -> str:
    # An ECS service has two sets of tasks, a Lambda function or a stack the new version's weight.
    event: Any = target.failed_event or target.current_event
    sets: Any = getattr(target, "task_sets_info", [])
    shares = [(each.task_set_label or each.status, each.traffic_weight) for each in sets]
    new: Any = getattr(target, "lambda_function_info", target)
    shares.append(("new version", getattr(new, "target_version_weight", None)))
    weights = [f"{name} {weight:g}%" for name, weight in shares if weight is not None]
    return _join(", ", event and event.lifecycle_event_name, *weights)


def name_of(target: DeploymentTarget) -> str:
    return _join(" ", target.target_id, getattr(target, "instance_label", None))


def _past_events(target: DeploymentTarget) -> list[str]:
    # AWS skips the events after the one that failed.
    settled = {"Succeeded"} if target.status == "Failed" else SETTLED
    past = [each for each in target.lifecycle_events if each.status in settled]
    return [(each.lifecycle_event_name or "").lower() for each in past]


class Report:
    """Shows a line for each change that a reader can see, and on a terminal a view below them.

    `take` keeps a target, `tell` shows after each round what came in it, `explain` tells the end,
    and `save` writes the document.
    """

    def __init__(self, args: Any) -> None:
        self.meta: Any = None  # of botocore's client, once the watch begins
        self.deployment_id = ""  # which an answer may lack
        self.watch, self.deployment = DeploymentWatch(), DeploymentInfo()  # not known yet
        self.rollback: str | None = None  # the deployment that rolled this one back, its status
        self.error: BaseException | None = None  # the first, which ends the run
        self.followed_until = float("inf")  # by time.monotonic; then comes the report
        self.has_ended = False
        self.targets: dict[object, DeploymentTarget] = {}
        self.view: Any = None
        self._args, self._out = args, sys.stderr if args.json else sys.stdout
        self._new, self._told = deque[DeploymentTarget](), set[str]()
        self._lines, self._signed_at = list[str](), time.monotonic()
        self._answered_at = self._signed_at
        self._json = deque[str]()  # lines for stdout
        self._drawn = 0, 0, ""  # columns, lines, and the view
        self._over, self._thread = Event(), Thread(target=self._write_all, daemon=True)
        with suppress(RuntimeError):  # no more threads can be started: all is written at the end
            self._thread.start()

    def tell(self, info: DeploymentInfo) -> None:
        name, region = self.deployment_id, self.meta.region_name
        if self.deployment.status is None:
            domain, path = _DOMAINS.get(self.meta.partition), "codesuite/codedeploy/deployments"
            link = domain and f"https://{region}.console.{domain}/{path}/{name}?region={region}"
            group = _join("/", info.application_name, info.deployment_group_name)
            self._print(name, _join(" by ", group, info.creator), one_line(info.description), link)
        self.deployment, self._answered_at = info, time.monotonic()
        if not (info.is_over or self.view):
            self._print_new(f"{name} {info.status}")
        while self._new:
            self._show(self._new.popleft())
        # `error`, as Python drops what a signal's handler raises while it finalizes an object.
        if self.error or not self._args.watch or self.has_reached_goal():
            self.watch.close()

    def take(self, target: DeploymentTarget) -> None:
        # Quick, so that a signal that closes the watch in the middle of a round loses few of them.
        label = getattr(target, "instance_label", None)
        self.targets[target.target_id or target.model_dump_json(), label] = target
        self._new.append(target)
        self._answered_at = time.monotonic()

    def _show(self, target: DeploymentTarget) -> None:
        if self._args.json:
            self._json.append(f"{as_json(target)}\n")
        has_failed = target.status == "Failed"
        why = (has_failed and target.diagnostics) or Diagnostics()
        text = _join(" ", name_of(target), target.status, doing(target))
        if has_failed or not self.view:
            self._print_new(_join(": ", text, why.message or why.error_code))

    def has_reached_goal(self) -> bool:
        goal, targets = self._args.until, self.present()
        past = [each.status == "Skipped" or goal in _past_events(each) for each in targets]
        is_past = 0 < sum(past) == self.counts().total()
        return bool(goal) and (goal == str(self.deployment.status).lower() or is_past)

    def tell_rest(self) -> None:
        self.followed_until = min(self.followed_until, time.monotonic())
        # Raises before the first answer, but `error` has the cause by then.
        self.tell(self.watch.deployment)

    def explain(self) -> None:
        groups, info = group_failures(self.targets.values()), self.deployment
        for group in groups[:_MOST]:
            self._print_group(group)
        if rest := sum(len(group.targets) for group in groups[_MOST:]):
            self._print(f"and {rest} more failed, for {len(groups) - _MOST} other reasons")
        if missing := self.watch.missing_target_ids:
            self._print("AWS returned nothing for", _first_ids(missing))
        if cause := info.error_information:
            self._print(_join(": ", cause.code, cause.message))
        back = info.rollback_info or RollbackInfo()
        rollback = self.rollback or back.rollback_deployment_id
        if rollback or back.rollback_message:
            self._print(rollback and "Rolled back by", rollback, back.rollback_message)
        if info.status:
            self._print(self._summary())
        if info.status and self._args.until and not self.has_reached_goal():
            self._print("It did not reach --until", self._args.until)
        if info.status and not info.is_over:
            options = ["--deployment-id", self.deployment_id, "--region", self.meta.region_name]
            options += ["--profile", self._args.profile] if self._args.profile else []
            self._print("It goes on. To stop it: aws deploy stop-deployment", shlex.join(options))

    def save(self) -> None:
        if not self._args.json_file:
            return
        document = {
            "deployment": self.deployment.status and self.deployment,
            "targets": [*self.targets.values()],
            "failures": group_failures(self.targets.values()),
            "missing_target_ids": self.watch.missing_target_ids,
        }
        try:
            self._args.json_file.write_bytes(f"{as_json(document)}\n".encode())
        except OSError as error:
            if self.error and str(self.error) != str(error):  # which alone is told at the end
                self._print(str(error))
            raise

    def end(self) -> None:
        self._over.set()
        with suppress(RuntimeError):  # it was never started
            self._thread.join()
        self._write()

    def _print_group(self, group: FailureGroup) -> None:
        why, event = group.diagnostics or Diagnostics(), group.targets[0].failed_event
        head = _join(" in ", f"{len(group.targets)} failed", group.lifecycle_event_name)
        self._print(_join(": ", head, why.error_code))
        ids = _first_ids([name_of(each) or "without id" for each in group.targets])
        width = max(get_terminal_size((98, 24)).columns - 14, 20)
        targets = fill(ids, width, break_long_words=False, break_on_hyphens=False)
        duration = event and event.duration and span(event.duration.total_seconds())
        rows = {"targets": targets, "duration": duration, "script": why.script_name}
        rows |= {"message": why.message, "log": why.log_tail}
        for label, text in rows.items():
            texts = [*filter(one_line, (text or "").splitlines())]
            for number, line in enumerate(texts[-_MOST:] if label == "log" else texts):
                self._print(f"    {'' if number else label:<9} {line}")

    def _print_new(self, text: str) -> None:
        if (line := one_line(text)) not in self._told:
            self._print(time.strftime("%H:%M:%S"), line)
            self._told.add(line)

    def _print(self, *words: str | None) -> None:
        self._lines.append(one_line(_join(" ", *words), WIDEST))

    def present(self) -> list[DeploymentTarget]:
        """Return the targets; those that vanished are left out if AWS counts fewer than came."""
        targets, gone = [*self.targets.values()], {*self.watch.missing_target_ids}
        if not 0 < self._counted().total() < len(targets):
            return targets
        return [each for each in targets if each.is_terminal or each.target_id not in gone]

    def _counted(self) -> Counter[str]:
        return +Counter[str](write_deployment(self.deployment).get("deploymentOverview"))

    def counts(self) -> Counter[str]:
        # AWS's own count may have more targets than came so far.
        came = Counter(str(each.status or "without status") for each in self.present())
        return max(came, self._counted(), key=Counter.total)

    def silence(self) -> str:
        """Tell, behind a status, for how long AWS has not answered, if that is long."""
        seconds = time.monotonic() - self._answered_at
        is_long = seconds > _SIGN_OF_LIFE + self._args.delay
        return f", no answer for {span(seconds)}" if is_long else ""

    def _summary(self) -> str:
        counts = _join(", ", *(f"{n} {status}" for status, n in self.counts().most_common()))
        summary = f"{self.deployment_id} {self.deployment.status}: {counts or 'no targets'}"
        return summary + self.silence()

    def _write_all(self) -> None:
        # In a thread, as a signal may interrupt the main one until `tell_rest` has begun.
        while not self._over.wait(_TICK):
            self._write()

    def _put(self, text: str, stream: Any) -> None:
        try:
            print(text, end="", file=stream, flush=True)
        except OSError as error:
            self.error = self.error or error
            self.watch.close()

    def _write(self) -> None:
        while self._json:
            self._put(self._json.popleft(), sys.stdout)
        is_on, now = self.deployment.status, time.monotonic()
        if is_on and not self.view and now >= self._signed_at + _SIGN_OF_LIFE:
            self._signed_at = now
            self._print(time.strftime("%H:%M:%S"), self._summary())
        (columns, height), end, view = get_terminal_size(), len(self._lines), ""
        columns, height = columns or 80, height or 24  # of a terminal without a size, 0 in 3.10
        if is_on and self.view and not self._over.is_set():
            # None of its lines wraps, however wide the terminal draws it.
            # The `^C` that a terminal shows has room behind the last one.
            view = f"\x1b[?7l{self.view(self, columns - 2, height)}\x1b[?7h"
        (old_columns, start, old_view), self._drawn = self._drawn, (columns, end, view)
        # Row by row: tmux keeps in its history what a clearing to the end of the screen takes away.
        clear = "\r\x1b[2K" + "\x1b[A\x1b[2K" * old_view.count("\n") if old_view else ""
        if end > start or view != old_view:
            if old_view and columns < old_columns:  # terminals differ in how they wrap
                clear, start = "\x1b[2J\x1b[H", min(start, max(end - height, 0))
            lines = "".join(f"{line}\n" for line in self._lines[start:end])
            self._put(f"{clear}{lines}{view}", self._out)
