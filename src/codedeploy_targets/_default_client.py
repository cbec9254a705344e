"""Change here: how the default client is made, and how it finds the files that describe AWS."""

from __future__ import annotations

import gc
import gzip
import os
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.loaders import JSONFileLoader, Loader
from pydantic_core import from_json


def default_client(
    *, profile: str | None = None, region: str | None = None, config: Config | None = None
) -> Any:
    """Return a client of botocore's default session, made with a quicker loader."""
    # Imported late: users who bring a client of boto3's need not pay for it.
    from botocore.session import Session

    session = Session(profile=profile)
    paths = session.get_component("data_loader").search_paths
    loader = _QuickLoader(paths, _QuickFiles(), include_default_search_paths=False)
    session.register_component("data_loader", loader)
    if config:
        session.set_default_client_config(config)  # also for clients that get credentials
        # An MFA code is asked for here, in the main thread: the terminal hides what is typed, and
        # would go on doing so if a daemon thread that asks for it ended with the process.
        if credentials := session.get_credentials():
            credentials.get_frozen_credentials()
    return session.create_client("codedeploy", region_name=region)


# botocore's own loaders find the same files, and take most of the time to make a client.
class _QuickLoader(Loader):
    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002
        # botocore looks into the folders of all services to find out whether one is there.
        # Path.is_dir fails where the user may not enter the folder, as ~/.aws of another user.
        paths = [Path(path) for path in self.search_paths if os.path.isdir(path)]  # noqa: PTH112
        return sorted({folder.name for path in paths for folder in path.iterdir()})


class _QuickFiles(JSONFileLoader):
    def load_file(self, file_path: str) -> Any:
        for ending, unpack in ((".json", bytes), (".json.gz", gzip.decompress)):
            path = Path(f"{file_path}{ending}")
            if path.is_file():
                return _parse(unpack(path.read_bytes()))
        return None


def _parse(text: bytes) -> Any:
    # So many new objects would make the garbage collector go through all objects of the process,
    # which takes longer than the parsing, and finds nothing: JSON has no cycles.
    is_on = gc.isenabled()
    gc.disable()
    try:
        return from_json(text)
    finally:
        if is_on:
            gc.enable()
