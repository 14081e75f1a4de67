"""Telling customers of trouble: open, update, resolve, reopen, keep as a draft."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from statuspage import clock
from statuspage.db import db
from statuspage.domain.claims import OPERATIONAL, Claim
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import drafts
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Facts, UpdateInput
from statuspage.domain.staff.members import Role
from statuspage.domain.statuses import ComponentStatus, Impact, IncidentStatus
from statuspage.page.html.charts import GLYPHS
from statuspage.web.admin import placeholders
from tests.conftest import on_sqlite
from tests.helpers.admin import BASE, fields_of, text_of
from tests.helpers.apps import create_app


def affected(component, status="partial_outage", share="12 %", scope=""):
    """The fields of a ticked component row."""
    return {
        f"claim-{component}-on": "on",
        f"claim-{component}-status": status,
        f"claim-{component}-share": share,
        f"claim-{component}-scope": scope,
    }


def an_opening(world, **more):
    return {
        "name": "Card payments declined",
        "status": "investigating",
        "body": "Some *card payments* are declined.",
        "promise": "30",
        "action": "publish",
        **affected(world.cards, scope="EU cards"),
        **more,
    }


def an_update(world, **more):
    return {
        "status": "identified",
        "body": "A bad deploy. We are rolling back.",
        "promise": "60",
        "action": "publish",
        **affected(world.cards),
        **more,
    }


def test_one_form_opens_an_incident(ann, world, stored, status_of, at):
    answer = ann.post(
        "/admin/incidents",
        an_opening(
            world,
            who_is_affected="EU cards",
            what_still_works="Bank transfers",
            what_you_can_do="Pay by transfer",
            started_at="2026-03-10T12:30",
        ),
    )
    assert answer.status_code == 303
    page = text_of(ann.get(answer.location))
    assert "Published." in page
    assert "Some card payments are declined." in page
    assert "Partial outage, 12 %, EU cards" in page
    incident = stored(lambda: incidents.get(answer.location.rpartition("/")[2]))
    assert incident.what_you_can_do == "Pay by transfer"
    assert incident.next_update_by == at + timedelta(minutes=30)
    assert incident.started_at == datetime(2026, 3, 10, 11, 30, tzinfo=UTC), "12:30 in Vienna"
    assert incident.updates[0].posted_by == "Ann"
    expected = Claim(ComponentStatus.PARTIAL_OUTAGE, Decimal(12), "EU cards")
    assert status_of(world.cards) == expected


def test_draft_is_not_public_until_published(ann, world, stored, status_of):
    answer = ann.post("/admin/incidents", an_opening(world, action="save"))
    public_id = answer.location.rpartition("/")[2]
    assert stored(lambda: incidents.published()) == []
    assert status_of(world.cards) == OPERATIONAL

    form = fields_of(ann.get(answer.location), f"/admin/incidents/{public_id}/draft")
    assert form["body"] == "Some *card payments* are declined."
    assert form["promise"] == "30"
    form |= {"body": "Better words.", "action": "publish"}
    assert ann.post(f"/admin/incidents/{public_id}/draft", form).status_code == 303
    assert [one.updates[0].body for one in stored(lambda: incidents.published())] == [
        "Better words."
    ]
    assert status_of(world.cards).share == 12


def test_only_a_draft_can_be_deleted(ann, world, an_incident, stored):
    draft = ann.post("/admin/incidents", an_opening(world, action="save")).location
    draft_id = draft.rpartition("/")[2]
    assert ann.post(f"/admin/incidents/{draft_id}/discard").status_code == 303
    assert ann.get(draft).status_code == 404

    public_id = an_incident()
    assert ann.post(f"/admin/incidents/{public_id}/discard").status_code == 422
    assert stored(lambda: incidents.get(public_id)) is not None


def test_refused_incident_form_keeps_its_text(ann, world, stored):
    answer = ann.post(
        "/admin/incidents",
        an_opening(
            world,
            name="",
            started_at="2026-03-10 29:00",
            what_you_can_do="Use <b>cash</b> & wait",
            **affected(world.transfers, "major_outage", "a lot", "everybody"),
        ),
    )
    assert answer.status_code == 422
    page = answer.text
    form = fields_of(answer, "/admin/incidents")
    assert form["body"] == "Some *card payments* are declined."
    assert form["what_you_can_do"] == "Use <b>cash</b> & wait"
    assert form["started_at"] == "2026-03-10 29:00"
    assert form[f"claim-{world.transfers}-share"] == "a lot"
    assert form[f"claim-{world.transfers}-scope"] == "everybody"
    assert form[f"claim-{world.transfers}-status"] == "major_outage"
    assert form[f"claim-{world.cards}-on"] == "on"
    assert 'role="alert"' in page
    assert f'href="#claim-{world.transfers}-share"' in page
    assert 'aria-describedby="started_at-help started_at-error"' in page
    assert stored(lambda: incidents.unresolved()) == []


def test_domain_error_is_shown_at_its_field(ann, world):
    answer = ann.post("/admin/incidents", an_opening(world, name=" ", body=" "))
    assert answer.status_code == 422
    assert 'href="#name">Enter a name that' in answer.text
    assert 'href="#body">Write a message for customers' in answer.text


def test_share_above_100_is_refused_at_its_row(ann, world):
    answer = ann.post("/admin/incidents", an_opening(world, **affected(world.cards, share="120 %")))
    assert answer.status_code == 422
    assert f'href="#claim-{world.cards}-share">Card payments: The share must be' in answer.text


def test_shares_are_parsed_as_people_write_them(ann, world, status_of):
    cases = {"12,5%": "12.5", "7": "7", "0.25 %": "0.25", "100 %": "100"}
    for typed, meant in cases.items():
        ann.post("/admin/incidents", an_opening(world, **affected(world.api, share=typed)))
        public = status_of(world.api)
        assert public.share >= Decimal(meant)


def test_status_of_an_unticked_component_is_refused(ann, world):
    form = an_opening(world)
    form[f"claim-{world.api}-status"] = "major_outage"
    answer = ann.post("/admin/incidents", form)
    assert answer.status_code == 422
    assert "Tick the box as well" in answer.text


def test_update_changes_the_incident_status(ann, world, an_incident, stored, status_of, at):
    public_id = an_incident()
    answer = ann.post(f"/admin/incidents/{public_id}/updates", an_update(world))
    assert answer.status_code == 303
    page = text_of(ann.get(answer.location))
    assert "Update posted." in page
    assert "A bad deploy. We are rolling back." in page
    incident = stored(lambda: incidents.get(public_id))
    assert incident.status is IncidentStatus.IDENTIFIED
    assert incident.next_update_by == at + timedelta(hours=1)


def test_update_form_is_filled_with_the_current_state(ann, world, an_incident):
    public_id = an_incident(status=IncidentStatus.IDENTIFIED)
    form = fields_of(
        ann.get(f"/admin/incidents/{public_id}"), f"/admin/incidents/{public_id}/updates"
    )
    assert form["status"] == "identified"
    assert form["body"] == ""
    assert form[f"claim-{world.cards}-on"] == "on"
    assert form[f"claim-{world.cards}-share"] == "12 %"
    assert f"claim-{world.api}-on" not in form


def test_resolving_lists_what_it_releases_beforehand(ann, world, an_incident, status_of):
    public_id = an_incident()
    an_incident("Something else", claims={world.cards: Claim(ComponentStatus.MAJOR_OUTAGE)})
    before = text_of(ann.get(f"/admin/incidents/{public_id}"))
    assert "Resolved releases Payments › Card payments (still Major outage" in before

    preview = ann.post(
        f"/admin/incidents/{public_id}/updates/preview", an_update(world, status="resolved")
    )
    assert "Released when you publish" in preview.text
    assert "still Major outage because of Something else" in text_of(preview)

    ann.post(f"/admin/incidents/{public_id}/updates", an_update(world, status="resolved"))
    assert status_of(world.cards).status is ComponentStatus.MAJOR_OUTAGE


def test_resolving_the_only_incident_releases_its_components(ann, world, an_incident, status_of):
    public_id = an_incident()
    ann.post(f"/admin/incidents/{public_id}/updates", an_update(world, status="resolved"))
    assert status_of(world.cards) == OPERATIONAL


def test_update_after_resolved_reopens(ann, world, an_incident, stored, status_of):
    public_id = an_incident()
    ann.post(f"/admin/incidents/{public_id}/updates", an_update(world, status="resolved"))
    ann.post(f"/admin/incidents/{public_id}/updates", an_update(world, status="investigating"))
    incident = stored(lambda: incidents.get(public_id))
    assert not incident.is_over
    assert incident.resolved_at is None
    assert status_of(world.cards).status is ComponentStatus.PARTIAL_OUTAGE


def test_a_share_left_from_a_worse_status_ends_with_it(ann, world, an_incident, status_of):
    public_id = an_incident()
    ann.post(f"/admin/incidents/{public_id}/updates", an_update(world, status="resolved"))
    milder = affected(world.cards, status="degraded_performance", share="12 %")
    ann.post(
        f"/admin/incidents/{public_id}/updates", an_update(world, status="monitoring", **milder)
    )
    assert status_of(world.cards) == Claim(ComponentStatus.DEGRADED_PERFORMANCE)
    stated = affected(world.cards, status="degraded_performance", share="5 %")
    ann.post(
        f"/admin/incidents/{public_id}/updates", an_update(world, status="monitoring", **stated)
    )
    assert status_of(world.cards).share == 5


def test_facts_can_be_told_with_an_update(ann, world, an_incident, stored):
    public_id = an_incident()
    ann.post(
        f"/admin/incidents/{public_id}/updates",
        an_update(world, what_you_can_do="Pay by transfer."),
    )
    assert stored(lambda: incidents.get(public_id).what_you_can_do) == "Pay by transfer."


def test_unknown_next_update_is_refused_with_a_sentence(ann, world):
    answer = ann.post("/admin/incidents", an_opening(world, promise="9" * 40))
    assert answer.status_code == 422
    assert "Choose when the next update is due." in answer.text


def test_preview_shows_the_public_text_and_saves_nothing(ann, world, an_incident, stored):
    public_id = an_incident()
    answer = ann.post(
        f"/admin/incidents/{public_id}/updates/preview",
        an_update(world, body="It is the **new** firewall that stops them."),
    )
    assert answer.status_code == 200
    assert "<strong>new</strong>" in answer.text
    page = text_of(answer)
    assert "✓ Says what customers notice" in page
    assert "✓ Says when the next update comes" in page
    assert "· No workaround yet" in page
    assert fields_of(answer, f"/admin/incidents/{public_id}/updates")["body"].startswith("It is")
    assert len(stored(lambda: incidents.get(public_id).updates)) == 1


def test_checklist_follows_the_typed_text(ann, world):
    answer = ann.post(
        "/admin/incidents/preview",
        an_opening(world, body="Down.", promise="", what_you_can_do="Pay by transfer"),
    )
    page = text_of(answer)
    assert "· Does not yet say what customers notice" in page
    assert "· Does not say when the next update comes" in page
    assert "✓ Gives a workaround" in page


def test_markup_in_a_message_is_escaped(ann, world):
    page = ann.post(
        "/admin/incidents/preview", an_opening(world, body="<script>alert(1)</script> hello")
    ).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_draft_update_keeps_message_status_components_and_next_update(
    ann, world, an_incident, stored
):
    public_id = an_incident()
    address = f"/admin/incidents/{public_id}/updates"
    draft = an_update(world, action="save", promise="120", status="monitoring")
    draft |= affected(world.transfers, "degraded_performance", "")
    assert ann.post(address, draft).status_code == 303
    assert stored(lambda: incidents.get(public_id).status) is IncidentStatus.INVESTIGATING

    form = fields_of(ann.get(f"/admin/incidents/{public_id}"), address)
    assert form["body"] == "A bad deploy. We are rolling back."
    assert (form["status"], form["promise"]) == ("monitoring", "120")
    assert form[f"claim-{world.transfers}-status"] == "degraded_performance"

    ann.post(address, {**form, "action": "publish"})
    updates = stored(lambda: [one.is_draft for one in incidents.get(public_id).updates])
    assert updates == [False, False]


def test_draft_update_can_be_deleted(ann, world, an_incident, stored):
    public_id = an_incident()
    ann.post(f"/admin/incidents/{public_id}/updates", an_update(world, action="save"))
    assert ann.post(f"/admin/incidents/{public_id}/updates/discard").status_code == 303
    assert len(stored(lambda: incidents.get(public_id).updates)) == 1


@on_sqlite
def test_draft_update_applies_its_facts_when_posted(ann, world, an_incident, stored):
    before = Facts("EU cards", "Bank transfers", None)
    public_id = an_incident(facts=before)
    address = f"/admin/incidents/{public_id}/updates"
    draft = an_update(
        world,
        action="save",
        who_is_affected="",
        what_still_works="Bank transfers",
        what_you_can_do="Pay by transfer.",
    )
    assert ann.post(address, draft).status_code == 303
    assert stored(lambda: incidents.get(public_id).facts) == before

    form = fields_of(ann.get(f"/admin/incidents/{public_id}"), address)
    assert form["who_is_affected"] == ""
    assert form["what_still_works"] == "Bank transfers"
    assert form["what_you_can_do"] == "Pay by transfer."

    ann.post(address, {**form, "action": "publish"})
    after = Facts(None, "Bank transfers", "Pay by transfer.")
    assert stored(lambda: incidents.get(public_id).facts) == after


@on_sqlite
def test_draft_update_does_not_restore_unchanged_facts(ann, world, an_incident):
    public_id = an_incident(facts=Facts("EU cards", "Bank transfers", None))
    page, address = f"/admin/incidents/{public_id}", f"/admin/incidents/{public_id}/updates"
    form = fields_of(ann.get(page), address)
    ann.post(address, {**form, "action": "save", "body": "Soon.", "what_you_can_do": "Wait."})
    edit = fields_of(ann.get(f"{page}/edit"))
    ann.post(f"{page}/edit", {**edit, "who_is_affected": "All cards"})

    form = fields_of(ann.get(page), address)
    assert (form["body"], form["what_you_can_do"]) == ("Soon.", "Wait.")
    assert form["who_is_affected"] == "All cards"


@on_sqlite
def test_overlong_fact_of_a_draft_is_refused_and_kept(ann, world, an_incident, stored):
    public_id = an_incident()
    address = f"/admin/incidents/{public_id}/updates"
    answer = ann.post(address, an_update(world, action="save", what_you_can_do="x" * 301))
    assert answer.status_code == 422
    assert fields_of(answer, address)["what_you_can_do"] == "x" * 301
    assert stored(lambda: drafts.update_of(incidents.get(public_id))) is None


def test_incident_list_is_searched_and_paged(ann, world, an_incident):
    for number in range(27):
        an_incident(f"Trouble {number:02}", claims={})
    an_incident("100% different_name", claims={})
    first = ann.get("/admin/incidents")
    assert "Page 1 of 2" in first.text
    assert "Trouble 00" not in first.text or "100% different" not in first.text
    second = ann.get("/admin/incidents?page=2")
    assert "Page 2 of 2" in second.text
    found = text_of(ann.get("/admin/incidents?q=100%25"))
    assert "100% different_name" in found
    assert "Trouble 01" not in found
    assert "No incident’s name contains" in text_of(ann.get("/admin/incidents?q=zzz"))
    assert ann.get("/admin/incidents?page=-5").status_code == 200
    assert ann.get("/admin/incidents?page=abc").status_code == 200


def test_impact_can_be_overridden(ann, world, stored):
    answer = ann.post("/admin/incidents", an_opening(world, impact_override="critical"))
    public_id = answer.location.rpartition("/")[2]
    assert stored(lambda: incidents.get(public_id).impact) is Impact.CRITICAL


@on_sqlite
def test_overview_lists_what_is_due(ann, world, an_incident, traveller, committed):
    with committed():
        late = incidents.open_incident(
            "Late promise",
            UpdateInput(
                status=IncidentStatus.INVESTIGATING,
                body="Words.",
                next_update_by=clock.now() + timedelta(minutes=5),
            ),
            by=SYSTEM,
            at=clock.now(),
        )
        drafts.create(
            "Half written",
            UpdateInput(IncidentStatus.INVESTIGATING, "Words."),
            by=SYSTEM,
            at=clock.now(),
        )
        done = incidents.open_incident(
            "Big one",
            UpdateInput(
                status=IncidentStatus.INVESTIGATING,
                body="Words.",
                claims={components.get(world.api): Claim(ComponentStatus.MAJOR_OUTAGE)},
            ),
            by=SYSTEM,
            at=clock.now() - timedelta(hours=3),
        )
        incidents.post_update(
            done,
            UpdateInput(status=IncidentStatus.RESOLVED, body="Over."),
            by=SYSTEM,
            at=clock.now() - timedelta(hours=1),
        )
        assert late
    page = text_of(ann.get("/admin/"))
    assert "Next update due by 13:05, in 5 minutes" in page
    assert "Half written Draft, visible to staff only" in page
    assert "Big one No postmortem yet" in page
    traveller.shift(600)
    assert "Next update is 5 minutes late" in text_of(ann.get("/admin/"))


@on_sqlite
def test_overview_shows_the_public_banner(ann, an_incident):
    assert "All systems operational" in text_of(ann.get("/admin/"))
    an_incident("Cards declined")
    answer = ann.get("/admin/")
    page = text_of(answer)
    assert "Cards declined Partial outage since" in page
    assert "Everything else is operational." in page
    # Not by colour alone: the sign of the status page, and of no other status.
    signs = [tone for tone, outline in GLYPHS.items() if f'd="{outline}"' in answer.text]
    assert signs == ["partial"]


@on_sqlite
def test_viewer_reads_incidents_without_forms(person, an_incident):
    page = person(Role.VIEWER, "Vi").get(f"/admin/incidents/{an_incident()}").text
    assert "Some card payments are declined." in page
    assert "Publish update" not in page


@on_sqlite
def test_long_component_list_shows_only_affected_ones(ann, world, committed, an_incident, at):
    with committed():
        for number in range(12):
            components.add_component(f"Part {number}", by=SYSTEM, at=at)
    page = ann.get(f"/admin/incidents/{an_incident()}").text
    assert "14 more components" in page
    assert page.index(f"claim-{world.cards}-on") < page.index("14 more components")


@on_sqlite
def test_unknown_choice_is_refused(ann, world, stored):
    for field in ("status", "promise", "impact_override", f"claim-{world.cards}-status"):
        answer = ann.post("/admin/incidents", an_opening(world, **{field: "purple"}))
        assert answer.status_code == 422, field
        assert "Choose" in answer.text
    assert stored(lambda: incidents.unresolved()) == []


@on_sqlite
def test_a_ticked_component_is_degraded_unless_staff_choose(ann, world, stored, status_of):
    sent = an_opening(world)
    del sent[f"claim-{world.cards}-status"]
    sent[f"claim-{world.cards}-share"] = ""
    assert fields_of(ann.get("/admin/incidents/new"), "/admin/incidents")[
        f"claim-{world.cards}-status"
    ] == ("degraded_performance")
    assert ann.post("/admin/incidents", sent).status_code == 303
    assert status_of(world.cards).status is ComponentStatus.DEGRADED_PERFORMANCE


@on_sqlite
def test_reporting_an_operational_component_asks_how_it_is_affected(ann, world):
    refused = ann.post(
        "/admin/incidents", an_opening(world, **affected(world.cards, "operational", ""))
    )
    assert refused.status_code == 422
    assert "Choose how it is affected, or untick it." in text_of(refused)


@on_sqlite
def test_a_component_that_recovered_may_be_set_to_operational(ann, world, an_incident, status_of):
    public_id = an_incident()
    update = an_update(world, **affected(world.cards, "operational", ""))
    assert ann.post(f"/admin/incidents/{public_id}/updates", update).status_code == 303
    assert status_of(world.cards) == OPERATIONAL


@on_sqlite
def test_component_rows_stand_in_the_order_of_the_page(ann, committed, at):
    with committed():
        for group_name in ("Shipping", "Developers"):
            group = components.add_group(group_name, by=SYSTEM, at=at)
            for name in ("first", "second"):
                components.add_component(f"{group_name} {name}", group=group, by=SYSTEM, at=at)
    order = [
        "Card payments",
        "Bank transfers",
        "API",
        "Shipping first",
        "Shipping second",
        "Developers first",
        "Developers second",
    ]
    for path in ("/admin/incidents/new", "/admin/incidents/backfill", "/admin/maintenance/new"):
        page = text_of(ann.get(path))
        places = [page.index(name) for name in order]
        assert places == sorted(places), path


@on_sqlite
def test_a_discarded_draft_can_be_brought_back(ann, world, stored):
    facts = {"who_is_affected": "EU cards", "impact_override": "critical", "action": "save"}
    draft_id = ann.post("/admin/incidents", an_opening(world, **facts)).location.rpartition("/")[2]
    before = fields_of(
        ann.get(f"/admin/incidents/{draft_id}"), f"/admin/incidents/{draft_id}/draft"
    )
    page = ann.client.post(
        f"/admin/incidents/{draft_id}/discard",
        data={"csrf_token": ann.token()},
        base_url=BASE,
        headers={"Referer": f"{BASE}/admin/"},
        follow_redirects=True,
    )
    assert stored(lambda: incidents.get(draft_id)) is None
    undo = re.search(r'action="(/admin/incidents/drafts/\d+/restore)"', page.text)[1]
    assert "Undo" in page.text
    assert ann.post(undo).location == f"/admin/incidents/{draft_id}"
    after = fields_of(ann.get(f"/admin/incidents/{draft_id}"), f"/admin/incidents/{draft_id}/draft")
    for form in (before, after):
        del form["nonce"], form["csrf_token"]
    assert after == before
    assert ann.post(undo).status_code == 422, "it is back already"


@on_sqlite
def test_a_discarded_draft_update_can_be_brought_back(ann, world, an_incident, stored):
    public_id = an_incident()
    page, address = f"/admin/incidents/{public_id}", f"/admin/incidents/{public_id}/updates"
    ann.post(address, an_update(world, action="save", who_is_affected="EU cards"))
    before = fields_of(ann.get(page), address)
    ann.post(f"{address}/discard")
    assert stored(lambda: drafts.update_of(incidents.get(public_id))) is None
    undo = re.search(rf'action="({address}/\d+/restore)"', ann.get(page).text)[1]
    assert ann.post(undo).status_code == 303
    after = fields_of(ann.get(page), address)
    for form in (before, after):
        del form["nonce"], form["csrf_token"]
    assert after == before


@on_sqlite
def test_placeholders_left_in_are_named_and_do_not_block(ann, world):
    sent = an_opening(world, body="Since TIME some labels for REGION fail at our API in the EU.")
    preview = ann.post("/admin/incidents/preview", sent)
    assert "Still has placeholders: TIME, REGION" in text_of(preview)
    assert "✓ Says what customers notice" not in text_of(preview)
    assert ann.post("/admin/incidents", sent).status_code == 303
    clean = ann.post("/admin/incidents/preview", an_opening(world, body="Our API fails in the EU."))
    assert "placeholders" not in text_of(clean)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("We are WHAT WE ARE DOING.", ["WHAT WE ARE DOING"]),
        ("Until then, WORKAROUND. Since TIME and TIME.", ["WORKAROUND", "TIME"]),
        (
            "From [start] to {{ end }}, <region>, XX % or ___",
            ["[start]", "{{ end }}", "<region>", "XX", "___"],
        ),
        ("HTTP and JSON errors in the EU, [details](https://example.com).", []),
    ],
)
def test_placeholders_are_told_from_names(text, left):
    assert placeholders.left_in(text) == left


@on_sqlite
@pytest.mark.parametrize("path", ["/history", "/history.atom", "/api/v2/incidents.json"])
def test_a_page_nobody_asked_for_yet_shows_a_new_incident_at_once(ann, world, settings, path):
    """Through the cache as it runs in production, with its watcher."""
    app = create_app(settings)
    reader = app.test_client()
    assert reader.get("/").status_code == 200
    assert ann.post("/admin/incidents", an_opening(world)).status_code == 303
    assert "Card payments declined" in reader.get(path).text
    with app.app_context():
        db.engine.dispose()


@on_sqlite
@pytest.mark.parametrize(("share", "expected"), [("12 %", None), ("40 %", Decimal(40)), ("", None)])
def test_a_share_ends_with_its_status(ann, world, an_incident, status_of, share, expected):
    """12 % was said of the partial outage."""
    public_id = an_incident()
    address = f"/admin/incidents/{public_id}/updates"
    ann.post(address, an_update(world, status="resolved"))
    again = an_update(world, **affected(world.cards, "degraded_performance", share))
    assert ann.post(address, again).status_code == 303
    assert status_of(world.cards) == Claim(ComponentStatus.DEGRADED_PERFORMANCE, expected)
