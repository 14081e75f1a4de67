"""Where recordings come from: a folder, or a live page over HTTP."""

import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests

from statuspage.errors import Invalid

LIVE = (
    ("api/v2/summary.json", True),
    ("api/v2/incidents.json", False),
    ("api/v2/scheduled-maintenances.json", False),
    ("history.atom", False),
)
"""Path of each file of a live page, and whether there is no import without it."""

MAX_BYTES = 32_000_000
MAX_FILES = 1_000
_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 20
_TOTAL_TIMEOUT_S = 120


@dataclass(frozen=True)
class File:
    name: str
    content: bytes


def read(source: str) -> list[File]:
    """The files at an http(s) address or in a folder. Raises `Invalid`."""
    if urlsplit(source).scheme in ("http", "https"):
        return _from_address(source)
    return _from_folder(Path(source))


def _from_folder(folder: Path) -> list[File]:
    if not folder.is_dir():
        raise Invalid(source=f"{folder} is neither a folder nor an address that begins with http.")
    paths = sorted(
        path for path in folder.iterdir() if path.suffix.lower() in (".json", ".atom", ".rss")
    )
    if not paths:
        raise Invalid(source=f"There is no .json, .atom or .rss file in {folder}.")
    if len(paths) > MAX_FILES:
        raise Invalid(source=f"There are more than {MAX_FILES} files in {folder}.")
    try:
        return [File(path.name, _capped(path)) for path in paths]
    except OSError as error:
        raise Invalid(source=f"{error.filename} can not be read: {error.strerror}.") from error


def _capped(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise Invalid(source=f"{path.name} is larger than {MAX_BYTES // 1_000_000} MB.")
    return content


def _from_address(address: str) -> list[File]:
    parts = urlsplit(address)
    if not parts.hostname or parts.query or parts.fragment:
        raise Invalid(source=f"{address} is not the address of a page.")
    base = address.rstrip("/")
    until = time.monotonic() + _TOTAL_TIMEOUT_S
    with requests.Session() as session:
        session.headers["User-Agent"] = "statuspage-import"
        found = [_get(session, f"{base}/{path}", is_needed, until) for path, is_needed in LIVE]
    return [file for file in found if file is not None]


def _get(session: requests.Session, url: str, is_needed: bool, until: float) -> File | None:
    try:
        with session.get(url, timeout=(_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S), stream=True) as answer:
            if answer.status_code == 404 and not is_needed:
                return None
            if answer.status_code != 200:
                raise Invalid(source=f"{url} answered {answer.status_code}.")
            content = bytearray()
            for chunk in answer.iter_content(65_536):
                content += chunk
                if len(content) > MAX_BYTES:
                    raise Invalid(source=f"{url} is larger than {MAX_BYTES // 1_000_000} MB.")
                if time.monotonic() > until:
                    raise Invalid(source=f"{url} took longer than {_TOTAL_TIMEOUT_S} s.")
    except requests.Timeout as error:
        raise Invalid(source=f"{url} did not answer in time.") from error
    except (requests.RequestException, ValueError) as error:
        if isinstance(error, Invalid):
            raise
        raise Invalid(source=f"{url} can not be reached.") from error
    return File(url, bytes(content))
