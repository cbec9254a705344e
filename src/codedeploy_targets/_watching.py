"""Change here: how a deployment is followed: what a round asks, what is trouble, what is the end.

Performs no I/O, and never waits: the clients do both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from http import HTTPStatus
from threading import TIMEOUT_MAX
from typing import NamedTuple

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - not Python's
    HTTPClientError,
    IncompleteReadError,
)

from ._answers import BatchGetDeploymentTargetsOutput as Output
from ._deployments import DeploymentInfo
from ._errors import InvalidResponseError, error_code, is_throttled
from ._models import DeploymentTarget, TargetFilters
from ._requests import Listing, Request, Steps

_BUSY: TargetFilters = {"TargetStatus": ["Pending", "InProgress", "Ready", "Unknown"]}
_FAILED: TargetFilters = {"TargetStatus": ["Failed"]}
# Not Failed: such a target is read once more at the end, as its diagnostics may come late.
_SETTLED = {"Succeeded", "Skipped"}
_MAX_DELAY = 60  # seconds, to which trouble doubles the delay
# Trouble ends a watch after so many seconds and rounds without success.
_TROUBLE_SECONDS, _TROUBLE_ROUNDS = 300, 3


class GetTargets(NamedTuple):
    """A step: get the targets with these ids; leave out those that do not exist."""

    deployment_id: str
    target_ids: list[str]


class Pause(NamedTuple):
    """A step: wait."""

    seconds: float


class Watch:
    """Follows one deployment.

    A round is one GetDeployment, listings of the targets that are busy or have failed, and reads
    of those that may have changed. The first round and the last one list all targets.
    """

    def __init__(
        self, deployment_id: str, delay: float, timeout: float | None, clock: Callable[[], float]
    ) -> None:
        if not 0 <= delay < TIMEOUT_MAX:
            raise ValueError(f"delay must be 0 to {TIMEOUT_MAX:.0f} seconds, not {delay}")
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"timeout must be at least 0 seconds, not {timeout}")
        self.deployment: DeploymentInfo | None = None
        self.missing_target_ids: list[str] = []
        self.is_over = False
        self._is_whole = True  # whether the last round read all that it was to read
        self._deployment_id = deployment_id
        self._delay = delay
        self._timeout = math.inf if timeout is None else timeout
        self._clock = clock
        self._deadline = self._last_success = math.inf
        self._last_json: dict[object, str] = {}
        self._last_status: dict[str, str] = {}

    def begin(self) -> None:
        """Begin to count the time, before the first round."""
        self._last_success = self._clock()
        self._deadline = self._last_success + self._timeout

    def next_round(self) -> Steps:
        """Take the next round, and return the targets that are new or have changed.

        Raises:
            TimeoutError: the time is up, which is looked at before each step but the first.
            ClientError, BotoCoreError: no trouble that may pass, or trouble for too long.
        """
        is_first, failures, delay = self.deployment is None, 0, self._delay
        if not is_first:
            yield from self._pause(delay)
        while True:
            try:
                changed = yield from self._round()
            except (ClientError, BotoCoreError) as error:
                failures += 1
                lasts = self._clock() - self._last_success >= _TROUBLE_SECONDS
                lasts = lasts and failures >= _TROUBLE_ROUNDS
                if lasts or is_first or not _may_pass(error):
                    raise
                yield from self._pause(delay)
                delay = min(delay * 2, max(_MAX_DELAY, self._delay))
            else:
                self._last_success = self._clock()
                self.is_over = self._has_ended() and self._is_whole
                return changed

    def time_left(self) -> float:
        """Return the seconds until the timeout, which may be infinite."""
        return self._deadline - self._clock()

    def check_time(self) -> None:
        """Raise TimeoutError if no time is left."""
        if self.time_left() <= 0:
            raise TimeoutError(f"{self._deployment_id} is not over after {self._timeout} seconds")

    def _pause(self, seconds: float) -> Steps:
        yield Pause(max(min(seconds, self.time_left()), 0))
        self.check_time()

    def _has_ended(self) -> bool:
        return self.deployment is not None and self.deployment.is_over

    def _round(self) -> Steps:
        if not self._has_ended():  # else, trouble came after the end was known
            params = {"deploymentId": self._deployment_id}
            self.deployment = yield Request("get_deployment", params)
        try:
            ids = yield from self._ids_to_read()
            self.check_time()
            output = yield GetTargets(self._deployment_id, ids)
        except ClientError as error:
            if error_code(error) != "DeploymentNotStartedException":
                raise
            output = Output()
        else:
            answered = len(output.deployment_targets) + len(output.missing_target_ids)
            self._is_whole = answered >= len(ids)
        return self._note_changes(output)

    def _ids_to_read(self) -> Steps:
        # A target that vanished is not asked for again unless it is listed.
        vanished = {*self.missing_target_ids}
        known = {each: status for each, status in self._last_status.items() if each not in vanished}
        if self._has_ended() or not self._last_json:
            listed = yield from self._list(None)
            ids = [each for each in [*listed, *known] if known.get(each) not in _SETTLED]
        else:
            busy = yield from self._list(_BUSY)
            failed = yield from self._list(_FAILED)
            newly_failed = [each for each in failed if known.get(each) != "Failed"]
            # Read even if not listed: it may have ended, or have a status that the filters lack.
            was_busy = [
                each for each, status in known.items() if status not in {*_SETTLED, "Failed"}
            ]
            ids = [*busy, *newly_failed, *was_busy]
        return [*dict.fromkeys(ids)]

    def _list(self, target_filters: TargetFilters | None) -> Steps:
        listing, ids = Listing(self._deployment_id, target_filters), []
        while not listing.is_done:
            self.check_time()
            ids += yield from listing.next_page()
        return ids

    def _note_changes(self, output: Output) -> list[DeploymentTarget]:
        """Return those of the targets just read that are new or have changed."""
        read = {target.target_id for target in output.deployment_targets}
        missing = [each for each in self.missing_target_ids if each not in read]
        # In place, as the user's iterator shows this list.
        self.missing_target_ids[:] = [*dict.fromkeys([*missing, *output.missing_target_ids])]
        changed, statuses = [], dict[str, list[str]]()
        for target in output.deployment_targets:
            # As JSON, since the user may change the lists of a model. It also tells targets of a
            # future type apart, which may have their id elsewhere.
            state = target.model_dump_json()
            key: object = state
            if target.target_id is not None:
                statuses.setdefault(target.target_id, []).append(str(target.status))
                key = target.target_id, getattr(target, "instance_label", None)
            if self._last_json.get(key) != state:
                self._last_json[key] = state
                changed.append(target)
        for target_id, found in statuses.items():
            # Of a Blue and a Green target of one id, the one that is not over counts.
            found.sort(key=lambda status: (status in _SETTLED, status == "Failed"))
            self._last_status[target_id] = found[0]
        return changed


def _may_pass(error: Exception) -> bool:
    """Tell whether an error is trouble on the way or at the service, which may pass."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        too_many = is_throttled(error) or status == HTTPStatus.TOO_MANY_REQUESTS
        return too_many or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(error, InvalidResponseError):
        return error.is_cut_short
    return isinstance(error, (ConnectionError, HTTPClientError, IncompleteReadError))
