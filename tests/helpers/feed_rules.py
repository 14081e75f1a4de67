"""The rules of three formats, as one function each: a broken one fails the calling test."""

import json
import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from lxml import etree

ATOM = "{http://www.w3.org/2005/Atom}"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}"
XML = "{http://www.w3.org/XML/1998/namespace}"

LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
RFC_822 = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d"
    r" (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d [+-]\d{4}"
)


def strictly(document: bytes) -> etree._Element:
    """The root element of a well-formed document without a document type."""
    parser = etree.XMLParser(recover=False, resolve_entities=False, load_dtd=False, no_network=True)
    root = etree.fromstring(document, parser)
    assert root.getroottree().docinfo.doctype == ""
    assert root.getroottree().docinfo.encoding == "UTF-8"
    return root


def check_atom(document: bytes, address: str) -> list[etree._Element]:
    """RFC 4287. Returns the entries."""
    feed = strictly(document)
    assert feed.tag == f"{ATOM}feed"
    assert LANGUAGE.fullmatch(feed.attrib[f"{XML}lang"])
    # §4.1.1
    _children(feed, once="id title updated", at_most_once="subtitle generator icon logo rights")
    allowed = "id title updated subtitle author link entry category contributor generator"
    assert {_name(child) for child in feed} <= set(allowed.split())
    (author,) = feed.findall(f"{ATOM}author")
    assert author.findtext(f"{ATOM}name").strip()  # §3.2.1
    links = {link.get("rel"): link for link in feed.findall(f"{ATOM}link")}
    assert links["self"].get("href") == address
    assert links["self"].get("type") == "application/atom+xml"
    assert _is_address(links["alternate"].get("href"))
    assert len(links) == len(feed.findall(f"{ATOM}link"))
    entries = feed.findall(f"{ATOM}entry")
    for entry in entries:
        _check_atom_entry(entry)
    _unique([entry.findtext(f"{ATOM}id") for entry in entries])
    for person_or_text in feed.iter(f"{ATOM}title", f"{ATOM}subtitle", f"{ATOM}summary"):
        assert person_or_text.get("type", "text") == "text"  # §3.1.1
        assert len(person_or_text) == 0
    for moment in feed.iter(f"{ATOM}updated", f"{ATOM}published"):
        _check_rfc_3339(moment.text)  # §3.3
    for permanent in feed.iter(f"{ATOM}id"):
        _check_iri(permanent.text)  # §4.2.6
    return entries


def _check_atom_entry(entry):
    # §4.1.2
    _children(
        entry,
        once="id title updated",
        at_most_once="published content summary source rights",
    )
    allowed = "id title updated published content summary author link category"
    assert {_name(child) for child in entry} <= set(allowed.split())
    assert entry.findtext(f"{ATOM}title").strip()
    (link,) = entry.findall(f"{ATOM}link")
    assert (link.get("rel"), link.get("type")) == ("alternate", "text/html")
    assert _is_address(link.get("href"))
    content = entry.find(f"{ATOM}content")
    assert content.get("type") == "html"
    assert len(content) == 0  # §4.1.3.3: markup is escaped
    _check_html(content.text)
    for category in entry.findall(f"{ATOM}category"):
        assert category.get("term")  # §4.2.2.1


def check_rss(document: bytes, address: str) -> list[etree._Element]:
    """RSS 2.0 and the profile of the RSS Advisory Board. Returns the items."""
    rss = strictly(document)
    assert rss.tag == "rss"
    assert rss.get("version") == "2.0"
    (channel,) = rss
    assert channel.tag == "channel"
    _children(channel, once="title description link", at_most_once="pubDate lastBuildDate ttl")
    known = "title link description language pubDate lastBuildDate ttl item"
    assert {child.tag for child in channel if "}" not in child.tag} <= set(known.split())
    assert _is_address(channel.findtext("link"))
    assert LANGUAGE.fullmatch(channel.findtext("language"))
    assert int(channel.findtext("ttl")) > 0
    (itself,) = channel.findall(f"{ATOM}link")  # Profile: a feed names its own address
    assert dict(itself.attrib) == {
        "href": address,
        "rel": "self",
        "type": "application/rss+xml",
    }
    items = channel.findall("item")
    for item in items:
        _check_rss_item(item)
    _unique([item.findtext("guid") for item in items])
    for moment in rss.iter("pubDate", "lastBuildDate"):
        _check_rfc_822(moment.text)
    return items


def _check_rss_item(item):
    _children(item, once="title link description guid pubDate", at_most_once="")
    known = "title link description guid pubDate category"
    assert {child.tag for child in item if "}" not in child.tag} <= set(known.split())
    assert item.findtext("title").strip()
    assert _is_address(item.findtext("link"))
    guid = item.find("guid")
    # A guid is an address unless it says otherwise.
    assert guid.get("isPermaLink", "true") in ("true", "false")
    assert _is_address(guid.text) is (guid.get("isPermaLink", "true") == "true")
    if _is_address(guid.text):
        assert guid.text == item.findtext("link")
    encoded = item.findall(f"{CONTENT}encoded")
    if encoded:
        # Profile: the description precedes the whole text, which is HTML.
        (whole,) = encoded
        assert whole.getprevious().tag == "description"
        _check_html(whole.text)
        # Readers may take it for HTML, so the plain words are escaped.
        assert "<" not in item.findtext("description")
    else:
        _check_html(item.findtext("description"))


def check_json_feed(document: bytes, address: str) -> list[dict]:
    """JSON Feed 1.1. Returns the items."""
    assert not document.startswith(b"\xef\xbb\xbf")
    feed = json.loads(document.decode())
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["title"].strip()
    assert feed["feed_url"] == address
    assert _is_address(feed["home_page_url"])
    assert LANGUAGE.fullmatch(feed["language"])
    assert isinstance(feed["description"], str)
    assert feed["authors"]
    for author in feed["authors"]:
        assert author.keys() <= {"name", "url", "avatar"}
        assert author.keys()
    known = "version title home_page_url feed_url description language authors items"
    assert feed.keys() == set(known.split())  # `author` is of version 1.0
    for item in feed["items"]:
        known = "id url title content_html content_text date_published date_modified tags"
        assert item.keys() == set(known.split())
        assert isinstance(item["id"], str)
        _check_iri(item["id"])
        assert _is_address(item["url"])
        assert item["title"].strip()
        assert item["content_text"].strip()
        _check_html(item["content_html"])
        _check_rfc_3339(item["date_published"])
        _check_rfc_3339(item["date_modified"])
        assert item["tags"]
        assert all(isinstance(tag, str) for tag in item["tags"])
    _unique([item["id"] for item in feed["items"]])
    return feed["items"]


CHECKS = {"atom": check_atom, "rss": check_rss, "json": check_json_feed}


def _name(element):
    return etree.QName(element).localname


def _children(parent, once, at_most_once):
    names = [_name(child) for child in parent if child.tag != f"{ATOM}link" or "{" in parent.tag]
    for name in once.split():
        assert names.count(name) == 1, name
    for name in at_most_once.split():
        assert names.count(name) <= 1, name


def _unique(ids):
    assert len(ids) == len(set(ids))


def _is_address(text):
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.netloc) and text == text.strip()


def _check_iri(text):
    assert re.fullmatch(r"[a-z][a-z0-9+.-]*:\S+", text), text


def _check_rfc_3339(text):
    assert RFC_3339.fullmatch(text), text
    assert datetime.fromisoformat(text).tzinfo is not None


def _check_rfc_822(text):
    assert RFC_822.fullmatch(text), text
    assert parsedate_to_datetime(text).strftime("%a") == text[:3]


def _check_html(html):
    """Readers have no base address: every link in a text is absolute."""
    for address in re.findall(r"""(?:href|src)=["']([^"']*)""", html):
        assert re.match(r"(https?://|mailto:|tel:)", address), address
    assert "<script" not in html.lower()
