"""Change here: how lenient the library is with the service's answers, bytes or dicts to models.

Almost every answer takes the fast pass: pydantic validates it in one go. An answer that the
fast pass refuses, or that has an unknown type or no payload, takes the lenient pass, in Python.
Only what is not JSON (NotJSONError) is worth another attempt.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ._models import AWS_NAMES, TARGET_BY_MEMBER, ResponseMetadata, UnknownTarget
from ._models import BatchGetDeploymentTargetsOutput as Output

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._models import DeploymentTarget, KnownTarget

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_TARGET_BY_LABEL = {cls.__name__: cls for cls in TARGET_BY_MEMBER.values()} | TARGET_BY_MEMBER


class UnreadableError(ValueError):
    """The answer is not of the operation's shape; the text tells where, and shows no value."""


class NotJSONError(UnreadableError):
    """The answer is not JSON, or was cut short: another attempt may bring it whole."""


def read_body(body: bytes) -> Output:
    """Read the body of a response in AWS JSON."""
    return _read_fast(Output.model_validate_json, body) or _read_leniently(_load(body))


def read_dict(response: Any) -> Output:
    """Read the dict that botocore made of a response, or that a stub or a mock made up."""
    return _read_fast(Output.model_validate, response) or _read_leniently(_mend(response))


def read_metadata(response: Any) -> ResponseMetadata:
    """Read botocore's ResponseMetadata; of a stub or a mock, values of a wrong type are dropped."""
    told = response.get("ResponseMetadata") if isinstance(response, dict) else None
    told = told if isinstance(told, dict) else {}
    headers, request_id = told.get("HTTPHeaders"), told.get("RequestId")
    status, retries = told.get("HTTPStatusCode"), told.get("RetryAttempts")
    headers = headers if isinstance(headers, dict) else {}
    return ResponseMetadata(
        request_id=None if request_id is None else str(request_id),
        http_status_code=status if type(status) is int else None,
        http_headers={str(name): str(value) for name, value in headers.items()},
        retry_attempts=retries if type(retries) is int else 0,
    )


def read_answer(answer: Any) -> Output:
    """Read boto3's dict, or the text that AWS's CLI prints, for `from_boto3`."""
    if isinstance(answer, bytes):
        answer = answer.decode(json.detect_encoding(answer), errors="replace")
    if isinstance(answer, str):
        answer = _load(answer.removeprefix("\ufeff"))
    if not isinstance(answer, dict) or answer.get("deploymentTargets") is None:
        raise UnreadableError("expected boto3's dict, or the CLI's JSON, with deploymentTargets")
    output = read_dict(answer)
    calls = [read_metadata(answer)] if "ResponseMetadata" in answer else []
    return output.model_copy(update={"response_metadata": calls})


def read_envelope(envelope: Any, cls: type[Any]) -> Any:
    """Read one item of `deploymentTargets` that holds a target of a class, for `from_boto3`."""
    target = _read_target(_mend(envelope), "the envelope")
    # Without a type, and without a payload that tells it, any object would be an unknown target.
    untold = isinstance(target, UnknownTarget) and target.raw_type is None
    if untold or not isinstance(target, cls):
        raise UnreadableError(f"expected the envelope of one {cls.__name__}")
    return target


def check_body(operation: str, body: bytes) -> None:
    """Check a listing, or GetDeployment's answer: botocore would read a cut one as an empty one."""
    answer = _load(body, errors="strict")  # botocore decodes these bytes next, strictly
    if not isinstance(answer, dict):
        raise UnreadableError("it is no object")
    if operation == "GetDeployment":
        deployment = answer.get("deploymentInfo")
        if not isinstance(deployment, dict) or not isinstance(deployment.get("status"), str):
            raise UnreadableError("it is no deployment with a status")
        return
    if "targetIds" not in answer:
        _refuse_error(answer)
    ids, token = answer.get("targetIds", []), answer.get("nextToken", "")
    if not isinstance(ids, list) or not all(isinstance(text, str) for text in [*ids, token]):
        raise UnreadableError("it is no list of target ids")


def _read_fast(validate: Callable[..., Any], answer: Any) -> Output | None:
    try:
        output: Output = validate(answer, **AWS_NAMES)
    except ValidationError:
        return None
    odd = not output.model_fields_set or any(map(_is_odd, output.deployment_targets))
    return None if odd else output


def _is_odd(target: DeploymentTarget) -> bool:
    # With only the type set, the payload was absent or empty: the lenient pass can tell.
    return type(target) is UnknownTarget or len(target.model_fields_set) == 1


def _load(text: str | bytes, errors: str = "replace") -> Any:
    # Not pydantic's parser: it refuses lone surrogates.
    try:
        decoded = text if isinstance(text, str) else text.decode(errors=errors)
        return _mend(json.loads(decoded, parse_constant=_finite, parse_float=_finite))
    except ValueError:
        raise NotJSONError("it is not JSON, or was cut short") from None
    except RecursionError:
        raise UnreadableError("it is nested too deeply") from None


def _finite(number: str) -> float:
    if not math.isfinite(float(number)):  # JSON has no infinity and no NaN
        raise ValueError(number)
    return float(number)


def _refuse_error(answer: dict[str, Any]) -> None:
    """Refuse the text of an error, of the service's or a proxy's, under a status of success."""
    if answer.keys() & {"__type", "message", "Message", "error"}:
        raise UnreadableError("it is an error")


def _mend(value: Any) -> Any:
    """Drop null members, and put U+FFFD in the place of each lone surrogate."""
    if isinstance(value, dict):
        return {_mend(key): _mend(member) for key, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_mend(item) for item in value]
    return _LONE_SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value


def _read_leniently(response: Any) -> Output:
    if not isinstance(response, dict):
        raise UnreadableError("it is no object")
    envelopes = response.get("deploymentTargets")
    if envelopes is None:
        _refuse_error(response)
        return Output()
    if not isinstance(envelopes, list):
        raise UnreadableError("deploymentTargets is no list")
    targets = [_read_target(item, f"deploymentTargets[{n}]") for n, item in enumerate(envelopes)]
    return Output(deployment_targets=targets)


def _read_target(envelope: Any, place: str) -> DeploymentTarget:
    if not isinstance(envelope, dict):
        raise UnreadableError(f"{place} is no object")
    label = envelope.get("deploymentTargetType")
    if not isinstance(label, (str, type(None))):
        raise UnreadableError(f"{place}.deploymentTargetType is no string")
    cls = _class_of(envelope, label)
    if cls is None:
        # What botocore parsed may hold times, which are text in JSON.
        return UnknownTarget(raw=json.loads(json.dumps(envelope, default=str, skipkeys=True)))
    payload = envelope.get(cls.MEMBER)
    if not isinstance(payload, (dict, type(None))):
        raise UnreadableError(f"{place}.{cls.MEMBER} is no object")
    given = {"deploymentTargetType": cls.__name__} if payload is None else {cls.MEMBER: payload}
    try:
        return cls.model_validate(given, **AWS_NAMES)
    except ValidationError as error:
        # pydantic appends `datetime`, the branch of the union that it tried.
        where = [str(part) for part in error.errors()[0]["loc"] if part != "datetime"]
        raise UnreadableError(f"{place}.{'.'.join(where)} is not as expected") from None


def _class_of(envelope: dict[str, Any], label: str | None) -> type[KnownTarget] | None:
    """Return the model for an envelope, or `None` for a type that the library does not know.

    AWS's documentation has types in camelCase, and puts Lambda functions under `instanceTarget`.
    If the payload that the label names is absent, the payload that is present decides.
    """
    if label is not None and label not in _TARGET_BY_LABEL:
        return None
    named = _TARGET_BY_LABEL.get(label or "")
    held = [cls for member, cls in TARGET_BY_MEMBER.items() if envelope.get(member) is not None]
    return held[0] if held and named not in held else named
