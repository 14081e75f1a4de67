"""The vocabulary of feeds: a feed and its entries, as frozen values."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from statuspage.lib.markdown import clean
from statuspage.page.snapshot.values import PageView

LANGUAGE = "en-US"


class Form(StrEnum):
    """How a feed is written down; the value ends its address."""

    RSS = "rss"
    ATOM = "atom"
    JSON = "json"

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self]

    @property
    def content_type(self) -> str:
        """JSON is UTF-8 by definition and has no charset."""
        return self.media_type if self is Form.JSON else f"{self.media_type}; charset=utf-8"


_MEDIA_TYPES = {
    Form.RSS: "application/rss+xml",
    Form.ATOM: "application/atom+xml",
    Form.JSON: "application/feed+json",
}


@dataclass(frozen=True)
class Entry:
    """One thing that was told.

    `id` is an IRI that never changes. `html` is the whole text, `text` the same in
    plain words; None where the form that is followed has none.
    """

    id: str
    title: str
    url: str
    published: datetime
    updated: datetime
    html: str
    text: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Feed:
    """A feed before it is written down. `stem` is its own address without the form's ending."""

    id: str
    title: str
    description: str
    author: str
    home_url: str
    stem: str
    zone: ZoneInfo
    updated: datetime
    entries: tuple[Entry, ...]
    is_statuspage: bool = False
    """Written to the letter as Statuspage does: addresses as guids, no subtitle."""

    def url(self, form: Form) -> str:
        return f"{self.stem}.{form}"

    def moment(self, at: datetime) -> datetime:
        """`at` as it is written: in whole seconds, in the page's zone."""
        return at.astimezone(self.zone).replace(microsecond=0)


def newest_change(page: PageView, entries: Iterable[Entry]) -> datetime:
    """When any of the entries changed last.

    Not the page's own date while there are any: that moves with drafts and
    settings, and the feed would change while nothing in it did.
    """
    return max((entry.updated for entry in entries), default=page.updated_at)


def one_line(words: str, otherwise: str = "-") -> str:
    """Words that fit a title: legal in XML, on one line, never empty."""
    return " ".join(clean(words).split()) or otherwise
