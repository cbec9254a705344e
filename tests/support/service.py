"""CodeDeploy, as far as it lists and gets the targets of a deployment."""

from __future__ import annotations

import json
from typing import Any

from support.endpoint import Response, error
from support.pages import ids, instance, page


class Service:
    """Answers each id that it knows, and keeps what it was asked."""

    def __init__(self, known: int = 1_000) -> None:
        self.targets = {target_id: instance(target_id, events=1) for target_id in ids(known)}
        self.batches: list[list[str]] = []
        self.listed: list[dict[str, Any]] = []

    def __call__(self, operation: str, params: dict[str, Any]) -> Response:
        if operation == "ListDeploymentTargets":
            self.listed.append(params)
            start = int(params.get("nextToken", 0))
            answer: dict[str, Any] = {"targetIds": list(self.targets)[start : start + 40]}
            if start + 40 < len(self.targets):
                answer["nextToken"] = str(start + 40)
            return Response(json.dumps(answer).encode())
        batch = params["targetIds"]
        self.batches.append(batch)
        if not set(batch) <= self.targets.keys():
            return error("DeploymentTargetDoesNotExistException")
        return Response(page([self.targets[target_id] for target_id in batch]))


def answer_every_id(_: str, params: dict[str, Any]) -> Response:
    return Response(page([instance(target_id) for target_id in params["targetIds"]]))
