"""What a process imports, and its first use of the models, which pydantic may finish only then."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from typing import Any

import pytest
from pydantic import TypeAdapter
from support.processes import run_python

PROCESSES = 100 if os.environ.get("HYPOTHESIS_PROFILE") == "prove" else 3
THREADS = 12
SIGNATURES = """
import codedeploy_targets, inspect, pydoc
pydoc.render_doc(codedeploy_targets.InstanceTarget)
for each in vars(codedeploy_targets).values():
    fields = getattr(each, "model_fields", None)
    if fields and [*inspect.signature(each).parameters] == [*fields]:
        print(each.__name__)
"""
# One thread imports the package, and another one a part of it before the first has ended.
TWO_IMPORTS = """
import importlib, os, sys, threading
def pause(frame, event, _):
    if frame.f_code.co_filename.endswith(os.path.join("codedeploy_targets", "__init__.py")):
        if event == "line" and not second.ident:
            second.start()
            second.join(3)  # since Python 3.14, it waits for the first
        return pause
def first():
    sys.settrace(pause)
    import codedeploy_targets
second = threading.Thread(target=importlib.import_module, args=sys.argv[1:])
one = threading.Thread(target=first)
one.start(), one.join(), second.join()
"""
ENVELOPE = {"instanceTarget": {"targetId": "i-1", "lifecycleEvents": [{"status": "Failed"}]}}


def main() -> int:
    """Use the models; return how many threads failed."""
    import codedeploy_targets as library

    output = library.BatchGetDeploymentTargetsOutput
    targets: Any = library.DeploymentTarget
    uses: list[Any] = [
        lambda: TypeAdapter(targets).json_schema(),
        lambda: TypeAdapter(list[targets]).validate_json("[]"),
        lambda: library.InstanceTarget.model_construct(target_id="i-1").model_dump_json(),
        lambda: library.ECSTarget.model_validate({"target_id": "c:s", "task_sets_info": [{}]}),
        lambda: library.LifecycleEvent().model_dump(),
        lambda: output.from_boto3({"deploymentTargets": [ENVELOPE, {}]}).model_dump_json(),
        lambda: output.model_validate_json("{}"),
        lambda: library.UnknownTarget(raw=ENVELOPE).model_dump_json(),
    ]
    together = threading.Barrier(THREADS)
    failures: list[str] = []

    def use(number: int) -> None:
        together.wait()
        try:
            for each in uses[number % len(uses) :] + uses:
                each()
        except Exception:  # noqa: BLE001 - whatever it is, the test shows it
            failures.append(traceback.format_exc())

    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=use, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(*failures)
    return len(failures)


def test_twelve_threads_may_be_the_first_to_use_the_models() -> None:
    for _ in range(PROCESSES):
        assert run_python("-W", "error", __file__) == ""


def test_a_class_has_its_signature_before_its_first_use_and_after_a_reload() -> None:
    from support.models import MODELS  # not above, as `main` is the first to use them

    code = f"import importlib{SIGNATURES}importlib.reload(codedeploy_targets){SIGNATURES}"
    assert run_python("-c", code).split() == [cls.__name__ for cls in MODELS] * 2


@pytest.mark.parametrize("module", ["aio", "testing"])
def test_two_threads_may_import_the_library(module: str) -> None:
    pytest.importorskip(f"codedeploy_targets.{module}")
    assert run_python("-c", TWO_IMPORTS, f"codedeploy_targets.{module}") == ""


def test_an_import_of_the_library_brings_nothing_of_the_command_line() -> None:
    names = "'rich', 'argparse', 'codedeploy_targets._report', 'codedeploy_targets.__main__'"
    # As while Python imports a user's package for `python -m`.
    code = "import signal, sys; usual = signal.default_int_handler; signal.signal(2, usual); "
    code += "sys.argv[0] = '-m'; import codedeploy_targets; "
    code += f"print([n for n in ({names}) if n in sys.modules], signal.getsignal(2) is usual)"
    assert run_python("-c", code) == "[] True"


if __name__ == "__main__":
    sys.exit(main())
