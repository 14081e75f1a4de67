"""JSON Feed 1.1: https://www.jsonfeed.org/version/1.1/"""

import json

from statuspage.page.feeds.entries import LANGUAGE, Entry, Feed, Form

VERSION = "https://jsonfeed.org/version/1.1"


def render(feed: Feed) -> bytes:
    document = {
        "version": VERSION,
        "title": feed.title,
        "home_page_url": feed.home_url,
        "feed_url": feed.url(Form.JSON),
        "description": feed.description,
        "language": LANGUAGE,
        "authors": [{"name": feed.author, "url": feed.home_url}],
        "items": [_item(feed, entry) for entry in feed.entries],
    }
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def _item(feed: Feed, entry: Entry) -> dict[str, object]:
    return {
        "id": entry.id,
        "url": entry.url,
        "title": entry.title,
        "content_html": entry.html,
        "content_text": entry.text or "",
        "date_published": feed.moment(entry.published).isoformat(),
        "date_modified": feed.moment(entry.updated).isoformat(),
        "tags": list(entry.tags),
    }
