"""Target ids in groups of 25, each id once; no calls, no threads."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

BATCH_SIZE = 25  # AWS's maximum for `targetIds`


class Batcher:
    """Turns ids that arrive one by one into batches; an id that was there before is dropped."""

    def __init__(self) -> None:
        self._position = 0
        self._seen: set[str] = set()
        self._batch: list[str] = []

    def add(self, target_id: str) -> list[str] | None:
        """Take one more id; return the batch that it completes, if it does."""
        check_target_id(target_id, self._position)
        self._position += 1
        if target_id in self._seen:
            return None
        self._seen.add(target_id)
        self._batch.append(target_id)
        return self.rest() if len(self._batch) == BATCH_SIZE else None

    def rest(self) -> list[str]:
        """Return the ids that have not filled a batch yet."""
        batch, self._batch = self._batch, []
        return batch


def check_target_ids(target_ids: Any) -> None:
    """Refuse what cannot be target ids, as far as that shows before they are read."""
    if isinstance(target_ids, (str, bytes)) or not isinstance(target_ids, Iterable):
        raise TypeError(f"targetIds must be an iterable of str, not {type(target_ids).__name__}")
    if isinstance(target_ids, Collection):
        for position, target_id in enumerate(target_ids):
            check_target_id(target_id, position)


def check_target_id(target_id: Any, position: int) -> None:
    if not isinstance(target_id, str):
        raise TypeError(f"targetIds[{position}] must be a str, not {type(target_id).__name__}")
