"""Where recordings come from: a live page, a folder, or one file.

Owns all reading for an import. Knows nothing of the database.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

import requests

from statuspage.importers.statuspage import documents as recording
from statuspage.importers.statuspage import feed, history
from statuspage.importers.statuspage.documents import Reading, Recording
from statuspage.importers.statuspage.errors import RefusedError

MAX_BYTES = 50_000_000
"""Of one file. The largest real page with 1,100 components is a tenth of it."""
TIMEOUT_S = (5, 30)
"""To connect, and between two pieces of an answer."""

SUMMARY = "api/v2/summary.json"
_PATHS = (
    SUMMARY,
    "api/v2/incidents.json",
    "api/v2/scheduled-maintenances.json",
    "history.json",
    "history.atom",
)
_ENDINGS = frozenset({".json", ".atom", ".rss"})
_FEEDS = (b"<", b"\xef\xbb\xbf<")


def read(
    source: str,
    *,
    each: Callable[[Sequence[str]], Iterable[str]] = lambda names: names,
    is_strict: bool = False,
) -> Recording:
    """The recording at an `http(s)://` address, in a folder, or in one file.

    `each` passes the names on as they are read. Raises `RefusedError`; if strict,
    also for a part that could be left out.
    """
    if _scheme(source) in ("http", "https"):
        documents, missing = _fetch(source, each)
    else:
        documents, missing = _open(Path(source), each), []
    return _recording(documents, missing, is_strict)


def _scheme(source: str) -> str | None:
    """The scheme of an address; None when it is none."""
    try:
        return urlsplit(source).scheme.lower() or None
    except ValueError:
        return None


# ── a folder or a file ─────────────────────────────────────────────────────────


def _open(path: Path, each: Callable[[Sequence[str]], Iterable[str]]) -> list[tuple[str, bytes]]:
    try:
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if file.suffix.lower() in _ENDINGS)
        else:
            files = [path]
        if not files:
            raise RefusedError(f"{path} contains no .json, .atom or .rss file.")
        by_name = {file.name: file for file in files}
        return [(name, _content(by_name[name])) for name in each(list(by_name))]
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise RefusedError(f"{path} cannot be read: {reason}.") from error


def _content(file: Path) -> bytes:
    with file.open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise RefusedError(f"{file.name} is larger than {MAX_BYTES // 1_000_000} MB.")
    return content


# ── a live page ────────────────────────────────────────────────────────────────


def _fetch(
    address: str, each: Callable[[Sequence[str]], Iterable[str]]
) -> tuple[list[tuple[str, bytes]], list[str]]:
    base = address.split("?")[0].split("#")[0].rstrip("/")
    for ending in (*_PATHS, "api/v2", "api", "history"):
        base = base.removesuffix(f"/{ending}").rstrip("/")
    documents, missing = [], []
    with _SameHostSession() as session:
        session.headers["Accept"] = "application/json, application/atom+xml;q=0.9, */*;q=0.1"
        for path in each(_PATHS):
            content = _get(session, f"{base}/{path}", is_optional=path != SUMMARY)
            if content is not None:
                documents.append((path.rpartition("/")[2], content))
            elif path == SUMMARY:
                raise RefusedError(f"{base} has no {SUMMARY}: is it a Statuspage page?")
            else:
                missing.append(path)
    return documents, missing


class _SameHostSession(requests.Session):
    """Follows a redirect on the same host only: another one may lie in a private network."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target is not None:
            url = urljoin(resp.url, target)
            if urlsplit(url).hostname != urlsplit(resp.url).hostname:
                resp.close()
                raise RefusedError(f"{resp.url} redirects to {url}: import from there.")
        return target


def _get(session: requests.Session, url: str, *, is_optional: bool) -> bytes | None:
    """The bytes at `url`; None when there is nothing, or a web page in place of a document."""
    try:
        with session.get(url, timeout=TIMEOUT_S, stream=True) as answer:
            status = answer.status_code
            if status in (404, 410) or (is_optional and 400 <= status < 500 and status != 429):
                return None
            if answer.status_code != 200:
                raise RefusedError(f"{url} answered {answer.status_code} {answer.reason}.")
            content = b""
            for piece in answer.iter_content(65_536):
                content += piece
                if len(content) > MAX_BYTES:
                    raise RefusedError(f"{url} is larger than {MAX_BYTES // 1_000_000} MB.")
            return None if is_optional and _is_web_page(content) else content
    except (requests.RequestException, UnicodeError, ValueError) as error:
        raise RefusedError(f"{url} cannot be read: {_reason(error)}.") from error


def _is_web_page(content: bytes) -> bool:
    return content.lstrip()[:9].lower().startswith((b"<!doctype", b"<html"))


def _reason(error: Exception) -> str:
    match error:
        case requests.Timeout():
            return "no response in time"
        case requests.exceptions.SSLError():
            return "its certificate is not trusted"
        case requests.ConnectionError():
            return "no connection, or it was lost"
        case requests.TooManyRedirects():
            return "too many redirects"
    return "it is not a usable address or answer"


# ── what it says ───────────────────────────────────────────────────────────────


def _recording(
    documents: list[tuple[str, bytes]], missing: list[str], is_strict: bool
) -> Recording:
    recordings, histories, others = [], [], []
    for name, content in documents:
        if content.lstrip()[:4].startswith(_FEEDS):
            recordings.append(feed.parse(content, Reading(name, is_strict)))
            continue
        document = _json(name, content)
        if history.is_history(document):
            histories.append((name, document))
            continue
        loaded = recording.parse(document, Reading(name, is_strict))
        if loaded is None:
            others.append(name)
        else:
            recordings.append(loaded)
    whole = recording.merged(recordings)
    zone = ZoneInfo(whole.page.time_zone if whole.page else "Etc/UTC")
    ids_known = {incident.id for incident in whole.incidents}
    for name, document in histories:
        past = history.parse(document, Reading(name, is_strict), zone=zone)
        # It tells less than anything else: it adds what is not known.
        new = tuple(incident for incident in past.incidents if incident.id not in ids_known)
        ids = frozenset(incident.id for incident in new)
        notes = {
            reason: tuple(place for place in places if place in ids)
            if reason == history.ONLY_LAST_WORDS
            else places
            for reason, places in past.notes.items()
        }
        recordings.append(Recording(incidents=new, notes=notes))
        ids_known |= ids
    if not recordings:
        raise RefusedError(f"{', '.join(others)}: nothing in it is data of a Statuspage page.")
    notes = {"not data of a Statuspage page": tuple(others)} if others else {}
    notes |= {"the page does not have it": tuple(missing)} if missing else {}
    return recording.merged([*recordings, Recording(notes=notes)])


def _json(name: str, content: bytes) -> Any:
    try:
        return json.loads(content)
    except RecursionError as error:
        raise RefusedError(f"{name}: the JSON is nested too deeply.") from error
    except ValueError as error:
        raise RefusedError(f"{name}: this is not JSON ({error}).") from error
