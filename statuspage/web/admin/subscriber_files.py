"""Lists of subscribers as CSV: read leniently, written so that no program runs a cell."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from statuspage import clock
from statuspage.domain.components import verbs as components
from statuspage.domain.components.names import ComponentNames
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.subscribers.subscriptions import (
    Channel,
    Choice,
    Contact,
    ImportedSubscriber,
    NotifyOn,
    Subscriber,
    SubscriberState,
)
from statuspage.errors import Invalid

MOST_ROWS = 5_000
SHOWN_PROBLEMS = 5
SEPARATORS = ",;\t"
KEPT_STATES = {SubscriberState.ACTIVE, SubscriberState.QUARANTINED}
Word = TypeVar("Word", bound=StrEnum)
COLUMNS = (
    "channel",
    "address",
    "email",
    "state",
    "components",
    "updates",
    "incident",
    "language",
    "time_zone",
    "created_at",
    "confirmed_at",
    "consent_at",
    "consent",
)
EMAIL_HEADINGS = {"email_address", "emailaddress", "emailadresse", "mail", "subscriber"}
FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a cell that begins so: https://owasp.org/www-community/attacks/CSV_Injection"""


@dataclass(frozen=True)
class SubscriberList:
    """What a file holds: whom to add, and how many of its lines are left out."""

    people: list[ImportedSubscriber]
    left_out: int = 0
    """Not active, about an incident that is over, or a browser, which can only subscribe itself."""


def decode(data: bytes) -> str:
    """The text of a file in the encodings of spreadsheets."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def read(text: str) -> SubscriberList:
    """The subscribers of a file: a column of e-mail addresses, or named columns.

    Named are `email`, or `channel` and `address` and the others of `COLUMNS` (as `write` has
    them), or `phone_number` with `phone_country`. Raises `Invalid` (field `file`) with the first
    lines that are wrong.
    """
    rows = _rows(text.lstrip("\ufeff"))
    if not rows:
        raise Invalid(file="The file is empty.")
    names = [_name(cell) for cell in rows[0]]
    is_named = bool({"email", "address", "phone_number"} & set(names))
    rows = rows[1:] if is_named else rows
    if len(rows) > MOST_ROWS:
        raise Invalid(
            file=f"Import at most {MOST_ROWS:,} lines at a time; this file has {len(rows):,}."
        )
    people, problems = [], []
    by_name = ComponentNames(components.listed())
    for number, row in enumerate(rows, start=2 if is_named else 1):
        cells = dict(zip(names if is_named else ["email"], map(_cell, row), strict=False))
        try:
            people.append(_person(cells, by_name))
        except Invalid as invalid:
            problems.append(f"Line {number}: {invalid}")
    if problems:
        more = len(problems) - SHOWN_PROBLEMS
        shown = " ".join(problems[:SHOWN_PROBLEMS])
        raise Invalid(file=f"{shown} And {more} more lines." if more > 0 else shown)
    return SubscriberList([person for person in people if person], people.count(None))


def _rows(text: str) -> list[list[str]]:
    """The lines that are not empty, by the separator of the first one. Raises `Invalid`."""
    first, _, rest = text.partition("\n")
    if match := re.fullmatch(r'"?sep=(.)"?\s*', first):  # As Excel writes and reads it.
        separator, text = match[1], rest
    else:
        bare = re.sub(r'"[^"]*"', "", re.split(r"[\r\n]", text.lstrip(), maxsplit=1)[0])
        separator = max(SEPARATORS, key=bare.count)
    # Lines end as they do, also with the lone carriage returns of old spreadsheets.
    lines = io.StringIO(text, newline="")
    try:
        rows = csv.reader(lines, delimiter=separator)
        return [row for row in rows if any(cell.strip() for cell in row)]
    except csv.Error:
        raise Invalid(file="This is not a valid CSV file: a quoted cell is never closed.") from None


def write(rows: Iterable[Subscriber]) -> Iterator[str]:
    """Lines of a file with `COLUMNS`."""
    yield _line(COLUMNS)
    for row in rows:
        fields = row.export
        names = fields["components"]
        fields["components"] = "; ".join(names) if isinstance(names, list) else ""
        yield _line(_safe(fields[name]) for name in COLUMNS)


def _name(cell: str) -> str:
    """`E-mail address` as `email`: other programs write their headings for people."""
    name = cell.strip().lower().replace("-", "").replace(" ", "_")
    return "email" if name in EMAIL_HEADINGS else name


def _person(cells: dict[str, str], by_name: ComponentNames) -> ImportedSubscriber | None:
    """None for one who is left out. Raises `Invalid`."""
    state = _one_of(SubscriberState, "state", cells, SubscriberState.ACTIVE)
    if cells.get("channel") == Channel.WEB_PUSH.value or state not in KEPT_STATES:
        return None
    incident = incidents.get(cells["incident"]) if cells.get("incident") else None
    if cells.get("incident") and (incident is None or incident.is_over):
        return None
    matched, unknown = by_name.find_all(cells.get("components", ""), between=";")
    if unknown:
        raise Invalid(components=f"This page has no component “{unknown[0]}”.")
    zone = cells.get("time_zone", "")
    choice = Choice(
        components=matched,
        incident=incident,
        wants=_one_of(NotifyOn, "updates", cells, NotifyOn.EVERY),
        language=cells.get("language", "")[:16] or "en",
        time_zone=zone if zone in clock.time_zones() else None,
    )
    return ImportedSubscriber(
        _contact(cells),
        choice,
        state,
        consent=cells.get("consent") or None,
        consent_at=_moment(cells.get("consent_at", "")),
        confirmed_at=_moment(cells.get("confirmed_at", "")),
    )


def _one_of(kind: type[Word], name: str, cells: dict[str, str], otherwise: Word) -> Word:
    word = cells.get(name, "").lower()
    try:
        return kind(word) if word else otherwise
    except ValueError:
        raise Invalid(**{name: f"“{word}” is not a value of {name}."}) from None


def _moment(text: str) -> datetime | None:
    """None for no time, one without a zone, and one in the future."""
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo and moment <= clock.now() else None
    except ValueError:
        return None


def _contact(cells: dict[str, str]) -> Contact:
    word = cells.get("channel") or cells.get("mode") or ""
    if cells.get("phone_number"):
        return Contact.of(
            Channel.SMS, cells["phone_number"], country=cells.get("phone_country") or None
        )
    if not word or word == Channel.EMAIL.value:
        return Contact.of(Channel.EMAIL, cells.get("address") or cells.get("email") or "")
    try:
        channel = Channel(word)
    except ValueError:
        raise Invalid(channel=f"{word!r} is not a channel.") from None
    address = cells.get("address") or cells.get("endpoint") or ""
    return Contact.of(channel, address, email=cells.get("email") or None)


def _cell(text: str) -> str:
    text = text.strip()
    return text[1:] if text[:1] == "'" and text[1:].startswith(FORMULA_BEGINS) else text


def _safe(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA_BEGINS) else text


def _line(cells: Iterable[str]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()
