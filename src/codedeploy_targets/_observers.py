"""Change here: who counts as an observer of a call, and what observers see of an answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType, MethodType
from typing import Any

from botocore.history import get_global_history_recorder
from botocore.parsers import ResponseParser

from ._answers import Output, read_targets
from ._models import UnknownTarget


def show(output: Output, client: Any, response: Any, customized: Any) -> Callable[[Any], Output]:
    """Leave botocore no body to parse; return the reader of the dict that it returns.

    That is boto3's if somebody observes the client: botocore merges `customized` into its result.
    """
    if _has_own_parser(client):
        return _reader_of(output)
    # botocore logs what it parses.
    logging.getLogger("botocore.parsers").debug("Response body:\n%r", response["body"])
    response["body"] = b""
    if "deploymentTargets" in customized:  # by a handler of the user's
        return read_targets
    if not _is_observed(client):
        return lambda _: output
    customized.update(output.to_boto3())
    return _reader_of(output, [*customized.get("deploymentTargets", [])])


def _reader_of(output: Output, envelopes: Iterable[Any] = ()) -> Callable[[Any], Output]:
    """Return a reader of boto3's dict of an output, which may have been edited since.

    boto3's dict has no place for an unknown target's payload, so all unknown targets look alike:
    an envelope's identity tells which it was, or its place, if there are as many.
    """
    targets = output.deployment_targets
    has_unknown = any(isinstance(target, UnknownTarget) for target in targets)

    def read(response: Any) -> Output:
        # A wrapper may forget its `return`: `read_targets` refuses that.
        given = response.get("deploymentTargets") if isinstance(response, Mapping) else None
        if given and not has_unknown and given == [each.to_boto3() for each in targets]:
            return output
        edited, remaining = read_targets(response), given or []
        originals = dict(zip(map(id, envelopes), targets, strict=False))
        if len(remaining) == len(targets):
            originals = dict(zip(map(id, remaining), targets, strict=True)) | originals
        for index, envelope in enumerate(remaining):
            original = originals.get(id(envelope))
            if isinstance(original, UnknownTarget) and original.to_boto3() == envelope:
                edited.deployment_targets[index] = original
        return edited

    return read


def _has_own_parser(client: Any) -> bool:
    """Tell whether another parser than botocore's own reads the client's answers."""
    factory = client._endpoint._response_parser_factory
    if not _is_botocores(getattr(type(factory), "create_parser", None)):
        return True
    parser = factory.create_parser("json")
    names = "parse", "_do_parse", "_handle_json_body", "_parse_body_as_json"
    functions = [ResponseParser.parse, *(getattr(parser, name, None) for name in names)]
    # Datadog's wrapper looks at no answer.
    return not all(_is_botocores(each) or _is_datadogs(each) for each in functions)


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
