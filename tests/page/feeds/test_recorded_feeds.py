"""The history feeds are Statuspage's: recorded feeds, told again by our verbs, come out equal."""

import html
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from lxml import etree

from statuspage.cli import importing
from statuspage.config import PROJECT
from statuspage.domain import page_settings
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import maintenance
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Schedule, UpdateInput
from statuspage.domain.page_settings import PageEdit
from statuspage.domain.statuses import IncidentStatus
from tests.conftest import on_sqlite

SAMPLES = PROJECT / "tests/samples/feeds"
NAMESPACE = {"a": "http://www.w3.org/2005/Atom"}

PARAGRAPH = re.compile(
    r"<p><small>(\w{3}) <var data-var='date'>([ \d]\d)</var>,"
    r" <var data-var='time'>(\d\d:\d\d)</var> UTC</small><br>"
    r"<strong>([^<]+)</strong> - (.*?)</p>",
    re.DOTALL,
)
SCHEDULED = re.compile(r"THIS IS A SCHEDULED EVENT (.*?) UTC &nbsp;-&nbsp; (.*?) UTC<")


@on_sqlite
@pytest.mark.parametrize("sample", ["github-2025.atom", "github-2022.atom"])
def test_history_atom_equals_the_recording(client, committed, sample):
    recorded = etree.parse(SAMPLES / sample).getroot()
    page_url = recorded.find("a:link[@rel='alternate']", NAMESPACE).get("href")
    with committed():
        _a_page(recorded.findtext("a:author/a:name", None, NAMESPACE), page_url)
        for entry in recorded.findall("a:entry", NAMESPACE):
            _tell(
                name=entry.findtext("a:title", None, NAMESPACE),
                published=datetime.fromisoformat(entry.findtext("a:published", None, NAMESPACE)),
                updated=datetime.fromisoformat(entry.findtext("a:updated", None, NAMESPACE)),
                address=entry.find("a:link", NAMESPACE).get("href"),
                html=entry.findtext("a:content", None, NAMESPACE),
            )

    ours = etree.fromstring(client.get("/history.atom").data)

    assert _outline(ours) == _outline(recorded)


@on_sqlite
def test_history_rss_equals_the_recording(client, committed):
    recorded = etree.parse(SAMPLES / "digitalocean-2020.rss").getroot()[0]
    with committed():
        _a_page("DigitalOcean", "https://status.digitalocean.com")
        for item in recorded.findall("item"):
            published = parsedate_to_datetime(item.findtext("pubDate"))
            _tell(
                name=item.findtext("title"),
                published=published,
                updated=published,
                address=item.findtext("link"),
                html=item.findtext("description"),
            )

    ours = etree.fromstring(client.get("/history.rss").data)[0]

    assert [child.tag for child in ours][:4] == [child.tag for child in recorded][:4]
    assert ours.findtext("title") == recorded.findtext("title")
    # Statuspage says "Statuspage" there; readers of feeds show it, so we say whose feed it is.
    assert recorded.findtext("description") == "Statuspage"
    name = ours.findtext("title").removesuffix(" Status - Incident History")
    assert ours.findtext("description") == f"Incidents and scheduled maintenance of {name}."
    assert [_told(item) for item in ours.findall("item")] == [
        _told(item) for item in recorded.findall("item")
    ]


def _outline(feed):
    """(name, attributes, text) of every element in order, but what no two sites share."""
    found = []
    for element in feed.iter(etree.Element):
        text = (element.text or "").strip()
        text = re.sub(r"(Incident/)\d+", r"\1N", text)
        if element.tag.endswith("}updated") and element.getparent() is feed:
            text = "the newest change"
        found.append((element.tag, dict(element.attrib), text))
    return found


def _told(item):
    return [(child.tag, dict(child.attrib), child.text.strip()) for child in item]


def _a_page(name, url):
    at = datetime(2019, 1, 1, tzinfo=UTC)
    page = page_settings.create(name, by=SYSTEM, at=at)
    page_settings.edit(page, PageEdit(name, "Etc/UTC", url), by=SYSTEM, at=at)


def _tell(*, name, published, updated, address, html):
    """The recorded incident, told by the verbs that staff use."""
    updates = _updates(html, published)
    first_at, first_status, first_body = updates[0]
    window = SCHEDULED.search(html)
    if window:
        incident = maintenance.schedule(
            name,
            UpdateInput(status=IncidentStatus.SCHEDULED, body=first_body),
            Schedule(scheduled_for=published, scheduled_until=_moment(window[2], published.year)),
            by=SYSTEM,
            at=updated,
        )
    elif first_status is IncidentStatus.SCHEDULED:
        incident = maintenance.schedule(
            name,
            UpdateInput(status=IncidentStatus.SCHEDULED, body=first_body),
            Schedule(scheduled_for=first_at + timedelta(minutes=1), scheduled_until=published),
            by=SYSTEM,
            at=first_at,
        )
    else:
        incident = incidents.open_incident(
            name, UpdateInput(status=first_status, body=first_body), by=SYSTEM, at=first_at
        )
    for at, status, body in updates[1:]:
        incidents.post_update(incident, UpdateInput(status=status, body=body), by=SYSTEM, at=at)
    incident.public_id = address.rpartition("/")[2]


def _updates(html, published):
    """(when, status, Markdown) of each update, oldest first; only the newest has seconds."""
    found = []
    for month, day, time, label, body in reversed(PARAGRAPH.findall(html)):
        at = _moment(f"{month} {day}, {time}", published.year)
        status = found[-1][1] if label == "Update" else _status(label)
        found.append((at, status, body.replace("<br />", "\n")))
    newest_at, status, body = found[-1]
    if newest_at == published.replace(second=0):
        found[-1] = (published, status, body)
    return found


def _status(label):
    return IncidentStatus(label.lower().replace(" ", "_"))


def _moment(words, year):
    plain = " ".join(re.sub("<[^>]*>", "", words).split())
    return datetime.strptime(f"{year} {plain}", "%Y %b %d, %H:%M").replace(tzinfo=UTC)


# ── imported ───────────────────────────────────────────────────────────────────

IMPORTED = PROJECT / "tests/samples/statuspage"
FEEDS = sorted([*IMPORTED.glob("*/*.atom"), *IMPORTED.glob("*/*.rss")])
ATOM = f"{{{NAMESPACE['a']}}}"


@on_sqlite
@pytest.mark.parametrize("feed", FEEDS, ids=lambda path: path.name)
def test_a_recorded_feed_that_was_imported_comes_out_entry_by_entry(app, client, feed):
    """But for what reads alike: blanks, breaks at an end, `&amp;`, and links of bare addresses."""
    recorded = etree.parse(feed).getroot()
    links = [
        element.get("href") or element.text for element in recorded.iter(f"{ATOM}link", "link")
    ]
    app.config["SETTINGS"] = app.config["SETTINGS"].model_copy(
        update={"base_url": links[-1].partition("/incidents/")[0]}
    )
    importing.run(app, str(feed))
    ours = etree.fromstring(client.get(f"/history{feed.suffix}").data)

    assert list(_entries(ours)) == list(_entries(recorded))


def _entries(root):
    for entry in root.iter(f"{ATOM}entry", "item"):
        yield [(child.tag, dict(child.attrib), _readable(child.text or "")) for child in entry]


def _readable(text):
    unlinked = re.sub(r'<a href="([^"]*)"[^>]*>\1</a>', r"\1", html.unescape(text))
    tight = re.sub(r"\s*(<[^>]*>)\s*", r"\1", " ".join(unlinked.split()))
    return re.sub(r"(?<=</strong>-)(?: |<br />)+|(<br />)+(?=</p>)", "", tight)
