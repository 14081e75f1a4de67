"""Months on the pages of the past: which are on which page, counted back from today. Pure."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from statuspage.page.snapshot.values import IncidentView

PER_PAGE = 3


def first_days(today: date, number: int) -> list[date]:
    """First days of the months on a page, newest first."""
    count = today.year * 12 + today.month - 1 - (number - 1) * PER_PAGE
    return [date((count - back) // 12, (count - back) % 12 + 1, 1) for back in range(PER_PAGE)]


def page_of(moment: datetime, at: datetime, zone: ZoneInfo) -> int:
    """The page, from 1, whose months hold `moment`."""
    then, now = moment.astimezone(zone).date(), at.astimezone(zone).date()
    months = (now.year - then.year) * 12 + now.month - then.month
    return max(months, 0) // PER_PAGE + 1


def next_month(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)


def month_of(incident: IncidentView, at: datetime, zone: ZoneInfo) -> date:
    """The month of its end, as Statuspage sorts them; of now while it goes on."""
    return (incident.resolved_at or at).astimezone(zone).date().replace(day=1)
