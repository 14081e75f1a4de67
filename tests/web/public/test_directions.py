"""Names and texts in scripts that run from right to left leave what surrounds them in order."""

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.statuses import IncidentStatus
from statuspage.lib.bidi import isolated
from tests.conftest import on_sqlite
from tests.helpers import site

ARABIC = "التخزين السحابي"
TURNING = "شحن\u202eabc"
TITLE = "تعذّر الدفع."
SCOPE = "أوروبا"


@pytest.mark.parametrize("name", [ARABIC, TURNING, "עברית 1", "a\u202eb"])
def test_a_name_that_turns_its_neighbours_is_isolated_in_plain_text(name):
    assert isolated(name) == f"\u2068{name}\u2069"


@pytest.mark.parametrize("name", ["Labels", "Überweisungen (EU) – 12 %", "决済", "Ελλάδα", "№ 5"])
def test_a_name_that_turns_nothing_stays_as_it_is(name):
    assert isolated(name) == name


class Surroundings(HTMLParser):
    """Where each of `words` stands: True if an element around it isolates."""

    def __init__(self, source, words):
        super().__init__()
        self.words, self.found, self.open = words, [], []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "link", "input", "br", "hr", "img"):
            self.open.append((tag, dict(attrs)))

    def handle_endtag(self, _tag):
        self.open.pop()

    def handle_data(self, data):
        if any(word in data for word in self.words):
            around = [tag == "bdi" or attrs.get("dir") == "auto" for tag, attrs in self.open]
            self.found.append((any(around) or "\u2068" in data, data))


@on_sqlite
def test_every_name_on_every_page_is_isolated(client, committed, at):
    with committed():
        site.a_page(at)
        rows = [site.a_component(name, at) for name in (ARABIC, TURNING)]
        claim = site.Claim(site.PARTIAL.status, None, SCOPE)
        opened = incidents.open_incident(
            TITLE,
            UpdateInput(
                status=IncidentStatus.INVESTIGATING,
                body=f"{TITLE} {ARABIC}",
                claims=dict.fromkeys(rows, claim),
            ),
            by=SYSTEM,
            at=at,
        )
        site.a_past_incident(rows[0], at - timedelta(days=2), at, name=TITLE)
        site.a_maintenance(rows[0], at, at + timedelta(days=1))
        paths = (
            "/",
            "/history",
            "/uptime",
            "/maintenance",
            "/subscribe",
            "/embed",
            f"/incidents/{opened.public_id}",
            f"/components/{rows[1].public_id}",
        )
    for path in paths:
        source = client.get(path).text
        found = Surroundings(source, (ARABIC, "شحن", TITLE, SCOPE)).found
        assert found, path
        assert [data for is_fine, data in found if not is_fine] == [], path
        for text in re.findall(r'(?:aria-label|<title>)="?([^"<]*)', source):
            assert ARABIC not in text or "\u2068" in text or text.startswith(ARABIC), text
    feed = client.get("/feeds/updates.rss").text
    assert f"\u2068{ARABIC}\u2069: Operational → Partial outage, \u2068{SCOPE}\u2069" in feed
