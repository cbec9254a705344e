"""Change here: who counts as an observer of a call, and what observers see of an answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import FunctionType, MethodType
from typing import Any

from botocore.history import get_global_history_recorder
from botocore.parsers import ResponseParser

from ._answers import Output, read_targets
from ._models import AWS_MEMBERS, UnknownTarget


def show(output: Output, client: Any, response: Any, customized: Any) -> Callable[[Any], Output]:
    """Leave botocore no body to parse; return the reader of the dict that it returns.

    That is boto3's if somebody observes the client: botocore merges `customized` into its result.
    """
    parser = _parser_of(client)
    if parser is None:
        return _reader_of(output, output.to_boto3)
    # botocore logs what it parses.
    logging.getLogger("botocore.parsers").debug("Response body:\n%r", response["body"])
    body, response["body"] = response["body"], b""
    if "deploymentTargets" in customized:  # by a handler of the user's
        return read_targets
    if not _is_observed(client):
        return lambda _: output
    shape = client.meta.service_model.operation_model("BatchGetDeploymentTargets").output_shape
    parse = partial(parser._handle_json_body, body, shape)
    write = output.to_boto3 if _is_written_alike(parser, shape) else parse
    customized.update(write())
    return _reader_of(output, write, [*customized.get("deploymentTargets", [])])


def _reader_of(
    output: Output, write: Callable[[], Any], envelopes: Iterable[Any] = ()
) -> Callable[[Any], Output]:
    """Return a reader of the dict that `write` makes of an output, though it may be edited.

    boto3's dict has no place for an unknown target's payload, so all unknown targets look alike:
    an envelope's identity tells which it was, or its place, if there are as many.
    """
    targets = output.deployment_targets
    has_unknown = any(isinstance(target, UnknownTarget) for target in targets)

    def read(response: Any) -> Output:
        # A wrapper may forget its `return`: `read_targets` refuses that.
        given = response.get("deploymentTargets") if isinstance(response, Mapping) else None
        written = write().get("deploymentTargets", [])
        are_same = not has_unknown or [*map(id, given or [])] == [*map(id, envelopes)]
        if given and given == written and are_same:
            return output
        edited, remaining = read_targets(response), given or []
        pairs = [*zip(targets, written, strict=False)]
        originals = dict(zip(map(id, envelopes), pairs, strict=False))
        if len(remaining) == len(pairs):
            originals = dict(zip(map(id, remaining), pairs, strict=True)) | originals
        for index, envelope in enumerate(remaining):
            target, unedited = originals.get(id(envelope), (None, None))
            if target is not None and envelope == unedited:
                edited.deployment_targets[index] = target
        return edited

    return read


def _parser_of(client: Any) -> Any:
    """Return the parser of the client's answers, or None if it is not botocore's own."""
    factory = client._endpoint._response_parser_factory
    if not _is_botocores(getattr(type(factory), "create_parser", None)):
        return None
    parser = factory.create_parser("json")
    names = "parse", "_do_parse", "_handle_json_body", "_parse_body_as_json"
    functions = [parser, ResponseParser.parse, *(getattr(parser, name, None) for name in names)]
    # Datadog's wrapper looks at no answer.
    is_own = all(_is_botocores(each) or _is_datadogs(each) for each in functions)
    return parser if is_own else None


def _is_written_alike(parser: Any, shape: Any) -> bool:
    """Tell whether `to_boto3` writes what the parser makes of a shape.

    It does not if botocore's service model is newer, or if the user has set how times are parsed.
    """
    shapes = [shape]
    for each in shapes:
        members = getattr(each, "members", {})
        if not members.keys() <= AWS_MEMBERS.get(each.name, set()):
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
