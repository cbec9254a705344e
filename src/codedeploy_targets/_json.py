"""Change here: how lenient the library is with JSON: bytes, text, lone surrogates and nulls."""

from __future__ import annotations

import json
import math
import re
from typing import Any

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class UnreadableError(ValueError):
    """What came is not of AWS's shape; the text tells where, and shows no value."""


class NotJSONError(UnreadableError):
    """It is not JSON, or was cut short: another attempt may bring it whole."""


def load(text: str | bytes, errors: str = "replace") -> Any:
    """Parse JSON; U+FFFD takes the place of lone surrogates, and of bytes that are not UTF-8."""
    # Not pydantic's parser: it refuses lone surrogates.
    try:
        decoded = text if isinstance(text, str) else text.decode(errors=errors)
        return mend(json.loads(decoded, parse_constant=_finite, parse_float=_finite))
    except ValueError:
        raise NotJSONError("it is not JSON, or was cut short") from None
    except RecursionError:
        raise UnreadableError("it is nested too deeply") from None


def load_answer(answer: Any) -> Any:
    """Parse an answer that is text, as AWS's CLI prints it; others are returned as they are."""
    if isinstance(answer, bytes):  # UTF-16, where PowerShell wrote the file
        answer = answer.decode(json.detect_encoding(answer), errors="replace")
    return load(answer.removeprefix("\ufeff")) if isinstance(answer, str) else answer


def _finite(number: str) -> float:
    if not math.isfinite(float(number)):  # JSON has no infinity and no NaN
        raise ValueError(number)
    return float(number)


def mend(value: Any) -> Any:
    """Return a value with U+FFFD in the place of each lone surrogate, and lists for tuples."""
    if isinstance(value, dict):
        return {mend(key): mend(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [mend(item) for item in value]
    return _LONE_SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value


def drop_nulls(value: Any) -> Any:
    """Return a value without the members that are null: AWS means the same by their absence."""
    if isinstance(value, dict):
        return {key: drop_nulls(each) for key, each in value.items() if each is not None}
    return [drop_nulls(item) for item in value] if isinstance(value, list) else value
