"""Last good copies: published answers on disk, for a restart without a database.

Knows nothing of pages or HTTP: a key, a small JSON header, a body. A copy is
whole, undamaged and of the key that was asked for, or it is not there.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger(__name__)

SUFFIX = ".copy"
DIGEST_BYTES = 32


@dataclass(frozen=True)
class StoredResponse:
    header: Mapping[str, Any]
    body: bytes
    saved_at: datetime
    """When its words were last known to be right."""


class DiskCache:
    """A folder of copies. A disk that fails is logged, never raised: readers come first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, key: str, header: Mapping[str, Any], body: bytes, at: datetime) -> None:
        """Replace the copy of `key` at once: a reader finds the old one or the new one."""
        record = json.dumps({"key": key, **header}).encode() + b"\n" + body
        draft = self._folder / f"{secrets.token_hex(8)}.draft"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                # Not synced: after a power cut the digest tells a torn copy from a whole one.
                draft.write_bytes(hashlib.sha256(record).digest() + record)
                os.utime(draft, (at.timestamp(), at.timestamp()))
                draft.replace(self._path(key))
            finally:
                draft.unlink(missing_ok=True)
        except OSError as error:
            log.warning("page_copy.write_failed", key=key, reason=str(error))

    def confirm(self, key: str, at: datetime) -> None:
        """Note that the copy of `key` is still right."""
        try:
            os.utime(self._path(key), (at.timestamp(), at.timestamp()))
        except OSError as error:
            log.warning("page_copy.confirm_failed", key=key, reason=str(error))

    def load(self, key: str) -> StoredResponse | None:
        """The copy of `key`; None where there is none. A damaged one is removed."""
        path = self._path(key)
        try:
            data = path.read_bytes()
            saved_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except OSError:
            return None
        digest, record = data[:DIGEST_BYTES], data[DIGEST_BYTES:]
        if hashlib.sha256(record).digest() == digest:
            head, _, body = record.partition(b"\n")
            header = json.loads(head)
            if header.pop("key") == key:
                return StoredResponse(header, body, saved_at)
        log.warning("page_copy.damaged", key=key)
        self.remove(key)
        return None

    def remove(self, key: str) -> None:
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            log.warning("page_copy.remove_failed", key=key, reason=str(error))

    def sweep(self, before: datetime) -> None:
        """Remove what nobody confirmed since `before`: it may hold withdrawn words."""
        try:
            for path in list(self._folder.iterdir()):
                if path.stat().st_mtime < before.timestamp():
                    path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("page_copy.sweep_failed", reason=str(error))

    def _path(self, key: str) -> Path:
        return self._folder / (hashlib.sha256(key.encode(errors="replace")).hexdigest() + SUFFIX)
