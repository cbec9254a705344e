"""Change here: how lenient the library is with JSON: bytes, text, lone surrogates and nulls."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any


class UnreadableError(ValueError):
    """What came is not of AWS's shape; the text tells where, and shows no value."""


class NotJSONError(UnreadableError):
    """It is not JSON, or was cut short: another attempt may bring it whole."""


def load(answer: Any) -> Any:
    """Parse an answer, unless it is parsed already."""
    try:
        if isinstance(answer, bytes):
            answer = answer.decode(errors="replace")
        if isinstance(answer, str):
            answer = json.loads(answer)  # not by pydantic, which refuses lone surrogates
            json.dumps(answer, allow_nan=False)  # Python reads infinity and NaN, which are no JSON
    except ValueError:
        raise NotJSONError("it is not JSON, or was cut short") from None
    except RecursionError:
        raise UnreadableError("it is nested too deeply") from None
    return answer


def load_cli(answer: Any) -> Any:
    """Parse what AWS's CLI printed, whatever its encoding; leave boto3's dict as it is."""
    if isinstance(answer, bytes):  # which PowerShell writes as UTF-16
        answer = answer.decode(json.detect_encoding(answer), errors="replace")
    try:
        return load(answer.removeprefix("\ufeff")) if isinstance(answer, str) else answer
    except UnreadableError as error:
        raise UnreadableError(f"expected boto3's dict or the CLI's JSON, but {error}") from None


def mend(value: Any, levels: int = 190) -> Any:
    """Return a value as JSON can hold it: in dicts and lists, with U+FFFD for lone surrogates."""
    if levels < 0:  # pydantic writes no JSON that has more than some 200 levels
        raise UnreadableError("it is nested too deeply")
    if isinstance(value, Mapping):
        return {_mend_text(key): mend(each, levels - 1) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [mend(item, levels - 1) for item in value]
    return _mend_text(value)


def _mend_text(value: Any) -> Any:
    is_plain = not isinstance(value, str) or value.isascii()
    return value if is_plain else re.sub("[\ud800-\udfff]", "\ufffd", value)


def drop_nulls(value: Any) -> Any:
    """Return a value without the members that are null: AWS means the same by their absence."""
    if isinstance(value, dict):
        return {key: drop_nulls(each) for key, each in value.items() if each is not None}
    return [drop_nulls(item) for item in value] if isinstance(value, list) else value


def check_members(value: Any, place: str, known: Iterable[str], complaint: str) -> None:
    """Refuse what is no object, or has members of which none is known, such as an error's JSON."""
    if not isinstance(value, dict):
        raise UnreadableError(f"{place} is no object")
    given = {name for name, each in value.items() if each is not None}
    # botocore adds ResponseMetadata. A known member counts, even if it is null.
    if given - {"ResponseMetadata"} and not value.keys() & {*known}:
        raise UnreadableError(f"{place} has {complaint}")
