"""Change here: how a deployment is followed, that is, what a round lists, reads and yields.

Performs no I/O, and never waits: the clients do both.
"""

from __future__ import annotations

from threading import TIMEOUT_MAX
from typing import TYPE_CHECKING, Any

from ._answers import BatchGetDeploymentTargetsOutput as Output
from ._requests import Params, list_params

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._models import DeploymentTarget, TargetFilters

_OVER = {"Succeeded", "Failed", "Stopped"}
_BUSY: TargetFilters = {"TargetStatus": ["Pending", "InProgress", "Ready", "Unknown"]}


class Watch:
    """Decides what to ask in each round, from the answers to the rounds before it.

    A round is one GetDeployment, a listing, and reads of the targets that may have changed. The
    first round and the last one list all targets, the others only the busy ones.
    """

    def __init__(self, deployment_id: str, delay: float, timeout: float | None) -> None:
        if not 0 <= delay < TIMEOUT_MAX:
            raise ValueError(f"delay must be 0 to {TIMEOUT_MAX:.0f} seconds, not {delay}")
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"timeout must be at least 0 seconds, not {timeout}")
        self.over = False  # GetDeployment said so: this round is the last
        self.missing_target_ids: list[str] = []
        self._deployment_id = deployment_id
        self._delay = delay
        self._timeout = timeout
        self._told: dict[str, DeploymentTarget] = {}

    def listing_params(self, response: Any) -> Params:
        """Note from GetDeployment's answer whether this round is the last; return what to list."""
        self.over = response.get("deploymentInfo", {}).get("status") in _OVER
        return list_params(self._deployment_id, _BUSY if self._told and not self.over else None)

    def ids_to_read(self, listed: Iterable[str]) -> list[str]:
        """Return the ids of the targets that this round reads."""
        told = self._told.values()
        # Read even if not listed: it may have ended, or have a status that the filter lacks.
        busy = [target.target_id for target in told if target.target_id and not target.is_terminal]
        # Only the last round skips what was seen in a terminal state, unless the service left it
        # out since: it lists all targets again. The filtered listings name busy ones.
        ended = {target.target_id for target in told if self.over and target.is_terminal}
        ended.difference_update(self.missing_target_ids)
        return list(dict.fromkeys([*(each for each in listed if each not in ended), *busy]))

    def changed(self, output: Output) -> Output:
        """Return those of the targets just read that are new or have changed."""
        read = {target.target_id for target in output.deployment_targets}
        missing = [each for each in self.missing_target_ids if each not in read]
        self.missing_target_ids[:] = dict.fromkeys([*missing, *output.missing_target_ids])
        changed = []
        for target in output.deployment_targets:
            # A target of a future type may have its id elsewhere: its JSON identifies it then.
            key = target.target_id or target.model_dump_json()
            if target != self._told.get(key):
                self._told[key] = target
                changed.append(target)
        return Output.model_construct(deployment_targets=changed)

    def pause(self, elapsed: float) -> float:
        """Return how long to wait for the next round, in seconds, or raise TimeoutError."""
        if self._timeout is None:
            return self._delay
        if elapsed >= self._timeout:
            raise TimeoutError(f"{self._deployment_id} is not over after {self._timeout} seconds")
        return min(self._delay, self._timeout - elapsed)
