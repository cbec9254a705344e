"""Other service models of CodeDeploy than botocore's own, as a newer botocore has them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import botocore.session

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def write_model(
    data_path: Path, protocols: Sequence[str] = (), members: dict[str, Any] | None = None
) -> str:
    """Write botocore's model with other protocols or members; return `data_path`.

    `members` has those of a structure, which may be a new one, with the names of their shapes; None
    is for a member that it does not have.
    """
    loader: Any = botocore.session.Session().get_component("data_loader")
    model = loader.load_service_model("codedeploy", "service-2")
    if protocols:
        model["metadata"] |= {"protocol": protocols[0], "protocols": protocols}
    for name, shapes in (members or {}).items():
        structure = model["shapes"].setdefault(name, {"type": "structure", "members": {}})
        for member, shape in shapes.items():
            structure["members"].pop(member, None)
            if shape:
                structure["members"][member] = {"shape": shape}
    folder = data_path / "codedeploy" / "2014-10-06"
    folder.mkdir(parents=True)
    (folder / "service-2.json").write_text(json.dumps(model), encoding="utf-8")
    return str(data_path)
