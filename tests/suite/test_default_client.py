"""`DeploymentTargetsClient()` makes a client that honours all that botocore's own would."""

from __future__ import annotations

import gc
import gzip
import json
import os
from pathlib import Path
from typing import Any

import boto3
import botocore
import pytest
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.loaders import Loader
from botocore.session import Session
from moto.sts.responses import TokenResponse
from support.clients import got
from support.codedeploy import CodeDeploy
from support.endpoint import serve
from support.pages import ids
from support.processes import run_python
from support.service_model import write_model

from codedeploy_targets import DeploymentTargetsClient
from codedeploy_targets.__main__ import _IMPATIENT
from codedeploy_targets._default_client import default_client

MODEL = Path("codedeploy", "2014-10-06", "service-2.json")
CREATE = """
from codedeploy_targets import DeploymentTargetsClient
print(DeploymentTargetsClient().client.meta.service_model.metadata["serviceFullName"])
"""


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


def full_name(**environment: str) -> str:
    """Return the full name of CodeDeploy, in a process of its own: botocore reads HOME once."""
    return run_python("-c", CREATE, env={**os.environ, **environment})


def test_it_is_of_botocore_s_default_session(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(CodeDeploy()) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        client = DeploymentTargetsClient()
        assert client.client.meta.region_name == "eu-west-1"
        assert got(client.iter_deployment_targets(deploymentId="d-1", targetIds=ids(60))) == ids(60)
        client.client.close()


def test_botocore_s_slow_loader_reads_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.loaders.JSONFileLoader.load_file", pytest.fail)
    assert DeploymentTargetsClient(max_concurrency=1).client.meta.region_name == "eu-west-1"


@pytest.mark.parametrize("zipped", [True, False])
def test_a_model_in_aws_data_path_counts(tmp_path: Path, zipped: bool) -> None:  # noqa: FBT001
    path = Path(write_model(tmp_path / "data", full_name="Mine"), MODEL)
    if zipped:
        path.with_suffix(".json.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    paths = os.pathsep.join([str(tmp_path / "other"), str(tmp_path.parent), "$MODELS"])
    assert full_name(AWS_DATA_PATH=paths, MODELS=str(tmp_path / "data")) == "Mine"


def test_a_model_in_the_home_folder_counts(tmp_path: Path) -> None:
    assert full_name(HOME=str(tmp_path)) == "AWS CodeDeploy"  # botocore's own
    write_model(tmp_path / ".aws" / "models", full_name="At home")
    assert full_name(HOME=str(tmp_path)) == "At home"
    # Looking there fails, as in another user's folder, but for root, too: the name is too long.
    assert full_name(HOME=str(tmp_path / ("home" * 100))) == "AWS CodeDeploy"


def test_a_folder_of_extras_alone_hides_no_model(tmp_path: Path) -> None:
    # A user may add examples or waiters alone; the service's model is botocore's own then.
    extras = tmp_path / MODEL.parent / "service-2.sdk-extras.json"
    extras.parent.mkdir(parents=True)
    merged = {"merge": {"metadata": {"serviceFullName": "With extras"}}}
    extras.write_text(json.dumps(merged), encoding="utf-8")
    (tmp_path / "config").write_text(f"[default]\ndata_path = {tmp_path}\n", encoding="utf-8")
    assert full_name(AWS_CONFIG_FILE=str(tmp_path / "config")) == "With extras"


@pytest.mark.parametrize("is_on", [True, False])
def test_the_garbage_collector_rests_while_a_file_is_read(is_on: bool) -> None:  # noqa: FBT001
    collections = []

    def note(phase: str, _: object) -> None:
        collections.append(phase)

    if not is_on:
        gc.disable()
    loader: Any = DeploymentTargetsClient().client._loader.file_loader  # noqa: SLF001
    gc.collect()
    gc.callbacks.append(note)
    try:
        assert "partitions" in loader.load_file(
            str(Path(botocore.__file__).with_name("data") / "endpoints")
        )
        assert (len(collections) <= 2, gc.isenabled()) == (True, is_on)
    finally:
        gc.callbacks.remove(note)
        gc.enable()


@pytest.mark.parametrize(("config", "timeouts"), [(None, (60, 60)), (_IMPATIENT, (3, 5))])
def test_a_profile_may_assume_a_role(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moto_url: str, config: Any, timeouts: Any
) -> None:
    profiles = tmp_path / "config"
    profiles.write_text(
        "[profile base]\naws_access_key_id = testing\naws_secret_access_key = testing\n"
        "[profile reader]\nsource_profile = base\nregion = eu-west-1\n"
        "role_arn = arn:aws:iam::111111111111:role/reader\n",
        encoding="utf-8",
    )
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(profiles))
    monkeypatch.setenv("AWS_PROFILE", "reader")
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    assumed = []
    assume_role = TokenResponse.assume_role

    def noted(response: Any) -> Any:
        assumed.append(response._get_param("RoleArn"))  # noqa: SLF001
        return assume_role(response)

    def noted_client(*args: Any, **kwargs: Any) -> Any:
        made.append(create_client(*args, **kwargs))
        return made[-1]

    made, create_client = list[Any](), Session.create_client
    monkeypatch.setattr(Session, "create_client", noted_client)
    monkeypatch.setattr(TokenResponse, "assume_role", noted)
    client = default_client(config=config) if config else DeploymentTargetsClient().client
    assert len(assumed) == bool(config)
    assert client.list_applications()["applications"] == []
    assert client.meta.region_name == "eu-west-1"
    assert assumed == ["arn:aws:iam::111111111111:role/reader"]
    configs = [each.meta.config for each in made]
    # The client for STS has the same timeouts as the one for CodeDeploy.
    assert [(each.connect_timeout, each.read_timeout) for each in configs] == [timeouts] * 2
    # So a call that hangs ends in time.
    assert not config or configs[-1].retries["total_max_attempts"] == 3
    client.close()


def test_it_reads_what_botocore_reads_and_leaves_its_loader_alone() -> None:
    ours: Any = DeploymentTargetsClient().client
    theirs: Any = Session().create_client("codedeploy")
    codedeploy: Any = boto3.client("codedeploy")
    assert type(codedeploy._loader) is type(theirs._loader) is Loader  # noqa: SLF001
    loaders = (ours._loader, theirs._loader)  # noqa: SLF001
    for name in ("endpoints", "partitions", "_retry", "sdk-default-configuration"):
        assert loaders[0].load_data(name) == loaders[1].load_data(name)
    for name in ("service-2", "paginators-1", "waiters-2", "endpoint-rule-set-1"):
        read = [loader.load_service_model("codedeploy", name) for loader in loaders]
        assert read[0] == read[1]
    with pytest.raises(UnknownServiceError, match="no-such"):
        loaders[0].load_service_model("no-such", "service-2")
    with pytest.raises(DataNotFoundError):
        loaders[0].load_data("no-such")


@pytest.mark.parametrize(("limit", "error"), [(0, ValueError), (1.5, TypeError)])
def test_a_wrong_max_concurrency_is_told_before_a_client_is_made(
    monkeypatch: pytest.MonkeyPatch, limit: Any, error: type[Exception]
) -> None:
    monkeypatch.setattr("codedeploy_targets._client.default_client", pytest.fail)
    with pytest.raises(error):
        DeploymentTargetsClient(max_concurrency=limit)
