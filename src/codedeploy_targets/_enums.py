"""Change here: the values of AWS's string enums."""

from __future__ import annotations

from enum import Enum
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from ._json import mend


class _OpenEnum(str, Enum):
    """A string enum whose members equal, hash and format as AWS's strings.

    AWS adds values without notice. `TargetStatus("Paused")` is therefore no error: it is a new
    object, equal to `"Paused"`. Compare such values with `==`.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        plain = mend(str.__str__(value))  # str() of a user's own string enum is its member's name
        member = str.__new__(cls, plain)
        member._name_ = member._value_ = plain
        return member

    def __reduce_ex__(self, _: object) -> tuple[type[Self], tuple[str]]:
        # The first releases of Python 3.11 pickle by name, which fails for values yet to come.
        return type(self), (self.value,)

    __str__ = str.__str__  # `format` follows it

    if TYPE_CHECKING:
        # Declared, so that mypy rules out no value after a comparison: more are to come. `_FUTURE`
        # in each enum tells pyright; it has the text of another member, so that `value` is AWS's.
        def __eq__(self, other: object, /) -> bool: ...
        def __hash__(self) -> int: ...
    else:
        # In C, as pydantic asks for it while it writes JSON: what a signal's handler raises in
        # Python code there, such as KeyboardInterrupt, would become pydantic's own error.
        value = property(attrgetter("_value_"))

    @classmethod
    def __get_pydantic_json_schema__(cls, *_: object) -> dict[str, Any]:
        # JSON Schema's "enum" would refuse the values yet to come.
        return {"title": cls.__name__, "type": "string", "examples": [each.value for each in cls]}


class TargetStatus(_OpenEnum):
    """How far the deployment has come on one target."""

    PENDING = "Pending"
    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SKIPPED = "Skipped"
    UNKNOWN = "Unknown"
    READY = "Ready"
    if TYPE_CHECKING:
        _FUTURE = "Ready"


class LifecycleEventStatus(_OpenEnum):
    """How far one lifecycle event of a target has come."""

    PENDING = "Pending"
    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SKIPPED = "Skipped"
    UNKNOWN = "Unknown"
    if TYPE_CHECKING:
        _FUTURE = "Unknown"


class LifecycleErrorCode(_OpenEnum):
    """What became of the script that a lifecycle event runs."""

    SUCCESS = "Success"
    SCRIPT_MISSING = "ScriptMissing"
    SCRIPT_NOT_EXECUTABLE = "ScriptNotExecutable"
    SCRIPT_TIMED_OUT = "ScriptTimedOut"
    SCRIPT_FAILED = "ScriptFailed"
    UNKNOWN_ERROR = "UnknownError"
    if TYPE_CHECKING:
        _FUTURE = "UnknownError"


class TargetLabel(_OpenEnum):
    """The side of a blue/green deployment: original (Blue), replacement (Green)."""

    BLUE = "Blue"
    GREEN = "Green"
    if TYPE_CHECKING:
        _FUTURE = "Green"


class DeploymentStatus(_OpenEnum):
    """How far a deployment as a whole has come."""

    CREATED = "Created"
    QUEUED = "Queued"
    IN_PROGRESS = "InProgress"
    BAKING = "Baking"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    STOPPED = "Stopped"
    READY = "Ready"
    if TYPE_CHECKING:
        _FUTURE = "Ready"
