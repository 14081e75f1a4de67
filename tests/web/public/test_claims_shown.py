"""What the pages claim about now and the past, each claim on its own."""

import re
from datetime import date, timedelta
from itertools import pairwise

from statuspage.domain import page_settings
from statuspage.domain.components import claims_store
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import maintenance
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.statuses import IncidentStatus
from tests.conftest import on_sqlite
from tests.helpers import site
from tests.helpers.site import text_of

pytestmark = on_sqlite


def open_incident(name, claims, started_at, at):
    return incidents.open_incident(
        name,
        UpdateInput(status=IncidentStatus.INVESTIGATING, body="We look.", claims=claims),
        started_at=started_at,
        by=SYSTEM,
        at=at,
    )


def test_several_incidents_are_counted_and_every_troubled_component_is_linked(
    client, committed, at
):
    with committed():
        site.a_page(at)
        rows = [site.a_component(f"Part {n}", at) for n in range(8)]
        open_incident("Slow", {rows[0]: site.DEGRADED}, at - timedelta(minutes=40), at)
        broken = {rows[1]: site.MAJOR, rows[2]: site.PARTIAL, rows[3]: site.PARTIAL}
        open_incident("Broken", broken, at - timedelta(minutes=38), at)
        ids = [row.public_id for row in rows]
    answer = client.get("/")
    assert (
        "2 open incidents 1 major outage, 2 partial outages, 1 degraded."
        " 4 of 8 components are operational." in text_of(answer)
    )
    head = answer.text[answer.text.index('"state ') : answer.text.index("</section>")]
    assert "since" not in head
    assert re.findall(r'href="/components/(\w+)"', head) == [ids[1], ids[2], ids[3], ids[0]]
    assert "<title>Major outage · Northwind status</title>" in answer.text


def test_a_component_page_dates_its_status_and_not_its_trouble(client, committed, at):
    with committed():
        site.a_page(at)
        row = site.a_component("Labels", at)
        opened = open_incident("Labels", {row: site.DEGRADED}, at - timedelta(minutes=40), at)
        site.say(opened, "Worse.", at, row)
        path = f"/components/{row.public_id}"
    words = text_of(client.get(path))
    assert "Partial outage since 13:00 CET 12 % EU" in words
    assert "since 12:20" not in words


def test_a_new_component_has_no_data_before_its_creation(client, committed, at):
    with committed():
        site.a_page(at)
        row = components.add_component("New", by=SYSTEM, at=at - timedelta(days=2))
        site.a_past_incident(row, at - timedelta(days=5), at, claim=site.MAJOR)
        path = f"/components/{row.public_id}"
    assert "90 days: no problems, 87 without data" in client.get("/").text
    words = text_of(client.get(path))
    assert "87 days without data, before 8 Mar 2026." in words
    assert "No problems in this period." in words
    months = text_of(client.get("/uptime"))
    assert "New no data– no data– 100 100" in months
    assert "No data before 8 Mar 2026." in months


def test_a_start_that_was_set_is_kept(client, committed, at):
    with committed():
        site.a_page(at)
        components.add_component("Old", by=SYSTEM, at=at, start_date=date(2025, 1, 1))
    assert "90 days: no problems" in client.get("/").text
    assert "without data" not in client.get("/").text


def test_a_page_without_components_claims_nothing(client, committed, at):
    with committed():
        page_settings.create(page_settings.UNNAMED, by=SYSTEM, at=at)
    answer = client.get("/")
    words = text_of(answer)
    assert "Nothing is monitored here yet" in words
    assert "perational" not in words
    assert 'class="state none"' in answer.text
    assert "Subscribe" not in words
    assert "Sign in to name it and add components." in words
    assert "Nothing is monitored here yet" in text_of(client.get("/embed"))
    assert "<title>Status: Nothing monitored yet</title>" in client.get("/badge.svg").text


def test_maintenance_in_progress_is_told_with_its_end_under_the_banner(client, committed, at):
    with committed():
        site.a_page(at)
        row = site.a_component("Webhooks", at)
        site.a_component("API", at)
        planned = site.a_maintenance(row, at, at, hours=1)
        maintenance.advance(planned.public_id, at=at)
    words = text_of(client.get("/"))
    assert (
        "Webhook delivery moves to a new queue Scheduled maintenance until 14:00 CET."
        " Everything else is operational. Started 13:00 CET" in words
    )
    assert words.index("until 14:00") < words.index("Components")


def test_maintenance_that_overruns_says_so(client, committed, at, traveller):
    with committed():
        site.a_page(at)
        planned = site.a_maintenance(site.a_component("Webhooks", at), at, at, hours=1)
        maintenance.set_automation(planned, auto_start=True, auto_end=False, by=SYSTEM, at=at)
        maintenance.advance(planned.public_id, at=at)
    traveller.shift(timedelta(minutes=65))
    assert "Scheduled maintenance planned until 14:00 CET, 5 minutes over." in text_of(
        client.get("/")
    )


def test_maintenance_started_early_counts_from_its_real_start(client, committed, at, traveller):
    with committed():
        site.a_page(at)
        row = site.a_component("Webhooks", at)
        planned = site.a_maintenance(row, at - timedelta(days=1), at + timedelta(hours=2))
        incidents.post_update(
            planned,
            UpdateInput(
                status=IncidentStatus.IN_PROGRESS,
                body="We start early.",
                claims={row: maintenance.UNDER_MAINTENANCE},
            ),
            by=SYSTEM,
            at=at,
        )
        paths = f"/components/{row.public_id}", f"/incidents/{planned.public_id}"
    assert "until 16:00 CET. Started 13:00 CET" in text_of(client.get("/"))
    component, page = (text_of(client.get(path)) for path in paths)
    assert "Under maintenance since 13:00 CET" in component
    assert "In progress Started 13:00 CET" in page
    traveller.shift(timedelta(minutes=10))
    strip = "Webhooks over time: Operational, 12:55–13:00 CET"
    assert strip in client.get(paths[1]).text


def test_an_incident_with_a_postmortem_is_called_resolved(client, committed, at):
    with committed():
        site.a_page(at)
        row = site.a_component("API", at)
        past = site.a_past_incident(row, at - timedelta(days=1), at)
        site.a_postmortem(past, at)
        path = f"/incidents/{past.public_id}"
    for address in ("/", "/history"):
        assert "API · Resolved · Postmortem" in text_of(client.get(address)), address
    answer = client.get(path)
    assert re.search(r'<span class="pill ok">.*?</svg> Resolved</span>', answer.text)
    assert not re.search(r'<span class="pill ok">.*?</svg> Postmortem</span>', answer.text)


def test_internal_impact_is_not_shown(client, world):
    assert "Impact" not in text_of(client.get(f"/incidents/{world.open}"))


def test_the_length_of_the_outage_is_told_beside_the_time_to_full_recovery(client, committed, at):
    with committed():
        site.a_page(at)
        row = site.a_component("API", at)
        start = at - timedelta(hours=2)
        opened = open_incident("API", {row: site.MAJOR}, start, start)
        site.say(opened, "Better.", start + timedelta(minutes=49), row, site.DEGRADED)
        site.resolve(opened, start + timedelta(minutes=85))
        path = f"/incidents/{opened.public_id}"
    words = text_of(client.get(path))
    assert "Outage lasted 49 min Restored after 1 h 25 min" in words


def test_a_status_set_by_hand_is_named_beside_an_incident_of_another_component(
    client, committed, at
):
    with committed():
        site.a_page(at)
        api, mail = site.a_component("API", at), site.a_component("Mail", at)
        site.a_component("Web", at)
        claims_store.set_status(mail, site.DEGRADED, by=SYSTEM, at=at)
        open_incident("API is down", {api: site.MAJOR}, at, at)
    words = text_of(client.get("/"))
    assert "Major outage since 13:00 CET. Also affected: Mail (degraded performance)." in words
    assert "1 of 3 components is operational." in words


def test_equal_histories_share_a_strip_and_ticks_stay_apart(client, committed, at):
    with committed():
        site.a_page(at)
        rows = [site.a_component(name, at) for name in ("Events", "Tracking", "Webhooks", "API")]
        start = at - timedelta(hours=10)
        claims = dict.fromkeys(rows[:3], site.MAJOR) | {rows[3]: site.DEGRADED}
        opened = open_incident("Events", claims, start, start)
        for minute in range(31):
            incidents.post_update(
                opened,
                UpdateInput(
                    status=IncidentStatus.IDENTIFIED, body=f"Word {minute}.", claims=claims
                ),
                by=SYSTEM,
                at=start + timedelta(hours=5, minutes=minute),
            )
        path = f"/incidents/{opened.public_id}"
    source = client.get(path).text
    assert "Events, Tracking, Webhooks" in text_of(client.get(path))
    assert len(re.findall(r'<svg class="strip"', source)) == 2
    ticks = [float(x) for x in re.findall(r'<line x1="([\d.]+)%"', source)]
    assert 2 <= len(ticks) < 10
    assert all(later - tick >= 2 for tick, later in pairwise(ticks))


def test_the_words_of_an_incident_come_before_its_figures(client, world):
    words = text_of(client.get(f"/incidents/{world.open}"))
    assert words.index("Timeline") < words.index("First update after")
    assert "not recorded" not in words
    assert "not yet" not in words


def test_from_three_incidents_on_only_the_newest_update_of_each_is_told(client, committed, at):
    with committed():
        site.a_page(at)
        for number in range(3):
            row = site.a_component(f"Part {number}", at)
            opened = open_incident(f"Incident {number}", {row: site.DEGRADED}, at, at)
            site.say(opened, f"Newest of {number}.", at, row)
    words = text_of(client.get("/"))
    assert "We look." not in words
    for number in range(3):
        assert f"Newest of {number}." in words
    assert words.count("1 earlier update") == 3


def test_a_long_timeline_shows_the_newest_updates_and_folds_the_others_by_step(
    client, committed, at
):
    with committed():
        site.a_page(at)
        row = site.a_component("Events", at)
        opened = open_incident("Events are late", {row: site.MAJOR}, at, at)
        steps = [IncidentStatus.INVESTIGATING] * 3 + [IncidentStatus.IDENTIFIED] * 8
        for minute, status in enumerate(steps, 1):
            moment = at + timedelta(minutes=minute)
            site.say(opened, f"Word {minute}.", moment, row, status=status)
        path = f"/incidents/{opened.public_id}"
    source = client.get(path).text
    folds = re.findall(r'<details class="older".*?</details>', source, re.DOTALL)
    assert [re.findall(r"Word (\d+)\.", fold) for fold in folds] == [
        ["6", "5", "4"],
        ["3", "2", "1"],
    ]
    words = text_of(client.get(path))
    assert "Timeline 12 updates · In figures" in words
    assert "Identified 13:04–13:06 CET 3 updates" in words
    assert "Investigating 13:00–13:03 CET 4 updates" in words
    assert words.index("Word 7.") < words.index("3 updates") < words.index("Response so far")


def test_a_strip_has_a_label_where_a_status_changed_and_is_taller_the_worse_it_is(
    client, committed, at
):
    with committed():
        site.a_page(at)
        row = site.a_component("Events", at)
        start = at - timedelta(hours=4)
        opened = open_incident("Events are late", {row: site.DEGRADED}, start, start)
        for minute in (60, 70, 80):
            site.say(opened, "More.", start + timedelta(minutes=minute), row, site.DEGRADED)
        site.say(opened, "Worse.", start + timedelta(hours=2), row, site.MAJOR)
        path = f"/incidents/{opened.public_id}"
    source = client.get(path).text
    labels = re.findall(r"<text[^>]*>([^<]+)</text>", source)
    assert labels == ["09:00", "11:00"]
    rects = re.findall(r'<rect class="(\w+)"[^>]* height="(\d+)"', source)
    heights = {tone: int(height) for tone, height in rects}
    assert heights["ok"] < heights["degraded"] < heights["major"]


def test_actions_say_their_state_below_the_title_and_late_in_words(client, committed, at):
    with committed():
        site.a_page(at)
        past = site.a_past_incident(site.a_component("API", at), at - timedelta(days=20), at)
        site.a_postmortem(past, at - timedelta(days=18))
        path = f"/incidents/{past.public_id}"
    answer = client.get(path)
    assert "Rehearse failover Open, due 28 Feb, late" in text_of(answer)
    actions = answer.text[answer.text.index('<ul class="actions">') :]
    assert "#major" not in actions


def test_components_that_change_alike_share_a_line(client, committed, at):
    with committed():
        site.a_page(at)
        rows = [site.a_component(name, at) for name in ("Events", "Tracking", "Webhooks")]
        claims = dict.fromkeys(rows[:2], site.MAJOR) | {rows[2]: site.DEGRADED}
        open_incident("Events are late", claims, at, at)
    words = text_of(client.get("/"))
    assert "Events, Tracking: Operational → Major outage" in words
    assert "Webhooks: Operational → Degraded performance" in words
