"""What staff and strangers type, in every form of the page, in mails and in mirrors: nothing
runs, nothing leaks."""

import json
from datetime import timedelta
from email import message_from_bytes, policy
from html.parser import HTMLParser

import sqlalchemy as sa
from lxml import etree

from statuspage.db import db
from statuspage.domain import page_settings
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM, Event
from statuspage.domain.incidents import corrections, drafts, postmortems
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Facts, UpdateInput
from statuspage.domain.incidents.postmortems import Action, Part
from statuspage.domain.statuses import IncidentStatus
from statuspage.domain.subscribers import subscriptions as subscribers
from statuspage.domain.subscribers.subscriptions import Channel, Contact
from statuspage.export.sitemap import Sitemap
from statuspage.notify import email_examples, message
from statuspage.notify.channels import email
from statuspage.notify.message import MessageKind
from tests.conftest import on_sqlite
from tests.export.conftest import a_mirror, bring
from tests.helpers import site

pytestmark = on_sqlite

EVIL = (
    "</title></style></script><script>run()</script><img src=x onerror=run()>"
    "\"' onfocus=run() autofocus x=\" <svg/onload=run()> ]]><a href='javascript:run()'>a</a>"
)
# Links with other schemes are refused before they are stored.
EVIL_BODY = f"<javascript:run()> ![c](x.example/onerror=run) [d](tel:onclick=run)\n\n{EVIL}"
SHORT = "</title><script>run()</script><img src=x onerror=run()>\"'"
SECRET = "only-insiders-may-read-this"


class Runs(HTMLParser):
    """Whatever in an HTML text would run."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            link = (value or "").strip().lower()
            if name.startswith("on") or link.startswith(("javascript:", "data:text")):
                self.found.append((tag, name, value))
        said = dict(attrs)
        # Of type text/plain it is data for a script of ours.
        is_script = tag == "script" and not said.get("src") and said.get("type") != "text/plain"
        if tag in ("object", "base") or is_script:
            self.found.append((tag, attrs))

    handle_startendtag = handle_starttag


def texts(answer):
    """The HTML texts of an answer; fails where it is not well formed."""
    kind = answer.content_type
    if "json" in kind:
        json.loads(answer.text)
    elif "xml" in kind or "svg" in kind:
        root = etree.fromstring(answer.data)
        names = {etree.QName(element).localname for element in root.iter(etree.Element)}
        assert "script" not in names
        for element in root.iter(etree.Element):
            assert not [name for name in element.attrib if name.startswith("on")]
            # Readers take both of RSS for HTML.
            is_html = etree.QName(element).localname in ("encoded", "description")
            if element.get("type") == "html" or is_html:
                yield "".join(element.itertext())
    elif "html" in kind:
        yield answer.text


def evil_world(at):
    page_settings.create(SHORT, time_zone="UTC", by=SYSTEM, at=at)
    group = components.add_group(EVIL, description=EVIL, by=SYSTEM, at=at)
    component = site.a_component(EVIL, at, group=group, description=EVIL)
    opened = incidents.open_incident(
        EVIL,
        UpdateInput(
            status=IncidentStatus.INVESTIGATING,
            body=EVIL_BODY,
            claims={component: site.PARTIAL},
            facts=Facts(EVIL, EVIL, EVIL),
        ),
        by=SYSTEM,
        at=at,
    )
    past = site.a_past_incident(component, at - timedelta(days=2), at, name=EVIL)
    postmortem = postmortems.save(
        past,
        {Part.SUMMARY: EVIL_BODY, Part.ROOT_CAUSE: EVIL_BODY},
        [Action(EVIL)],
        expected_version=None,
        by=SYSTEM,
        at=at,
    )
    postmortems.publish(postmortem, by=SYSTEM, at=at)
    planned = site.a_maintenance(component, at, at + timedelta(days=1))
    wrong = site.a_past_incident(component, at - timedelta(days=3), at, name=EVIL)
    corrections.retract(wrong, reason=EVIL, by=SYSTEM, at=at)
    draft = drafts.create(SECRET, UpdateInput(opened.status, SECRET), by=SYSTEM, at=at)
    contact = Contact.of(Channel.EMAIL, f"{SECRET}@example.net")
    subscribers.add(contact, by=SYSTEM, at=at, is_confirmed=True)
    public = [each.public_id for each in (opened, past, planned)]
    return component.public_id, public, wrong.public_id, draft.public_id


def test_nothing_that_is_typed_runs_and_nothing_hidden_is_told(app, client, committed, at):
    with committed():
        component, public, wrong, draft = evil_world(at)
    sitemap = Sitemap.of(app)
    addresses = {*sitemap.after_changes(), *sitemap.after_releases()}
    addresses |= {*sitemap.of_component(component)}
    for public_id in public:
        addresses |= {f"/incidents/{public_id}{form}" for form in ("", ".rss", ".atom", ".json")}
        addresses.add(f"/api/v2/incidents/{public_id}.json")
    walked = 0
    for address in sorted({*addresses, f"/incidents/{wrong}"}):
        with client.get(address) as answer:
            assert answer.status_code < 500, address
            if answer.mimetype == "image/png":
                continue
            assert SECRET not in answer.text.replace("\n ", ""), address
            assert draft not in answer.text, address
            for text in texts(answer):
                walked += "run()" in text
                assert not Runs(text).found, (address, Runs(text).found)
    assert walked > 20
    assert client.get(f"/incidents/{draft}").status_code == 404


def test_stored_text_never_runs_in_email_or_adds_a_header(app, committed, at):
    with committed():
        evil_world(at)
    base = app.config["SETTINGS"].base_url
    reader = email_examples.reader("bea@example.com", base)
    walked = 0
    with app.app_context():
        for event in db.session.scalars(sa.select(Event)):
            told = message.of(event, at=at, base_url=base)
            if told is None or told.kind is MessageKind.COMPONENT:
                continue
            composed = email.compose(told, reader, sender="status@example.com", host="example.com")
            mail = message_from_bytes(composed.as_bytes(), policy=policy.default)
            assert mail.keys() == composed.keys()
            assert mail["To"] == "bea@example.com"
            text = mail.get_body(("html",)).get_content()
            walked += "run()" in text
            assert not Runs(text).found
            assert SECRET not in text
    assert walked >= 3


def test_stored_text_never_runs_in_an_export(app, committed, at, tmp_path):
    with committed():
        evil_world(at)
    mirror = a_mirror(app, tmp_path / "work", f"file:{tmp_path / 'public'}")
    assert bring(mirror) == [True]
    walked = 0
    for file in (tmp_path / "public").rglob("*.html"):
        text = file.read_text()
        walked += "run()" in text
        assert SECRET not in text
        assert not Runs(text).found, file
    assert walked > 5
