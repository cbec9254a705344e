"""What the two clients have in common: everything but how they wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._wire import connect

if TYPE_CHECKING:
    from ._typing import Exceptions


class ClientBase:
    def __init__(self, client: Any, *, max_concurrency: int) -> None:
        if max_concurrency < 1:
            raise ValueError(f"max_concurrency must be at least 1, not {max_concurrency}")
        connect(client)
        self.client: Any = client
        self._max_concurrency = max_concurrency

    @property
    def exceptions(self) -> Exceptions:
        """The wrapped client's exceptions, for `except client.exceptions.…Exception`."""
        exceptions: Exceptions = self.client.exceptions
        return exceptions
