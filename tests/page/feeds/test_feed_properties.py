"""Whatever is written and whatever happens, feeds stay valid and entries stay what they were."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statuspage.domain import page_settings
from statuspage.domain.claims import Claim
from statuspage.domain.components import verbs as components
from statuspage.domain.components.verbs import ComponentEdit
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import corrections, postmortems
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.corrections import REDACTED
from statuspage.domain.incidents.models import Facts, IncidentEdit, Moment, UpdateInput
from statuspage.domain.incidents.postmortems import Part
from statuspage.domain.statuses import INCIDENT_STEPS, ComponentStatus, IncidentStatus
from statuspage.errors import Invalid
from tests.conftest import on_sqlite
from tests.helpers.feed_rules import CHECKS, check_json_feed

SITE = "https://status.example.com"

same_examples = settings(
    max_examples=15,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

NASTY = [
    "]]>",
    "<![CDATA[",
    "<script>alert(1)</script>",
    "&amp;&nbsp;&#0;&#xD800;",
    "\u202eright to left\u200f",
    "\x00\x0b\x1b\x7f",
    "\ud800",
    "\ufffe\uffff\U0001fffe",
    "🔥👩‍👩‍👧",
    "\u2028\u2029",
    "<?xml-stylesheet?>",
    "[x](//evil.example/) [y](https://fine.example/?a=1&b=2)",
    "| a |\n|---|\n| b |",
    "- a\n- b\n\n```\n<b>\n```",
]
anything = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(exclude_categories=()), max_size=30),
)
words = st.lists(anything, min_size=1, max_size=3).map(lambda parts: "x " + " ".join(parts))


@pytest.fixture
def northwind(committed):
    at = datetime(2026, 1, 1, tzinfo=UTC)
    with committed():
        page_settings.create("Northwind", by=SYSTEM, at=at, time_zone="Europe/Vienna")
        components.add_component("Search", by=SYSTEM, at=at)


@pytest.fixture
def forget(app):
    """Publish nothing of earlier examples again: each would make the next one slower."""
    return app.extensions["published"]._entries.clear


@pytest.fixture
def tick():
    """One minute later with each call, through all examples."""
    minutes = itertools.count(1)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return lambda: start + timedelta(minutes=next(minutes))


@on_sqlite
@same_examples
@given(name=words, body=words, scope=words, reason=words, data=st.data())
def test_any_text_makes_valid_feeds(
    client, committed, northwind, forget, tick, name, body, scope, reason, data
):
    forget()
    with committed():
        component = components.listed()[0]
        incident = incidents.open_incident(
            name,
            UpdateInput(
                status=IncidentStatus.INVESTIGATING,
                body=body,
                claims={component: Claim(ComponentStatus.PARTIAL_OUTAGE, scope=scope[:100])},
                facts=Facts(*(data.draw(st.none() | words, label=fact) for fact in "abc")),
            ),
            by=SYSTEM,
            at=tick(),
        )
        corrections.edit_update(
            incident.updates[0],
            body=body + " y",
            expected_version=1,
            reason=reason,
            by=SYSTEM,
            at=tick(),
        )
        one, other = incident.public_id, component.public_id
    for stem in (f"/incidents/{one}", f"/components/{other}", "/feeds/updates", "/history"):
        for form, check in CHECKS.items():
            address = f"{stem}.{form}"
            if address != "/history.json":
                assert check(client.get(address).data, SITE + address)


STEPS = ("update", "edit", "rename", "correct", "postmortem", "redact", "rename component")


@on_sqlite
@same_examples
@given(steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=7), data=st.data())
def test_published_feed_entry_never_changes(
    client, committed, northwind, forget, tick, steps, data
):
    forget()
    with committed():
        opened = incidents.open_incident(
            "Search is slow",
            UpdateInput(status=IncidentStatus.INVESTIGATING, body="We look into a-secret-word."),
            by=SYSTEM,
            at=tick(),
        )
        address = f"/incidents/{opened.public_id}.json"
    seen = _entries(client, address)
    for step in steps:
        with committed():
            incident = incidents.get(opened.public_id)
            rewritten = _take(step, incident, tick(), data)
        now = _entries(client, address)
        assert seen.keys() <= now.keys()
        for permanent_id, before in seen.items():
            after = now[permanent_id]
            for lasting in ("id", "url", "date_published", "tags"):
                assert after[lasting] == before[lasting]
            if after != before:
                assert after["url"].endswith(rewritten or "nothing may change"), step
                assert step == "redact" or after["date_modified"] > before["date_modified"]
                assert after["title"] == before["title"]
        seen = now
    for form in ("atom", "rss"):
        narrow = address.replace("json", form)
        assert len(CHECKS[form](client.get(narrow).data, SITE + narrow)) == len(seen)


def _entries(client, address):
    return {item["id"]: item for item in check_json_feed(client.get(address).data, SITE + address)}


def _take(step, incident, at, data):
    """Do it, and return the end of the one link whose entry it may rewrite."""
    body = data.draw(words, label=step)
    update = data.draw(st.sampled_from(list(incident.updates)), label="of")
    match step:
        case "update":
            status = data.draw(st.sampled_from(INCIDENT_STEPS))
            claim = Claim(data.draw(st.sampled_from(ComponentStatus)))
            incidents.post_update(
                incident,
                UpdateInput(
                    status=status,
                    body=body,
                    claims={components.listed()[0]: claim},
                    facts=Facts(what_you_can_do=body[:200]),
                ),
                by=SYSTEM,
                at=at,
            )
        case "edit":
            corrections.edit_update(
                update, body=body, expected_version=update.version, by=SYSTEM, at=at
            )
            return f"update-{update.public_id}"
        case "rename":
            corrections.edit_incident(
                incident,
                IncidentEdit(
                    name=body, facts=Facts(body), next_update_by=None, impact_override=None
                ),
                expected_version=incident.version,
                by=SYSTEM,
                at=at,
            )
        case "correct":
            corrections.correct_moment(
                incident,
                Moment.STARTED,
                incident.started_at - timedelta(minutes=1),
                reason=body,
                by=SYSTEM,
                at=at,
            )
        case "postmortem" if incident.is_over:
            present = postmortems.of(incident)
            saved = postmortems.save(
                incident,
                {Part.SUMMARY: body, Part.ROOT_CAUSE: "x"},
                [],
                expected_version=present.version if present else None,
                by=SYSTEM,
                at=at,
            )
            postmortems.publish(saved, by=SYSTEM, at=at)
            return "#postmortem"
        case "redact":
            try:
                corrections.redact(incident, "a-secret-word", by=SYSTEM, at=at)
            except Invalid:  # Redacted or edited away already.
                return None
            first = incident.updates[-1]
            assert REDACTED in first.body or first.versions
            return f"update-{first.public_id}"
        case "rename component":
            component = components.listed()[0]
            components.edit_component(
                component,
                ComponentEdit(
                    name=body,
                    description=None,
                    group=None,
                    start_date=None,
                    showcase=True,
                    only_show_if_degraded=False,
                ),
                by=SYSTEM,
                at=at,
            )
    return None
