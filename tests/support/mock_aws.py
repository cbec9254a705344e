"""Deployments that moto has, in process or in its server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import boto3
from support.endpoint import connection

from codedeploy_targets import DeploymentTarget
from codedeploy_targets.testing import MockDeploymentTargets

MOTO_ACCOUNT = "123456789012"


def client_of(account: str, region: str, url: str | None = None) -> Any:
    """Return boto3's client for CodeDeploy in an account of moto, by a role that it assumes."""
    aws: Any = {**connection(url or ""), "endpoint_url": url, "region_name": region}
    sts: Any = boto3.client("sts", **aws)
    role = f"arn:aws:iam::{account}:role/reader"
    keys = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    aws["aws_access_key_id"] = keys["AccessKeyId"]
    aws["aws_secret_access_key"] = keys["SecretAccessKey"]
    return boto3.client("codedeploy", **aws, aws_session_token=keys["SessionToken"])


def deploy(
    client: Any,
    targets: MockDeploymentTargets | None = None,
    *,
    put: Iterable[DeploymentTarget] | None = None,
    status: str | None = None,
) -> str:
    """Make a deployment of `app` to `group`, and both where needed; return its id.

    By `targets`, the handle of `mock_deployment_targets`, it gets targets and a status.
    """
    group = {"applicationName": "app", "deploymentGroupName": "group"}
    if "app" not in client.list_applications()["applications"]:
        client.create_application(applicationName="app", computePlatform="Server")
        client.create_deployment_group(**group, serviceRoleArn="arn:aws:iam::123456789012:role/r")
    deployment_id: str = client.create_deployment(**group)["deploymentId"]
    if targets is not None and put is not None:
        targets.put(deployment_id, put)
    if targets is not None and status is not None:
        targets.set_status(deployment_id, status)
    return deployment_id
