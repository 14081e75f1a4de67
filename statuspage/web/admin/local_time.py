"""Times as staff type and read them: in the page's zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask import g

from statuspage.domain import page_settings
from statuspage.domain.page_settings import Page

FORMATS = ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S")


class InvalidTimeError(ValueError):
    """The text is no moment in this zone; the message is for whoever typed it."""


class AmbiguousTimeError(InvalidTimeError):
    """The clock shows this time twice, because it is set back."""


def page() -> Page | None:
    """The page, asked for once a request."""
    if "page" not in g:
        g.page = page_settings.get()
    row: Page | None = g.page
    return row


def zone() -> ZoneInfo:
    """The page's zone; UTC before the first set-up."""
    row = page()
    return row.zone if row else ZoneInfo("Etc/UTC")


def parse(text: str, zone: ZoneInfo, *, fold: int | None = None) -> datetime:
    """`2026-03-10T12:00` in this zone as an aware UTC moment.

    Raises `NotAMomentError` for nonsense and for an hour that the zone leaves out,
    `TwoMomentsError` for an hour that comes twice when `fold` does not choose.
    """
    naive = _naive(text.strip())
    try:
        first, second = (naive.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
        exists = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == naive
        twice = exists and first.utcoffset() != second.utcoffset()
        if not exists:
            raise InvalidTimeError(
                f"This time does not exist in {zone.key}: clocks go forward then."
            )
        if twice and fold is None:
            raise AmbiguousTimeError(
                f"This time occurs twice in {zone.key}: clocks go back then. Choose which one."
            )
        return (second if fold else first).astimezone(UTC)
    except OverflowError:
        raise InvalidTimeError("Enter a date closer to today.") from None


def typed(moment: datetime, zone: ZoneInfo) -> str:
    """The moment as an input of type `datetime-local` holds it."""
    return moment.astimezone(zone).strftime(FORMATS[0])


def short(moment: datetime, zone: ZoneInfo, *, now: datetime) -> str:
    """`14:55` today, `10 Mar 14:55` in this year, `10 Mar 2025 14:55` otherwise."""
    local, today = moment.astimezone(zone), now.astimezone(zone)
    clock = local.strftime("%H:%M")
    if local.date() == today.date():
        return clock
    return f"{short_day(local.date(), today.date())} {clock}"


def short_day(day: date, today: date) -> str:
    """`10 Mar` in this year, `10 Mar 2025` otherwise."""
    year = "" if day.year == today.year else f" {day.year}"
    return f"{day.day} {day.strftime('%b')}{year}"


def duration_words(length: timedelta) -> str:
    """`3 minutes`, `2 hours`, `5 days`: rounded down, at least a minute."""
    minutes = max(int(length.total_seconds() // 60), 1)
    for size, word in ((60 * 24, "day"), (60, "hour"), (1, "minute")):
        count = minutes // size
        if count:
            return f"{count} {word}{'s' if count > 1 else ''}"
    return "1 minute"


def _naive(text: str) -> datetime:
    for form in FORMATS:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007  the zone comes from the page
        except ValueError:
            continue
    raise InvalidTimeError("Enter a date and a time, such as 2026-03-10 12:00.")
