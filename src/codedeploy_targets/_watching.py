"""Change here: what a round of a watch asks, what is trouble, what is the end; without I/O."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from inspect import isawaitable
from threading import TIMEOUT_MAX
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as BotoCoreConnectionError
from botocore.parsers import ResponseParserError  # as for CBOR that is cut short

from ._answers import Output
from ._deployments import DeploymentInfo
from ._errors import InvalidResponseError, error_code, is_throttled
from ._requests import Batches, Listing, TargetFilters, ask, get_deployment
from ._runs import Plan, RunBase

_BUSY: TargetFilters = {"TargetStatus": ["Pending", "InProgress", "Ready", "Unknown"]}
_FAILED: TargetFilters = {"TargetStatus": ["Failed"]}
# Not Failed: such a target is read once more at the end, as its diagnostics may come late.
SETTLED = {"Succeeded", "Skipped"}
_MAX_DELAY = 60  # seconds, to which trouble doubles the delay
# Trouble ends a watch after so many seconds and rounds without success.
_TROUBLE_SECONDS, _TROUBLE_ROUNDS = 300, 3


class Watch:
    """Follows one deployment: a plan that yields the targets which are new or have changed.

    A round is one GetDeployment, listings of the targets that are busy or have failed, and reads
    of those that may have changed. All targets are listed in the last round, and from the first one
    on until a round has read some without trouble.
    """

    def __init__(
        self,
        deployment_id: str,
        delay: float,
        timeout: float | None,
        on_round: Callable[[DeploymentInfo], object] | None,
    ) -> None:
        if not 0 <= delay < TIMEOUT_MAX:
            raise ValueError(f"delay must be 0 to {TIMEOUT_MAX:.0f} seconds, not {delay}")
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"timeout must be at least 0 seconds, not {timeout}")
        self.missing_target_ids: list[str] = []
        self.deployment: Any = None  # a DeploymentInfo, once there is an answer
        self._deployment_id = deployment_id
        self._delay = float(delay)  # a Decimal or numpy's, too
        self._timeout = math.inf if timeout is None else timeout
        self._on_round = on_round
        self._last_json: dict[object, str] = {}
        self._has_read_all = False  # whether a round listed all, and read some without trouble
        # The last status of each id, or both of a Blue and a Green target that share it. What
        # vanishes is forgotten, so that it is not asked for again unless it is listed.
        self._known: dict[str, set[str]] = {}

    def plan(self, run: RunBase) -> Plan:
        """Yield an Output of what has changed, and what `on_round` returns if it can be awaited."""
        last_success = time.monotonic()
        run.time_left = partial(self._time_left, run, last_success + float(self._timeout))
        failures, is_first, delay = 0, True, self._delay
        while True:
            try:
                yield from self._round(run)
            except (ClientError, BotoCoreError, ResponseParserError) as error:
                failures += 1
                is_long = time.monotonic() - last_success >= _TROUBLE_SECONDS
                if (is_long and failures >= _TROUBLE_ROUNDS) or is_first or not _may_pass(error):
                    raise
            else:
                failures, is_first, delay = 0, False, self._delay
                last_success = time.monotonic()
                returned = None if self._on_round is None else self._on_round(self.deployment)
                if run.is_async and isawaitable(returned):
                    yield returned
                if self._has_ended():
                    return
            end = time.monotonic() + delay
            # A job that ends is of a failed round: the pause goes on. A wait that no job cut short
            # ends it, whatever the clock says: freezegun's stands still.
            while (yield max(end - time.monotonic(), 0.0)):
                pass
            if failures:
                delay = min(delay * 2, max(_MAX_DELAY, self._delay))

    def _time_left(self, run: RunBase, deadline: float) -> float:
        seconds = deadline - time.monotonic()
        if seconds <= 0 and not run.is_closed:  # as `on_round` may close it
            what = "is over, but not read whole," if self._has_ended() else "is not over"
            after = f"after {round(self._timeout, 3)} seconds"
            raise TimeoutError(f"{self._deployment_id} {what} {after}")
        return max(seconds, 0.0)

    def _has_ended(self) -> bool:
        return bool(self.deployment and self.deployment.is_over)

    def _round(self, run: RunBase) -> Plan:
        if not self._has_ended():  # else, this is the last round again, after trouble
            deployment = yield from get_deployment(self._deployment_id, run)
            if deployment.status is None:  # without one, nobody can tell when it is over
                raise InvalidResponseError(
                    operation="GetDeployment",
                    reason="it tells no status",
                    deployment_id=self._deployment_id,
                )
            self.deployment = deployment
        known = {**self._known}
        try:
            ids = yield from self._ids_to_read(run)
            batches = Batches(self._deployment_id, ids, skip_missing=True, window=run.limit)
            yield from batches.plan(run, self._note_changes)
            self._has_read_all = bool(self._last_json)
        except ClientError as error:
            if error_code(error) != "DeploymentNotStartedException":
                raise
            if self._has_ended():  # what this round read has a new set; the rest is gone
                unread = [each for each, last in known.items() if self._known.get(each) is last]
                gone = [each for each in unread if not known[each] <= SETTLED]
                self._note_changes(Output.model_construct(missing_target_ids=gone))

    def _ids_to_read(self, run: RunBase) -> Plan:
        if self._has_ended() or not self._has_read_all:
            listed = yield from self._list(run)
            settled = {each for each, last in self._known.items() if last <= SETTLED}
            ids = [each for each in [*listed, *self._known] if each not in settled]
        else:
            busy = yield from self._list(run, _BUSY)
            failed = yield from self._list(run, _FAILED)
            newly_failed = [each for each in failed if "Failed" not in self._known.get(each, ())]
            # Read even if not listed: it may have ended, or have a status that the filters lack.
            was_busy = [each for each, last in self._known.items() if last - {*SETTLED, "Failed"}]
            ids = [*busy, *newly_failed, *was_busy]
        return [*dict.fromkeys(ids)]

    def _list(self, run: RunBase, target_filters: TargetFilters | None = None) -> Plan:
        listing, ids, is_last = Listing(self._deployment_id, target_filters), [], False
        while not is_last:
            page, is_last = yield from ask(run, listing.next_page)
            ids += page
        return ids

    def _note_changes(self, output: Output) -> Output:
        """Return the targets just read that are new or have changed."""
        changed, statuses = [], dict[str, set[str]]()
        for target in output.deployment_targets:
            # As JSON, since the user may change the lists of a model. It also tells targets of a
            # future type apart, which may have their id elsewhere.
            state = target.model_dump_json()
            key: object = state
            if target.target_id is not None:
                statuses.setdefault(target.target_id, set()).add(str(target.status))
                key = target.target_id, getattr(target, "instance_label", None)
            if self._last_json.get(key) != state:
                self._last_json[key] = state
                changed.append(target)
        self._known |= statuses
        for target_id in output.missing_target_ids:
            self._known.pop(target_id, None)
        missing = [each for each in self.missing_target_ids if each not in statuses]
        self.missing_target_ids = [*dict.fromkeys([*missing, *output.missing_target_ids])]
        return Output.model_construct(deployment_targets=changed)


def _may_pass(error: Exception) -> bool:
    """Tell whether an error is trouble on the way or at the service, which may pass."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        is_late = status == HTTPStatus.REQUEST_TIMEOUT or "RequestTimeout" in str(error_code(error))
        return is_throttled(error) or is_late or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(error, InvalidResponseError):
        return error.is_cut_short
    if isinstance(getattr(error, "kwargs", {}).get("error"), AttributeError):
        return False  # as of an aiobotocore client that was closed meanwhile
    broken = BotoCoreConnectionError, HTTPClientError, IncompleteReadError, ResponseParserError
    return isinstance(error, broken)
