"""`DeploymentTargetsClient()` makes a client that honours all that botocore's own would."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore
import pytest
from botocore.loaders import Loader
from botocore.session import Session
from moto.server import ThreadedMotoServer
from moto.sts.responses import TokenResponse

from codedeploy_targets import DeploymentTargetsClient

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = Path("codedeploy", "2014-10-06", "service-2")
CREATE = """
from codedeploy_targets import DeploymentTargetsClient
print(DeploymentTargetsClient().client.meta.service_model.metadata["serviceFullName"])
"""


def write_model(folder: Path, name: str, *, zipped: bool) -> None:
    """Write botocore's own model of CodeDeploy into a folder, with another full name."""
    model = Loader().load_service_model("codedeploy", "service-2")
    model = {**model, "metadata": {**model["metadata"], "serviceFullName": name}}
    path = folder / MODEL
    path.parent.mkdir(parents=True)
    text = json.dumps(model).encode()
    if zipped:
        path.with_suffix(".json.gz").write_bytes(gzip.compress(text))
    else:
        path.with_suffix(".json").write_bytes(text)


def full_name(**environment: str) -> str:
    """Return the full name of CodeDeploy, in a process of its own: botocore reads HOME once."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    settings = {"AWS_DEFAULT_REGION": "us-east-1", "PYTHONPATH": ":".join(sys.path)}
    return subprocess.check_output(  # noqa: S603
        [sys.executable, "-c", CREATE], env=kept | settings | environment, text=True
    ).strip()


def test_botocore_s_slow_loader_reads_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr("botocore.loaders.JSONFileLoader.load_file", pytest.fail)
    assert DeploymentTargetsClient().client.meta.region_name == "us-east-1"


@pytest.mark.parametrize("zipped", [True, False])
def test_a_model_in_aws_data_path_counts(tmp_path: Path, zipped: bool) -> None:  # noqa: FBT001
    write_model(tmp_path / "data", "Mine", zipped=zipped)
    other = str(tmp_path / "other")
    assert (
        full_name(AWS_DATA_PATH=os.pathsep.join([other, "$MODELS"]), MODELS=str(tmp_path / "data"))
        == "Mine"
    )


def test_a_model_in_the_home_folder_counts(tmp_path: Path) -> None:
    write_model(tmp_path / ".aws" / "models", "At home", zipped=False)
    assert full_name(HOME=str(tmp_path)) == "At home"


def test_without_either_it_is_botocore_s_own(tmp_path: Path) -> None:
    assert full_name(HOME=str(tmp_path)) == "AWS CodeDeploy"


def test_a_home_folder_that_cannot_be_looked_into_has_no_model(tmp_path: Path) -> None:
    # A name that is too long fails in any user's process, as another user's folder does in most.
    assert full_name(HOME=str(tmp_path / ("home" * 100))) == "AWS CodeDeploy"


def test_a_folder_for_another_type_of_file_is_no_service(tmp_path: Path) -> None:
    # A user may add examples or waiters alone; the service's model is botocore's own then.
    folder = tmp_path / MODEL.parent
    folder.mkdir(parents=True)
    (folder / "service-2.sdk-extras.json").write_text(
        json.dumps({"merge": {"metadata": {"serviceFullName": "With extras"}}}), encoding="utf-8"
    )
    assert full_name(AWS_DATA_PATH=str(tmp_path)) == "With extras"


@pytest.fixture
def server() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


def test_a_profile_may_assume_a_role(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile base]\naws_access_key_id = testing\naws_secret_access_key = testing\n"
        "[profile reader]\nsource_profile = base\nregion = eu-west-1\n"
        "role_arn = arn:aws:iam::111111111111:role/reader\n",
        encoding="utf-8",
    )
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "reader")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    assumed = []
    assume_role = TokenResponse.assume_role

    def noted(response: Any) -> Any:
        assumed.append(response._get_param("RoleArn"))  # noqa: SLF001
        return assume_role(response)

    monkeypatch.setattr(TokenResponse, "assume_role", noted)
    client = DeploymentTargetsClient()
    assert client.client.list_applications()["applications"] == []
    assert client.client.meta.region_name == "eu-west-1"
    assert assumed == ["arn:aws:iam::111111111111:role/reader"]
    client.client.close()


def test_boto3_s_own_clients_keep_botocore_s_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    DeploymentTargetsClient()
    codedeploy: Any = boto3.client("codedeploy")
    assert type(codedeploy._loader) is Loader  # noqa: SLF001
    assert type(Session().get_component("data_loader")) is Loader


def test_it_reads_what_botocore_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    ours: Any = DeploymentTargetsClient().client
    theirs: Any = Session().create_client("codedeploy")
    loaders = (ours._loader, theirs._loader)  # noqa: SLF001
    for name in ("endpoints", "partitions", "_retry", "sdk-default-configuration"):
        assert loaders[0].load_data(name) == loaders[1].load_data(name)
    for name in ("service-2", "paginators-1", "waiters-2", "endpoint-rule-set-1"):
        read = [loader.load_service_model("codedeploy", name) for loader in loaders]
        assert read[0] == read[1]
    with pytest.raises(botocore.exceptions.UnknownServiceError, match="no-such"):
        loaders[0].load_service_model("no-such", "service-2")
    with pytest.raises(botocore.exceptions.DataNotFoundError):
        loaders[0].load_data("no-such")
