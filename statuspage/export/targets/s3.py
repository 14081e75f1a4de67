"""S3-compatible storage: what differs is put, the front page last, what is gone is deleted.

A page is put twice, at `incidents/<id>.html` and at `incidents/<id>`, so that the
addresses of the origin work where a name is moved over to the bucket.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import groupby
from urllib.parse import parse_qs, quote, unquote, urlsplit

import requests

from statuspage import clock
from statuspage.export.staging import MANIFEST, Manifest, Stage
from statuspage.export.targets import LAST, Keys, TargetError, difference
from statuspage.export.targets.sigv4 import signed

CACHE_CONTROL = "public, max-age=15, stale-while-revalidate=60, stale-if-error=86400"
TIMEOUT_S = (5, 30)
AT_ONCE = 8
DEFAULT_REGION = "us-east-1"


def parse(text: str, keys: Keys) -> "S3":
    """`s3://bucket/prefix?endpoint=https://…&region=…`. Raises `TargetError`."""
    parts = urlsplit(text)
    told = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    region = told.get("region", DEFAULT_REGION)
    endpoint = told.get("endpoint", f"https://s3.{region}.amazonaws.com").rstrip("/")
    access = unquote(parts.username) if parts.username else keys.access
    secret = unquote(parts.password) if parts.password else keys.secret
    if not parts.hostname or urlsplit(endpoint).scheme not in ("http", "https"):
        raise TargetError("An S3 target is s3://<bucket>/<prefix>?endpoint=https://<host>.")
    if not access or not secret:
        raise TargetError("S3 needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.")
    prefix = unquote(parts.path).strip("/")
    root = f"{endpoint}/{parts.netloc.rpartition('@')[2]}/" + (f"{prefix}/" if prefix else "")
    name = f"s3://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return S3(name, root, region, Keys(access, secret))


class S3:
    every = timedelta(minutes=5)

    def __init__(self, name: str, root: str, region: str, keys: Keys) -> None:
        self.name = name
        self._root = root
        self._region = region
        self._keys = keys
        self._there: Manifest | None = None

    def is_empty(self) -> bool:
        with requests.Session() as session:
            return not self._read(session).files

    def read(self, path: str) -> bytes | None:
        with requests.Session() as session:
            answer = self._send(session, "GET", path)
        body = answer.content if answer.status_code == 200 else None
        if self._there is not None and not self._there.has(path, body):
            self._there = None  # Somebody else wrote there.
        return body

    def publish(self, stage: Stage) -> int:
        wanted = stage.manifest
        with requests.Session() as session, ThreadPoolExecutor(AT_ONCE) as pool:
            there = self._there or self._read(session)
            self._there = None  # Known again once all of it arrived.
            todo = difference(there, wanted)
            jobs = [
                (key, path, wanted.files[path].content_type)
                for path in todo.send
                for key in _keys_of(path)
            ]

            def put(job: tuple[str, str, str]) -> None:
                key, path, content_type = job
                body = stage.read(path)
                if body is None:
                    raise TargetError("The page changed meanwhile.")
                self._send(session, "PUT", key, body, content_type)

            for is_one_by_one, group in groupby(jobs, lambda job: job[1] in LAST):
                some = list(group)
                _finish(map(put, some) if is_one_by_one else pool.map(put, some))
            gone = [key for path in todo.remove for key in _keys_of(path)]
            _finish(pool.map(lambda key: self._send(session, "DELETE", key), gone))
            self._send(session, "PUT", MANIFEST, wanted.to_json(), "application/json")
        self._there = wanted
        return len(todo.send)

    def _read(self, session: requests.Session) -> Manifest:
        """What the bucket holds by its own account; nothing where it has none."""
        try:
            return Manifest.from_json(self._send(session, "GET", MANIFEST).content)
        except ValueError:
            return Manifest()

    def _send(
        self,
        session: requests.Session,
        method: str,
        key: str,
        body: bytes = b"",
        content_type: str | None = None,
    ) -> requests.Response:
        url = self._root + quote(key, safe="/-_.~")
        headers = {"Content-Type": content_type, "Cache-Control": CACHE_CONTROL}
        signed_headers = signed(
            method,
            url,
            {name: value for name, value in headers.items() if value and content_type},
            body,
            access=self._keys.access or "",
            secret=self._keys.secret or "",
            region=self._region,
            at=clock.now(),
        )
        try:
            answer = session.request(
                method,
                url,
                headers=signed_headers,
                data=body or None,
                timeout=TIMEOUT_S,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise TargetError(f"{self.name} does not answer: {type(error).__name__}") from error
        # Without the right to list, what is missing is answered by 403.
        nothing = {"GET": (403, 404), "DELETE": (404,)}.get(method, ())
        if answer.status_code not in (200, 204, *nothing):
            raise TargetError(f"{self.name} answered {answer.status_code} to {method} {key}")
        return answer


def _keys_of(path: str) -> Iterator[str]:
    yield path
    if path.endswith(".html") and path != "index.html":
        yield path.removesuffix(".html")


def _finish(results: Iterable[object]) -> None:
    for _ in results:
        pass
