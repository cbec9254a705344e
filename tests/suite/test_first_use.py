"""A process's first use of the models in twelve threads at once: pydantic may finish them then."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import traceback
from typing import Any

PROCESSES = 100 if os.environ.get("HYPOTHESIS_PROFILE") == "prove" else 3
THREADS = 12
ENVELOPE = {"instanceTarget": {"targetId": "i-1", "lifecycleEvents": [{"status": "Failed"}]}}


def main() -> int:
    """Use the models; return how many threads failed."""
    from pydantic import TypeAdapter

    from codedeploy_targets import (
        BatchGetDeploymentTargetsOutput,
        DeploymentTarget,
        ECSTarget,
        InstanceTarget,
        LifecycleEvent,
        UnknownTarget,
    )

    output = BatchGetDeploymentTargetsOutput
    target = InstanceTarget.model_construct(target_id="i-1")
    uses: list[Any] = [
        lambda: TypeAdapter(DeploymentTarget).json_schema(),
        lambda: TypeAdapter(list[DeploymentTarget]).validate_python([target]),
        lambda: target.model_dump_json(),
        lambda: ECSTarget.model_validate({"target_id": "c:s", "task_sets_info": [{}]}),
        lambda: LifecycleEvent(start_time="2019-01-01T12:30:00Z").model_dump_json(),
        lambda: output.from_boto3({"deploymentTargets": [ENVELOPE, {}]}).model_dump_json(),
        lambda: output.model_validate_json("{}").model_dump(),
        lambda: UnknownTarget(raw=ENVELOPE).model_dump_json(),
    ]
    together = threading.Barrier(THREADS)
    failures: list[str] = []

    def use(number: int) -> None:
        together.wait()
        try:
            for turn in range(len(uses)):
                uses[(number + turn) % len(uses)]()
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
        command = [sys.executable, "-W", "error", __file__]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
        assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


if __name__ == "__main__":
    sys.exit(main())
