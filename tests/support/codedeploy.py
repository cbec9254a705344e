"""One CodeDeploy for all tests: in process, over HTTP on loopback, or as a mock's methods.

A test gives it a script, or only ids that it knows; makes it throttle, hang, answer late, cut a
body or answer an error; and looks at the calls that it got.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from botocore.exceptions import ClientError
from support.endpoint import Response, error
from support.pages import ids, instance

from codedeploy_targets import DeploymentTarget, UnknownTarget

Envelope = dict[str, Any]
# A call gets this answer, this error, or its usual answer, changed by this function; None: as is.
Instead = Response | Exception | Callable[[Response], Response] | None

OPERATIONS = ("GetDeployment", "ListDeploymentTargets", "BatchGetDeploymentTargets")
GET, LIST, READ = OPERATIONS
BUSY = {"TargetStatus": ["Pending", "InProgress", "Ready", "Unknown"]}
PATIENCE = 10  # seconds after which a test fails
LONG = 60.0  # seconds: no test waits for so long
MISSING = "DeploymentTargetDoesNotExistException"
THROTTLED = error("ThrottlingException")


def wait_until(
    condition: Callable[[], bool],
    pause: Callable[[float], None] = time.sleep,
    seconds: float = PATIENCE,
) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not come about in {seconds} seconds"
        pause(0.005)


def cut_short(response: Response) -> Response:
    """Cut an answer short, as where a connection breaks; the script has gone on by then."""
    return Response(response.body[:-9], response.status)


@dataclass(frozen=True)
class Step:
    """How the deployment stands from one GetDeployment to the next.

    Attributes:
        status: what GetDeployment answers.
        targets: models or envelopes of those that the deployment has; `None` if it has not started.
        left_out: ids that are listed, but left out when they are read.
        info: members of GetDeployment's answer besides the usual ones, or in place of them.
        read: the targets as they are after the listing, if that differs.
    """

    status: str
    targets: Iterable[DeploymentTarget | Envelope] | None = None
    left_out: frozenset[str] = frozenset()
    info: Mapping[str, Any] = field(default_factory=dict)
    read: Iterable[DeploymentTarget | Envelope] | None = None


def _envelopes(targets: Iterable[DeploymentTarget | Envelope] | None) -> dict[str, Envelope]:
    """Return what the service sends of each target, by id."""
    sent = [each if isinstance(each, dict) else _envelope(each) for each in targets or ()]
    return {_payload(envelope)["targetId"]: envelope for envelope in sent}


def _envelope(target: DeploymentTarget) -> Envelope:
    # boto3's dict lacks the payload of an unknown target.
    return target.raw if isinstance(target, UnknownTarget) else target.to_boto3()


def _payload(envelope: Envelope) -> Any:
    return next(member for member in envelope.values() if isinstance(member, dict))


class TokenBucket:
    """Allows so many calls a second, and a burst of them at once, as AWS's throttle does."""

    def __init__(
        self, rate: float, burst: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._tokens, self._at = float(burst), clock()

    def take(self) -> bool:
        now = self._clock()
        self._tokens = min(self._tokens + (now - self._at) * self._rate, self._burst)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Gate:
    """Allows everything or nothing, in place of a token bucket."""

    is_open = False

    def take(self) -> bool:
        return self.is_open


class Hang:
    """Holds calls back until the test lets go."""

    def __init__(self) -> None:
        self._arrived = threading.Semaphore(0)
        self._go = threading.Event()
        self._timed_out = False

    def __call__(self, *_: object) -> None:
        self._arrived.release()
        self._timed_out |= not self._go.wait(PATIENCE)

    def wait_for(self, calls: int = 1) -> None:
        """Wait until so many more calls hang."""
        for _ in range(calls):
            assert self._arrived.acquire(timeout=PATIENCE), "no call came"

    def let_go(self) -> None:
        assert not self._timed_out, "what the test did meanwhile waited for a call that hangs"
        self._go.set()


class CodeDeploy:
    """Answers for the deployment `d-1`; each GetDeployment goes a step further in its script.

    Args:
        steps: the script, whose last step stays; by default one step, in progress.
        known: without a script, the ids of the targets, or how many of `ids` there are.
        instead: by operation, what its calls get, one after the other, in place of their answers.
        before: is called with each call before it is answered, and may answer it.
        throttle: what it allows; `None` is everything.
        delay: the seconds that each answer takes.
        page_size: how many ids a page of the listing has.

    Attributes:
        calls: what was asked, in the order of arrival.
        most_at_once: the most calls that were under way at once.
    """

    def __init__(
        self,
        *steps: Step,
        known: int | Sequence[str] = 1_000,
        instead: Mapping[str, Iterable[Instead]] | None = None,
        before: Callable[[str, Any], object] | None = None,
        throttle: TokenBucket | Gate | None = None,
        delay: float = 0,
        page_size: int = 100,
    ) -> None:
        known = ids(known) if isinstance(known, int) else known
        running = Step("InProgress", [instance(target_id, events=1) for target_id in known])
        self._steps = steps or (running,)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.most_at_once = 0
        self._instead = {name: iter(answers) for name, answers in (instead or {}).items()}
        self._before: list[Callable[[str, Any], object]] = [before] if before else []
        self._throttle = throttle
        self._delay = delay
        self._page_size = page_size
        self._lock = threading.Lock()
        self._under_way = 0
        self._step, self._targets = self._steps[0], _envelopes(self._steps[0].targets)
        self._left = iter(self._steps)

    def __call__(self, operation: str, params: dict[str, Any]) -> Response:
        assert params["deploymentId"] == "d-1"
        with self._lock:
            self.calls.append((operation, params))
            instead = next(self._instead.get(operation, iter(())), None)
            throttled = self._throttle is not None and not self._throttle.take()
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            for before in self._before:
                answered = before(operation, params)
                if isinstance(answered, Response):
                    return answered
            if self._delay:
                time.sleep(self._delay)
            if throttled:
                return THROTTLED
            if isinstance(instead, Exception):
                raise instead
            if isinstance(instead, Response):
                return instead
            answer = self._answer(operation, params)
            return instead(answer) if instead else answer
        finally:
            with self._lock:
                self._under_way -= 1

    def hang(self, operation: str = READ, target_id: str | None = None) -> Hang:
        """Let calls of an operation hang from now on: all, or those that ask for this id."""
        hang = Hang()

        def before(name: str, params: Any) -> None:
            if name == operation and target_id in (None, *params.get("targetIds", ())):
                hang()

        self._before.append(before)
        return hang

    def gather(self, calls: int, operation: str | None = None) -> None:
        """Let the next calls, of an operation or of any, wait until there are so many."""
        arrived, left = threading.Barrier(calls), threading.Semaphore(calls)

        def before(name: str, _: object) -> None:
            if operation in (None, name) and left.acquire(blocking=False):
                arrived.wait(PATIENCE)

        self._before.append(before)

    def method(self, operation: str) -> Callable[..., Any]:
        """Return a function that answers as boto3's method does, for a mock."""

        def call(**params: Any) -> Any:
            response = self(operation, params)
            answer = json.loads(response.body)
            if response.status == 200:
                return answer
            told: Any = {"Error": {"Code": answer["__type"], "Message": answer["message"]}}
            raise ClientError(told, operation)

        return call

    # What was asked.

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """Return the parameters of each call of an operation."""
        return [params for name, params in self.calls if name == operation]

    @property
    def batches(self) -> list[list[str]]:
        """The ids of each batch that was asked for."""
        return [params["targetIds"] for params in self.asked(READ)]

    def rounds(self) -> list[list[tuple[str, dict[str, Any]]]]:
        """Return the calls that each round of a watch consists of."""
        rounds: list[list[tuple[str, dict[str, Any]]]] = []
        for operation, params in self.calls:
            if operation == GET:
                rounds.append([])
            rounds[-1].append((operation, params))
        return rounds

    def read_ids(self) -> list[list[str]]:
        """Return, in order, the ids that each round reads."""
        return [
            sorted(each for operation, p in calls if operation == READ for each in p["targetIds"])
            for calls in self.rounds()
        ]

    def yielded(self, watch: Iterable[DeploymentTarget]) -> list[dict[str, DeploymentTarget]]:
        """Follow the deployment to its end; return, by id, what each round yields.

        The order within a round is not promised.
        """
        rounds: list[dict[str, DeploymentTarget]] = []
        for target in watch:
            rounds += ({} for _ in self.rounds()[len(rounds) :])
            assert str(target.target_id) not in rounds[-1]
            rounds[-1][str(target.target_id)] = target
        return rounds + [{} for _ in self.rounds()[len(rounds) :]]

    # What is answered.

    def _answer(self, operation: str, params: dict[str, Any]) -> Response:
        with self._lock:
            if operation == GET:
                return self._get()
            if self._step.targets is None:
                return error("DeploymentNotStartedException")
            return self._list(params) if operation == LIST else self._read(params)

    def _get(self) -> Response:
        before, self._step = self._step, next(self._left, self._step)
        if self._step is not before:
            self._targets = _envelopes(self._step.targets)
        counts = Counter(_payload(each).get("status") for each in self._targets.values())
        usual = {
            "deploymentId": "d-1",
            "applicationName": "app",
            "deploymentGroupName": "group",
            "status": self._step.status,
            "createTime": 1546300800.125,
            "creator": "user",
            "computePlatform": "Server",
            "deploymentOverview": {
                status: counts[status]
                for status in ("Pending", "InProgress", "Succeeded", "Failed", "Skipped", "Ready")
            },
        }
        return _response({"deploymentInfo": {**usual, **self._step.info}})

    def _list(self, params: dict[str, Any]) -> Response:
        allowed = params.get("targetFilters", {}).get("TargetStatus")
        listed = [
            target_id
            for target_id, envelope in self._targets.items()
            if allowed is None or _payload(envelope).get("status") in allowed
        ]
        start = int(params.get("nextToken", 0))
        end = start + self._page_size
        more = {"nextToken": str(end)} if end < len(listed) else {}
        if not more and self._step.read is not None:
            self._targets = _envelopes(self._step.read)
        return _response({"targetIds": listed[start:end], **more})

    def _read(self, params: dict[str, Any]) -> Response:
        assert 1 <= len(params["targetIds"]) <= 25
        if not self._targets.keys() >= set(params["targetIds"]):
            return error(MISSING)
        answered = [each for each in params["targetIds"] if each not in self._step.left_out]
        return _response({"deploymentTargets": [self._targets[each] for each in answered]})


_dumps = partial(json.dumps, default=datetime.timestamp, separators=(",", ":"))


def _response(answer: Any) -> Response:
    return Response(_dumps(answer).encode())
