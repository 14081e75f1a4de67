"""S3-compatible storage: sends what differs, the front page last, then deletes what is gone.

A page is stored twice, at `incidents/<id>.html` and at `incidents/<id>`, so that the
origin's addresses work where a domain is moved over to the bucket.
"""

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from statuspage.export.staging import MANIFEST, Manifest, StagingFolder
from statuspage.export.targets import LAST, Keys, TargetError, difference

if TYPE_CHECKING:
    from obstore.store import S3Store

CACHE_CONTROL = "public, max-age=15, stale-while-revalidate=60, stale-if-error=86400"
REQUEST_TIMEOUT_S = 30
RETRIES = 2
"""Of one request, within a second: an upload of many files survives a single 503."""
PARALLEL_UPLOADS = 8
DEFAULT_REGION = "us-east-1"
STATUS = re.compile(r"status code: (\d{3})")


def parse(text: str, keys: Keys) -> "S3":
    """`s3://bucket/prefix?endpoint=https://…&region=…`. Raises `TargetError`."""
    parts = urlsplit(text)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    region = query.get("region", DEFAULT_REGION)
    endpoint = query.get("endpoint", f"https://s3.{region}.amazonaws.com").rstrip("/")
    access = unquote(parts.username) if parts.username else keys.access
    secret = unquote(parts.password) if parts.password else keys.secret
    if not parts.hostname or urlsplit(endpoint).scheme not in ("http", "https"):
        raise TargetError("An S3 target is s3://<bucket>/<prefix>?endpoint=https://<host>.")
    if not access or not secret:
        raise TargetError("S3 needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.")
    bucket = parts.netloc.rpartition("@")[2]
    prefix = unquote(parts.path).strip("/")
    options = {
        "prefix": prefix or None,
        "endpoint": endpoint,
        "region": region,
        "access_key_id": access,
        "secret_access_key": secret,
        "virtual_hosted_style_request": False,
        "client_options": {
            "timeout": timedelta(seconds=REQUEST_TIMEOUT_S),
            "connect_timeout": timedelta(seconds=5),
            "allow_http": endpoint.startswith("http://"),
        },
        "retry_config": {
            "max_retries": RETRIES,
            "retry_timeout": timedelta(seconds=REQUEST_TIMEOUT_S),
        },
    }
    return S3(f"s3://{bucket}{parts.path}", bucket, options)


class S3:
    """`options` are those of obstore's `S3Store`."""

    every = timedelta(minutes=5)

    def __init__(self, name: str, bucket: str, options: dict[str, Any]) -> None:
        self.name = name
        self._bucket = bucket
        self._options = options
        self._there: Manifest | None = None

    @cached_property
    def _store(self) -> "S3Store":
        try:
            from obstore.store import S3Store  # the optional extra `object-storage`
        except ImportError as error:
            raise TargetError("S3 needs a package: pip install obstore.") from error
        return S3Store(self._bucket, **self._options)

    def is_empty(self) -> bool:
        return not self._read_manifest().files

    def read(self, path: str) -> bytes | None:
        body = self._get(path)
        if self._there is not None and not self._there.has(path, body):
            self._there = None  # Someone else wrote there.
        return body

    def publish(self, stage: StagingFolder) -> int:
        manifest = stage.manifest
        older = self._there or self._read_manifest()
        self._there = None  # Known again once everything has arrived.
        changes = difference(older, manifest)
        uploads = [(key, path) for path in changes.send for key in _keys_of(path)]

        def upload(key_and_path: tuple[str, str]) -> None:
            key, path = key_and_path
            body = stage.read(path)
            if body is None:
                raise TargetError("The page changed meanwhile.")
            self._put(key, body, manifest.files[path].content_type)

        with ThreadPoolExecutor(PARALLEL_UPLOADS) as pool:
            for is_one_by_one, group in groupby(uploads, lambda upload: upload[1] in LAST):
                run = map if is_one_by_one else pool.map
                _finish(run(upload, group))
        self._delete([key for path in changes.remove for key in _keys_of(path)])
        self._put(MANIFEST, manifest.to_json(), "application/json")
        self._there = manifest
        return len(changes.send)

    def _read_manifest(self) -> Manifest:
        """What the bucket holds according to its own manifest; nothing if it has none."""
        try:
            return Manifest.from_json(self._get(MANIFEST) or b"")
        except ValueError:
            return Manifest()

    def _get(self, key: str) -> bytes | None:
        store = self._store
        try:
            return bytes(store.get(key).bytes())
        except Exception as error:
            # Without the right to list, a missing object is answered by 403.
            if _status(error) in ("403", "404"):
                return None
            raise self._failure("GET", key, error) from error

    def _put(self, key: str, body: bytes, content_type: str) -> None:
        store = self._store
        headers = {"Content-Type": content_type, "Cache-Control": CACHE_CONTROL}
        try:
            store.put(key, body, attributes=headers, use_multipart=False)
        except Exception as error:
            raise self._failure("PUT", key, error) from error

    def _delete(self, keys: list[str]) -> None:
        store = self._store
        try:
            store.delete(keys)
        except Exception as error:
            raise self._failure("DELETE", keys[0], error) from error

    def _failure(self, method: str, key: str, error: Exception) -> TargetError:
        """In one sentence: obstore's own text is a page long."""
        if status := _status(error):
            return TargetError(f"{self.name} answered {status} to {method} {key}")
        return TargetError(f"{self.name} does not answer: {type(error).__name__}")


def _status(error: Exception) -> str | None:
    match = STATUS.search(str(error))
    return match and match[1]


def _keys_of(path: str) -> Iterator[str]:
    yield path
    if path.endswith(".html") and path != "index.html":
        yield path.removesuffix(".html")


def _finish(results: Iterable[object]) -> None:
    for _ in results:
        pass
