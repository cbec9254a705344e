"""Change here: who counts as an observer of a call, and what observers see of an answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import FunctionType, MethodType
from typing import Any

from botocore.history import get_global_history_recorder

from ._answers import Output, read_targets
from ._models import AWS_MEMBERS, read_envelope

_Reader = Callable[[Any], Output]  # of the dict that botocore returns
_logger = logging.getLogger("botocore.parsers")


def take_body(output: Output, client: Any, response: Any, customized: Any) -> _Reader:
    """Take the body from botocore's parser; return what reads the dict that botocore returns then.

    That dict is boto3's if somebody observes the client: botocore merges `customized` into it. A
    parser that is not botocore's own keeps the body.
    """
    parser = _parser_of(client)
    if parser is None:
        return _reader_of(output, output.to_boto3().get("deploymentTargets", []))
    # botocore logs what it parses.
    _logger.debug("Response body:\n%r", response["body"])
    body, response["body"] = response["body"], b""
    if not _is_observed(client):
        return lambda _: output
    shape = client.meta.service_model.operation_model("BatchGetDeploymentTargets").output_shape
    shown = output.to_boto3()
    if not _is_written_alike(parser, shape):
        with suppress(Exception):  # botocore cannot parse all that the library can read
            shown = parser._handle_json_body(body, shape)
    customized.update(shown)
    return _reader_of(output, shown.get("deploymentTargets", []))


def _reader_of(output: Output, shown: list[Any]) -> _Reader:
    """Return a reader of the dict that was shown of an output, and may have been edited since.

    boto3's dict has no place for the payload of a type that AWS's model lacks, so such targets look
    alike: an envelope's identity tells which it was, or its place, if there are as many.
    """
    envelopes = [*shown]  # kept alive, as a new dict may get the `id()` of one that is gone
    # Copied now, as handlers edit in place.
    pairs: list[Any] = [*zip(output.deployment_targets, _copy(shown), strict=False)]

    def read(response: Any) -> Output:
        # A wrapper may forget its `return`: `read_targets` refuses that.
        given = response.get("deploymentTargets") if isinstance(response, Mapping) else None
        if not given or not isinstance(given, (list, tuple)):
            return read_targets(response)
        originals = dict(zip(map(id, envelopes), pairs, strict=False))
        if len(given) == len(pairs):
            originals = dict(zip(map(id, given), pairs, strict=True)) | originals
        targets = []
        for index, envelope in enumerate(given):
            target, unedited = originals.get(id(envelope), (None, None))
            if target is None or envelope != unedited:
                target = read_envelope(envelope, f"deploymentTargets[{index}]")
            targets.append(target)
        return Output.model_construct(deployment_targets=targets)

    return read


def _copy(value: Any) -> Any:
    # Many times as quick as copy.deepcopy.
    if type(value) is dict:
        return {name: _copy(each) for name, each in value.items()}
    return [*map(_copy, value)] if type(value) is list else value


def _parser_of(client: Any) -> Any:
    """Return the parser of the client's answers, or None if it is not botocore's own."""
    factory = client._endpoint._response_parser_factory
    if not _is_botocores(getattr(type(factory), "create_parser", None)):
        return None
    parser = factory.create_parser("json")
    names = "parse", "_do_parse", "_handle_json_body", "_parse_body_as_json"
    functions = [parser, *(getattr(parser, name, None) for name in names)]
    # Datadog's wrapper looks at no answer.
    is_own = all(_is_botocores(each) or _is_datadogs(each) for each in functions)
    return parser if is_own else None


def _is_written_alike(parser: Any, shape: Any) -> bool:
    """Tell whether `to_boto3` writes what the parser makes of a shape.

    It does not if the service model has other members than the models, as a newer botocore's may
    have, or if the user has set how times are parsed.
    """
    shapes = [shape]
    for each in shapes:
        members = getattr(each, "members", {})
        if members.keys() != AWS_MEMBERS.get(each.name, set()):
            return False
        shapes += [*members.values(), *filter(None, [getattr(each, "member", None)])]
    names = "_timestamp_parser", "_handle_timestamp"
    return all(_is_botocores(getattr(parser, name, None)) for name in names)


def _is_observed(client: Any) -> bool:
    """Tell whether somebody looks at what botocore parses. Nobody does for most calls."""
    cls, endpoint, events = type(client), type(client._endpoint), client.meta.events
    try:
        # Tracers, caches and subclasses wrap these methods.
        functions = [cls.batch_get_deployment_targets, cls._make_api_call, cls._make_request]
        functions += [endpoint.make_request, endpoint._send_request, endpoint._get_response]
        functions += [endpoint._do_get_response, endpoint._needs_retry]
        functions += [events.emit, events._emitter.emit, events._emitter._emit]
        functions.append(client._endpoint._event_emitter.emit)  # the same, if nobody replaced it
        for event in ("response-received", "needs-retry", "after-call"):
            name = f"{event}.codedeploy.BatchGetDeploymentTargets"
            functions += events._emitter._handlers.prefix_search(name)
    except AttributeError:  # if one cannot tell, somebody looks
        return True
    is_recorded = getattr(get_global_history_recorder(), "_enabled", True)
    return is_recorded or not all(map(_is_botocores, functions))


def _is_botocores(function: Any) -> bool:
    # By the type, as wrapt's wrappers claim the class of what they wrap; by the globals, as
    # decorators copy `__module__`.
    function = function.__func__ if type(function) is MethodType else function
    is_plain = type(function) is FunctionType
    module = function.__globals__.get("__name__") if is_plain else type(function).__module__
    return str(module).startswith(("botocore.", "aiobotocore."))


def _is_datadogs(function: Any) -> bool:
    wrapper = getattr(function, "_self_wrapper", None)
    return str(getattr(wrapper, "__module__", None)).startswith("ddtrace.")
