"""RSS 2.0 and Atom (RFC 4287), written by feedgen.

The order of elements, the stylesheet and Statuspage's way of writing dates are put
right by extensions, feedgen's own hook for what it has no words for.
"""

from collections import Counter
from collections.abc import Sequence
from email.utils import format_datetime
from html import escape
from typing import Any

import feedgen.entry
import feedgen.feed
from feedgen.ext.base import BaseEntryExtension, BaseExtension
from feedgen.feed import FeedGenerator
from lxml import etree

from statuspage.page.feeds.entries import LANGUAGE, Feed, Form

# feedgen writes a date in a locale that it sets for the whole process: whoever opens a file in
# another thread meanwhile reads it as ASCII, and two feeds at once can leave it so for good.
feedgen.feed.formatRFC2822 = feedgen.entry.formatRFC2822 = format_datetime

TTL_MIN = 5
"""How long RSS readers may keep the feed."""

# Plain CSS: browsers are giving up XSLT, and warn where it is used.
STYLESHEET = 'type="text/css" href="/static/feed.css"'

_ATOM_FEED = ("id", "link", "title", "subtitle", "updated", "author")
_ATOM_ENTRY = ("id", "published", "updated", "link", "title", "summary", "content", "category")
_RSS_CHANNEL = ("title", "link", "description", "pubDate")
_ENCODED = "{http://purl.org/rss/1.0/modules/content/}encoded"
_RSS_ITEM = ("title", "description", _ENCODED, "pubDate", "link", "guid", "category")


def atom(feed: Feed) -> bytes:
    writer = _writer(feed, Form.ATOM)
    if feed.is_statuspage:
        writer.subtitle("")
    written: bytes = writer.atom_str(pretty=True)
    return written


def rss(feed: Feed) -> bytes:
    writer = _writer(feed, Form.RSS)
    writer.pubDate(feed.moment(feed.updated))
    writer.ttl(TTL_MIN)
    written: bytes = writer.rss_str(pretty=True)
    return written


def _writer(feed: Feed, form: Form) -> Any:
    writer = FeedGenerator()
    writer.register_extension("shape", _FeedShape, _EntryShape)
    writer.generator("")
    writer.docs("")
    writer.language(LANGUAGE)
    writer.id(feed.id)
    writer.title(feed.title)
    writer.description(feed.description)
    writer.updated(feed.moment(feed.updated))
    writer.author(name=feed.author)
    # The last one becomes the channel's link in RSS.
    writer.link(href=feed.url(form), rel="self", type=form.media_type)
    writer.link(href=feed.home_url, rel="alternate", type="text/html")
    seconds = Counter(feed.moment(entry.updated) for entry in feed.entries)
    for entry in feed.entries:
        item = writer.add_entry(order="append")
        # One slot in feedgen: Atom's id, or RSS's guid.
        if form is Form.RSS and feed.is_statuspage:
            item.guid(entry.url, permalink=True)
        else:
            item.guid(entry.id, permalink=False)
        item.title(entry.title)
        item.link(href=entry.url)
        item.published(feed.moment(entry.published))
        updated = feed.moment(entry.updated)
        # Slack's reader drops an entry of the same date as another one. RSS has whole seconds only.
        is_shared = seconds[updated] > 1 and not feed.is_statuspage
        item.updated(entry.updated.astimezone(feed.zone) if is_shared else updated)
        if entry.text is not None:
            item.summary(entry.text)
        item.content(entry.html, type="html")
        for tag in entry.tags:
            item.category(term=tag)
    return writer


class _FeedShape(BaseExtension):
    def extend_atom(self, feed: etree._Element) -> etree._Element:
        _arrange(feed, _ATOM_FEED)
        _write_utc_as_z(feed)
        links = feed.findall("link")
        links[0].addprevious(links[1])  # The page, then the feed itself.
        _name_stylesheet(feed)
        return feed

    def extend_rss(self, feed: etree._Element) -> etree._Element:
        _arrange(feed[0], _RSS_CHANNEL)
        _escape(feed[0].find("description"))
        _name_stylesheet(feed)
        return feed


class _EntryShape(BaseEntryExtension):
    def extend_atom(self, entry: etree._Element) -> etree._Element:
        _arrange(entry, _ATOM_ENTRY)
        _write_utc_as_z(entry)
        for link in entry.iterfind("link"):
            # feedgen loses what it was told of an entry's link but the address.
            link.attrib.update({"rel": "alternate", "type": "text/html"})
        return entry

    def extend_rss(self, item: etree._Element) -> etree._Element:
        _arrange(item, _RSS_ITEM)
        if item.find(_ENCODED) is not None:
            _escape(item.find("description"))
        for guid in item.iterfind("guid[@isPermaLink='true']"):
            del guid.attrib["isPermaLink"]  # The default, and left out by Statuspage.
        return item


def _escape(description: etree._Element | None) -> None:
    """Plain words, where RSS 2.0 lets readers expect HTML: typed markup must not become any."""
    if description is not None and description.text:
        description.text = escape(description.text, quote=False)


def _arrange(parent: etree._Element, order: Sequence[str]) -> None:
    """Put the children with the tags in `order` first."""
    ranks = {tag: rank for rank, tag in enumerate(order)}
    parent[:] = sorted(parent, key=lambda child: ranks.get(str(child.tag), len(order)))


def _write_utc_as_z(parent: etree._Element) -> None:
    for child in parent:
        if child.tag in ("published", "updated") and child.text is not None:
            child.text = child.text.replace("+00:00", "Z")


def _name_stylesheet(root: etree._Element) -> None:
    root.addprevious(etree.ProcessingInstruction("xml-stylesheet", STYLESHEET))
