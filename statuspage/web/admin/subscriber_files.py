"""Lists of subscribers as CSV: read leniently, written so that no program runs a cell."""

import csv
import io
from collections.abc import Iterable, Iterator

from statuspage.domain.subscribers.subscriptions import Channel, Contact, Subscriber
from statuspage.errors import Invalid

MOST_ROWS = 5_000
SHOWN_PROBLEMS = 5
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
FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a cell that begins so: https://owasp.org/www-community/attacks/CSV_Injection"""


def read(text: str) -> list[Contact]:
    """The contacts of a file: a column of e-mail addresses, or named columns.

    Named are `email`, or `channel` and `address` (as `write` has them), or `phone_number`
    with `phone_country`. Browsers are left out: only they can subscribe themselves. Raises
    `Invalid` (field `file`) with the first lines that are wrong.
    """
    # Lines end as they do, also with the lone carriage returns of old spreadsheets.
    lines = io.StringIO(text.lstrip("\ufeff"), newline="")
    try:
        rows = [row for row in csv.reader(lines) if any(row)]
    except csv.Error:
        raise Invalid(file="This is not a valid CSV file: a quoted cell is never closed.") from None
    if not rows:
        raise Invalid(file="The file is empty.")
    names = [_name(cell) for cell in rows[0]]
    is_named = bool({"email", "address", "phone_number"} & set(names))
    rows = rows[1:] if is_named else rows
    if len(rows) > MOST_ROWS:
        raise Invalid(
            file=f"Import at most {MOST_ROWS:,} lines at a time; this file has {len(rows):,}."
        )
    contacts, problems = [], []
    for number, row in enumerate(rows, start=2 if is_named else 1):
        cells = dict(zip(names if is_named else ["email"], map(_cell, row), strict=False))
        if cells.get("channel") == Channel.WEB_PUSH.value:
            continue
        try:
            contacts.append(_contact(cells))
        except Invalid as invalid:
            problems.append(f"Line {number}: {invalid}")
    if problems:
        more = len(problems) - SHOWN_PROBLEMS
        shown = " ".join(problems[:SHOWN_PROBLEMS])
        raise Invalid(file=f"{shown} And {more} more lines." if more > 0 else shown)
    return contacts


def write(rows: Iterable[Subscriber]) -> Iterator[str]:
    """Lines of a file with `COLUMNS`."""
    yield _line(COLUMNS)
    for row in rows:
        told = row.export
        names = told["components"]
        told["components"] = "; ".join(names) if isinstance(names, list) else ""
        yield _line(_safe(told[name]) for name in COLUMNS)


def _name(cell: str) -> str:
    """`E-mail address` as `email`: other programs write their headings for people."""
    name = cell.strip().lower().replace("-", "").replace(" ", "_")
    return "email" if name in ("email_address", "mail", "subscriber") else name


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
