"""Other service models of CodeDeploy than botocore's own, as a newer botocore has them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import botocore.session


def write_model(
    data_path: Path, protocols: Sequence[str] = (), full_name: str = "", **members: dict[str, Any]
) -> str:
    """Write botocore's model with what is given (None drops a member); return `data_path`."""
    loader: Any = botocore.session.Session().get_component("data_loader")
    model = loader.load_service_model("codedeploy", "service-2")
    if protocols:
        model["metadata"] |= {"protocol": protocols[0], "protocols": protocols}
    if full_name:
        model["metadata"]["serviceFullName"] = full_name
    for name, shapes in members.items():
        structure = model["shapes"].setdefault(name, {"type": "structure", "members": {}})
        changed = {member: shape and {"shape": shape} for member, shape in shapes.items()}
        all_members = structure["members"] | changed
        structure["members"] = {member: each for member, each in all_members.items() if each}
    folder = data_path / "codedeploy" / "2014-10-06"
    folder.mkdir(parents=True)
    (folder / "service-2.json").write_text(json.dumps(model), encoding="utf-8")
    return str(data_path)
