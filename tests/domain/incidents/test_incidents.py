"""Incidents: what is told, put right, withdrawn and taken out."""

import json
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from threading import Barrier, Thread

import pytest
import sqlalchemy as sa

from statuspage.config import PROJECT
from statuspage.db import db
from statuspage.domain import events
from statuspage.domain.claims import Claim, effective
from statuspage.domain.components import claims_store, models
from statuspage.domain.components import verbs as components
from statuspage.domain.components.claims_store import ComponentClaim
from statuspage.domain.incidents import corrections, drafts, maintenance, postmortems
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import (
    Facts,
    Incident,
    IncidentEdit,
    IncidentUpdate,
    Moment,
    Moments,
    Schedule,
    UpdateInput,
)
from statuspage.domain.incidents.postmortems import Action, Part
from statuspage.domain.statuses import (
    ComponentStatus,
    Impact,
    IncidentStatus,
    incident_impact,
    page_status,
)
from statuspage.errors import Conflict, Invalid
from tests.conftest import on_postgresql
from tests.helpers.domain import (
    ANNA,
    AT,
    BEN,
    DEGRADED,
    HOUR,
    MAINTENANCE,
    MAJOR,
    MINUTE,
    OPERATIONAL,
    PARTIAL,
    SECOND,
    let_time_pass,
)

S = IncidentStatus
SUMMARIES = PROJECT / "tests/samples/wire-words/summaries.jsonl"


def opened(claims, at=AT, **options) -> Incident:
    times = {name: options.pop(name) for name in ("started_at", "detected_at") if name in options}
    keep = drafts.create if options.pop("draft", False) else incidents.open_incident
    options = {"status": S.INVESTIGATING, "body": "We are looking into it.", **options}
    update = UpdateInput(claims=claims, **options)
    return keep("Checkout errors", update, by=ANNA, at=at, **times)


def told(incident, status, claims=None, at=AT + HOUR, **options) -> IncidentUpdate:
    options = {"body": "More words.", **options}
    update = UpdateInput(status=status, claims=claims or {}, **options)
    return incidents.post_update(incident, update, by=ANNA, at=at)


def stands(component, at) -> Claim:
    rows = claims_store.claims_since(AT - timedelta(days=90))
    return effective([row.span for row in rows if row.component_id == component.id], at)


def changes(update) -> dict[str, tuple[str, str]]:
    return {
        change.name: (change.old_status.value, change.new_status.value) for change in update.changes
    }


# ── claims ─────────────────────────────────────────────────────────────────────


def test_resolving_an_incident_keeps_the_claims_of_another(payments):
    one, other = opened({payments: MAJOR}), opened({payments: DEGRADED})
    assert stands(payments, AT) == MAJOR
    told(one, S.RESOLVED)
    assert stands(payments, AT + HOUR) == DEGRADED
    told(other, S.RESOLVED, at=AT + 2 * HOUR)
    assert stands(payments, AT + 2 * HOUR) == OPERATIONAL


def test_update_that_drops_a_component_releases_it_and_says_so(payments, search):
    incident = opened({payments: MAJOR, search: PARTIAL})
    update = told(incident, S.MONITORING, {search: PARTIAL})
    assert stands(payments, AT + HOUR) == OPERATIONAL
    assert changes(update) == {
        "Payments": ("major_outage", "operational"),
        "Search": ("partial_outage", "partial_outage"),
    }
    assert changes(told(incident, S.RESOLVED, at=AT + 2 * HOUR)) == {
        "Payments": ("operational", "operational"),
        "Search": ("partial_outage", "operational"),
    }


def test_reopened_incident_claims_again_from_operational(payments):
    incident = opened({payments: MAJOR})
    told(incident, S.RESOLVED)
    update = told(incident, S.IDENTIFIED, {payments: PARTIAL}, at=AT + 2 * HOUR)
    assert changes(update) == {"Payments": ("operational", "partial_outage")}
    assert incident.resolved_at is None
    assert stands(payments, AT + 90 * MINUTE) == OPERATIONAL
    assert stands(payments, AT + 2 * HOUR) == PARTIAL
    assert events.about(incident.public_id)[0].kind == "incident.reopened"


def test_update_after_resolved_keeps_the_end(payments):
    incident = opened({payments: MAJOR})
    told(incident, S.RESOLVED)
    told(incident, S.RESOLVED, at=AT + 5 * HOUR)
    assert incident.resolved_at == AT + HOUR


def test_update_takes_over_a_manual_status_of_its_component(payments):
    claims_store.set_status(payments, MAJOR, by=ANNA, at=AT)
    incident = opened({payments: DEGRADED}, at=AT + MINUTE)
    assert stands(payments, AT + MINUTE) == DEGRADED
    claims_store.set_status(payments, PARTIAL, by=ANNA, at=AT + 2 * MINUTE)
    told(incident, S.RESOLVED, {payments: OPERATIONAL})
    assert stands(payments, AT + HOUR) == OPERATIONAL


def test_manual_status_outlives_an_incident_that_does_not_name_it(payments, search):
    incident = opened({payments: MAJOR})
    claims_store.set_status(search, DEGRADED, by=ANNA, at=AT)
    told(incident, S.RESOLVED)
    assert stands(search, AT + HOUR) == DEGRADED


def test_last_of_several_updates_at_the_same_moment_wins(payments):
    incident = opened({payments: MAJOR})
    told(incident, S.IDENTIFIED, {payments: PARTIAL}, at=AT)
    told(incident, S.MONITORING, {payments: DEGRADED}, at=AT)
    assert stands(payments, AT) == DEGRADED
    db.session.expire_all()
    assert [update.status for update in incident.updates] == [
        S.MONITORING,
        S.IDENTIFIED,
        S.INVESTIGATING,
    ]


def test_repeating_the_same_share_keeps_one_claim(payments):
    claim = Claim(ComponentStatus.PARTIAL_OUTAGE, Decimal("33.333"), " EU\x00 ")
    incident = opened({payments: claim})
    db.session.expire_all()
    told(incident, S.IDENTIFIED, {payments: claim})
    (row,) = claims_store.claims_of([incident.id])
    assert (row.share, row.scope, row.starts_at) == (Decimal("33.33"), "EU", AT)


@pytest.mark.parametrize("share", ["-0.01", "100.01", "NaN", "Infinity", "1e30"])
def test_claim_rejects_a_share_outside_0_to_100(payments, share):
    with pytest.raises(Invalid) as invalid:
        opened({payments: Claim(ComponentStatus.PARTIAL_OUTAGE, Decimal(share))})
    assert invalid.value.errors.keys() == {"share"}


def test_claims_start_at_the_reported_start(payments):
    incident = opened({payments: MAJOR}, started_at=AT - HOUR)
    assert stands(payments, AT - HOUR) == MAJOR
    assert stands(payments, AT - HOUR - SECOND) == OPERATIONAL
    assert (incident.started_at, incident.told_at) == (AT - HOUR, AT)


# ── impact ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "claim, impact",
    [
        (OPERATIONAL, Impact.NONE),
        (MAINTENANCE, Impact.MAINTENANCE),
        (DEGRADED, Impact.MINOR),
        (PARTIAL, Impact.MINOR),
        (MAJOR, Impact.MAJOR),
    ],
    ids=str,
)
def test_impact_follows_the_worst_component(payments, search, claim, impact):
    assert opened({payments: claim}).impact is impact


def test_impact_is_critical_when_the_whole_page_is_down(payments, search):
    assert opened({payments: MAJOR, search: MAJOR}).impact is Impact.CRITICAL
    other = opened({payments: PARTIAL})
    assert other.impact is Impact.MINOR


def test_page_is_down_when_two_incidents_cover_half_each(payments, search):
    assert opened({payments: MAJOR}).impact is Impact.MAJOR
    assert opened({search: MAJOR}).impact is Impact.CRITICAL


def test_outage_that_moves_between_components_is_not_critical(payments, search):
    incident = opened({payments: MAJOR})
    told(incident, S.IDENTIFIED, {payments: PARTIAL, search: MAJOR})
    assert incident.impact is Impact.MAJOR


def test_backfilled_incident_ignores_current_outages_for_its_impact(payments, search):
    opened({search: MAJOR})
    past = incidents.backfill(
        "Last week",
        UpdateInput(status=IncidentStatus.RESOLVED, body="Over.", claims={payments: MAJOR}),
        Moments(started_at=AT - timedelta(days=7), resolved_at=AT - timedelta(days=6)),
        by=ANNA,
        at=AT,
    )
    assert past.impact is Impact.MAJOR


def test_impact_keeps_its_worst_and_can_be_overridden_and_reset(payments, search):
    incident = opened({payments: MAJOR})
    told(incident, S.MONITORING, {payments: DEGRADED})
    assert incident.impact is Impact.MAJOR
    for override, expected in [
        (Impact.CRITICAL, Impact.CRITICAL),
        (Impact.NONE, Impact.NONE),
        (None, Impact.MAJOR),
    ]:
        corrections.edit_incident(
            incident,
            IncidentEdit("N", Facts(), None, override),
            expected_version=incident.version,
            by=ANNA,
            at=AT + HOUR,
        )
        assert incident.impact is expected


# ── words that programs read ───────────────────────────────────────────────────

RECORDED = [json.loads(line) for line in SUMMARIES.read_text().splitlines()]


def of_counts(counts) -> list[ComponentStatus]:
    return [ComponentStatus(word) for word in Counter(counts).elements()]


@pytest.mark.parametrize("summary", RECORDED, ids=lambda summary: summary["file"])
def test_page_status_matches_recordings_of_statuspage(summary):
    found = page_status(of_counts(summary["components"]))
    assert (found.indicator.value, found.description) == tuple(summary["status"])


@pytest.mark.parametrize("summary", RECORDED, ids=lambda summary: summary["file"])
def test_impact_matches_recordings_of_statuspage(summary):
    for row in summary["incidents"]:
        if not row["is_overridden"]:
            assert incident_impact(of_counts(row["said"]), whole_page=False).value == row["impact"]


@pytest.mark.parametrize(
    "words, indicator, description",
    [
        ([], "none", "All Systems Operational"),
        (["major_outage"], "critical", "Major Service Outage"),
        (["major_outage"] * 9, "critical", "Major Service Outage"),
        (["major_outage", "partial_outage"], "major", "Partial System Outage"),
        (["under_maintenance", "degraded_performance"], "minor", "Partially Degraded Service"),
    ],
)
def test_page_status_of_unrecorded_combinations(words, indicator, description):
    found = page_status([ComponentStatus(word) for word in words])
    assert (found.indicator.value, found.description) == (indicator, description)


def test_unknown_status_raises_an_error():
    for kind in (ComponentStatus, IncidentStatus, Impact):
        with pytest.raises(ValueError):
            kind("fine")


# ── refusals ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "wrong, field",
    [
        ({"body": " \x00 "}, "body"),
        ({"body": "[" * 999}, "body"),
        ({"status": S.COMPLETED}, "status"),
        ({"status": S.POSTMORTEM}, "status"),
        ({"next_update_by": AT}, "next_update_by"),
        ({"started_at": AT + SECOND}, "started_at"),
        ({"facts": Facts(what_still_works="x" * 301)}, "what_still_works"),
    ],
)
def test_refused_incident_stores_nothing(payments, wrong, field):
    before = events.revision()
    with pytest.raises(Invalid) as invalid:
        opened({payments: MAJOR}, **wrong)
    assert invalid.value.errors.keys() == {field}
    assert events.revision() == before
    assert db.session.scalars(sa.select(Incident)).all() == []
    assert stands(payments, AT) == OPERATIONAL


def test_incident_without_a_name_is_refused(session):
    with pytest.raises(Invalid) as invalid:
        incidents.open_incident(
            "\u200b\x00 " * 100, UpdateInput(status=S.INVESTIGATING, body=""), by=ANNA, at=AT
        )
    assert invalid.value.errors.keys() == {"name", "body"}


# ── drafts ─────────────────────────────────────────────────────────────────────


def test_draft_incident_has_no_claims_and_sends_nothing(payments):
    draft = opened({payments: MAJOR}, draft=True, next_update_by=AT + HOUR)
    assert stands(payments, AT + SECOND) == OPERATIONAL
    assert incidents.published() == []
    assert incidents.unresolved() == [draft]
    assert not any(event.notify for event in events.latest(10))
    with pytest.raises(Invalid):
        told(draft, S.IDENTIFIED)
    with pytest.raises(Invalid):
        corrections.retract(draft, reason="No.", by=ANNA, at=AT)


def test_publishing_a_draft_announces_it_once_at_that_moment(payments):
    draft = opened({payments: MAJOR}, draft=True, started_at=AT - MINUTE)
    drafts.publish(draft, by=BEN, at=AT + HOUR)
    drafts.publish(draft, by=BEN, at=AT + 2 * HOUR)
    assert draft.told_at == draft.published_at == AT + HOUR
    assert draft.updates[0].posted_by == "Ben"
    assert stands(payments, AT - MINUTE) == MAJOR
    assert [event.kind for event in events.about(draft.public_id)] == [
        "incident.opened",
        "incident.drafted",
    ]


def test_draft_with_a_next_update_in_the_past_is_not_published(payments):
    draft = opened({payments: MAJOR}, draft=True, next_update_by=AT + MINUTE)
    with pytest.raises(Invalid, match="in the future"):
        drafts.publish(draft, by=ANNA, at=AT + HOUR)
    assert draft.is_draft


def test_only_a_draft_can_be_deleted(payments):
    draft, published = opened({}, draft=True), opened({payments: MAJOR})
    drafts.delete(draft, by=ANNA, at=AT)
    with pytest.raises(Invalid):
        drafts.delete(published, by=ANNA, at=AT)
    assert db.session.scalars(sa.select(Incident)).all() == [published]


def test_draft_update_is_kept_apart_from_published_updates(payments):
    incident = opened({payments: MAJOR})
    draft = drafts.save_update(
        incident, UpdateInput(status=S.RESOLVED, body="Perhaps over."), by=ANNA, at=AT + MINUTE
    )
    assert incident.status is S.INVESTIGATING
    assert stands(payments, AT + MINUTE) == MAJOR
    with pytest.raises(Invalid):
        corrections.edit_update(draft, body="Over.", expected_version=1, by=ANNA, at=AT + MINUTE)
    assert drafts.update_of(incident) is draft
    drafts.discard_update(incident)
    assert drafts.update_of(incident) is None


# ── putting right ──────────────────────────────────────────────────────────────


def test_editing_an_update_keeps_earlier_versions(payments):
    update = opened({payments: MAJOR}).updates[0]
    first = update.body
    for version, body in enumerate(["Second.", "Third."], start=1):
        corrections.edit_update(
            update,
            body=f"{body} \n",
            expected_version=version,
            by=BEN,
            at=AT + version * HOUR,
            reason="Typing",
        )
    assert [(v.number, v.body, v.replaced_by, v.reason) for v in update.versions] == [
        (1, first, "Ben", "Typing"),
        (2, "Second.", "Ben", "Typing"),
    ]
    assert (update.body, update.body_html) == ("Third.", "<p>Third.</p>")
    assert update.edited_at == AT + 2 * HOUR
    assert update.posted_at == AT


def test_edit_without_a_change_records_nothing(payments):
    update = opened({payments: MAJOR}).updates[0]
    before = events.revision()
    corrections.edit_update(
        update, body=f"\n{update.body}\r\n", expected_version=1, by=ANNA, at=AT + HOUR
    )
    assert (update.versions, update.edited_at, events.revision()) == ([], None, before)


def test_concurrent_edit_reports_both_texts(payments):
    incident = opened({payments: MAJOR})
    update = incident.updates[0]
    corrections.edit_update(update, body="Mine.", expected_version=1, by=ANNA, at=AT)
    with pytest.raises(Conflict) as conflict:
        corrections.edit_update(update, body="Yours.", expected_version=1, by=BEN, at=AT)
    assert conflict.value.theirs == {"body": "Mine."}
    mine, yours = (
        IncidentEdit(name, facts, None, None)
        for name, facts in (("Mine", Facts("All")), ("Yours", Facts()))
    )
    corrections.edit_incident(incident, mine, expected_version=1, by=ANNA, at=AT)
    with pytest.raises(Conflict) as conflict:
        corrections.edit_incident(incident, yours, expected_version=1, by=BEN, at=AT)
    assert conflict.value.theirs["name"] == "Mine"
    assert conflict.value.theirs["who_is_affected"] == "All"


def test_editing_a_fact_makes_a_visible_correction(payments):
    incident = opened({payments: MAJOR}, facts=Facts("All customers"))
    corrections.edit_incident(
        incident,
        IncidentEdit(
            name="Checkout slow",
            facts=Facts("Customers in the EU"),
            next_update_by=None,
            impact_override=None,
        ),
        expected_version=1,
        by=BEN,
        at=AT + HOUR,
        reason="Measured",
    )
    assert [(c.field, c.old, c.new, c.reason, c.by) for c in incident.corrections] == [
        ("name", "Checkout errors", "Checkout slow", "Measured", "Ben"),
        ("who_is_affected", "All customers", "Customers in the EU", "Measured", "Ben"),
    ]


def test_each_of_the_five_moments_can_be_corrected_with_a_reason(payments):
    incident = opened({payments: MAJOR})
    told(incident, S.MONITORING, {payments: DEGRADED}, at=AT + MINUTE)
    told(incident, S.RESOLVED)
    assert incident.mitigated_at == AT + MINUTE
    for moment in Moment:
        new = AT + 2 * MINUTE
        with pytest.raises(Invalid):
            corrections.correct_moment(incident, moment, new, reason=" ", by=BEN, at=AT + HOUR)
        with pytest.raises(Invalid):
            corrections.correct_moment(
                incident, moment, AT + 2 * HOUR, reason="Logs", by=BEN, at=AT + HOUR
            )
        corrections.correct_moment(incident, moment, new, reason="Logs", by=BEN, at=AT + HOUR)
        assert getattr(incident, moment.value) == new
    assert [correction.field for correction in incident.corrections] == [*Moment]
    assert stands(payments, AT + 2 * MINUTE) == OPERATIONAL


def test_correcting_the_start_removes_earlier_claims(payments):
    incident = opened({payments: PARTIAL})
    told(incident, S.IDENTIFIED, {payments: MAJOR}, at=AT + 10 * MINUTE)
    corrections.correct_moment(
        incident, Moment.STARTED, AT + 20 * MINUTE, reason="Logs", by=BEN, at=AT + HOUR
    )
    assert stands(payments, AT + 20 * MINUTE - SECOND) == OPERATIONAL
    assert stands(payments, AT + 20 * MINUTE) == MAJOR


def test_correcting_the_end_removes_later_claims(payments):
    incident = opened({payments: MAJOR})
    told(incident, S.RESOLVED, at=AT + 10 * MINUTE)
    told(incident, S.IDENTIFIED, {payments: PARTIAL}, at=AT + 20 * MINUTE)
    told(incident, S.RESOLVED, at=AT + 30 * MINUTE)
    corrections.correct_moment(
        incident, Moment.RESOLVED, AT + 5 * MINUTE, reason="Logs", by=BEN, at=AT + HOUR
    )
    assert stands(payments, AT + 5 * MINUTE - SECOND) == MAJOR
    assert all(row.ends_at <= AT + 5 * MINUTE for row in claims_store.claims_of([incident.id]))


def test_retracted_incident_leaves_the_lists_and_gives_the_reason(payments):
    incident = opened({payments: MAJOR}, next_update_by=AT + HOUR)
    corrections.retract(incident, reason=" Not us. ", by=BEN, at=AT + MINUTE)
    assert incidents.published() == []
    assert incidents.unresolved() == []
    assert incidents.get(incident.public_id).retracted_reason == "Not us."
    assert stands(payments, AT) == stands(payments, AT + MINUTE) == OPERATIONAL
    for again in (
        lambda: told(incident, S.RESOLVED),
        lambda: corrections.retract(incident, reason="Again.", by=ANNA, at=AT + HOUR),
    ):
        with pytest.raises(Invalid):
            again()
    assert incident.next_update_by is None


def test_overdue_update_is_counted_from_its_due_time(payments):
    incident = opened({payments: MAJOR}, next_update_by=AT + HOUR)
    assert incidents.overdue_by(incident, AT + HOUR) is None
    assert incidents.overdue_by(incident, AT + HOUR + MINUTE) == MINUTE
    told(incident, S.RESOLVED, at=AT + 2 * HOUR)
    assert incidents.overdue_by(incident, AT + 3 * HOUR) is None


@pytest.mark.parametrize("resolved_at", [AT - HOUR, AT - 2 * HOUR, AT + SECOND])
def test_backfilled_incident_must_end_after_its_start_and_before_now(payments, resolved_at):
    with pytest.raises(Invalid):
        incidents.backfill(
            "Past",
            UpdateInput(status=IncidentStatus.RESOLVED, body="Over.", claims={payments: MAJOR}),
            Moments(started_at=AT - HOUR, resolved_at=resolved_at),
            by=ANNA,
            at=AT,
        )


def test_backfilled_incident_notifies_no_subscriber(payments):
    past = incidents.backfill(
        "Past",
        UpdateInput(status=IncidentStatus.RESOLVED, body="Over.", claims={payments: MAJOR}),
        Moments(started_at=AT - 2 * HOUR, resolved_at=AT - HOUR),
        by=ANNA,
        at=AT,
    )
    assert changes(past.updates[0]) == {"Payments": ("major_outage", "operational")}
    assert not any(event.notify for event in events.about(past.public_id))
    assert incidents.published(open_only=True) == []


# ── a secret taken out ─────────────────────────────────────────────────────────

SECRET = "tok_live_*2*"


def test_redaction_removes_a_secret_from_every_row(payments):
    incident = opened(
        {payments: Claim(ComponentStatus.PARTIAL_OUTAGE, None, f"Users of {SECRET}")},
        body=f"We rotated {SECRET}.",
        facts=Facts(what_you_can_do=f"Stop using {SECRET}"),
    )
    update = incident.updates[0]
    corrections.edit_update(
        update,
        body=f"`{SECRET}`",
        expected_version=1,
        by=ANNA,
        at=AT,
        reason=f"Shorter, with {SECRET}",
    )
    corrections.edit_incident(
        incident,
        IncidentEdit(
            name=f"Key {SECRET} leaked", facts=Facts(), next_update_by=None, impact_override=None
        ),
        expected_version=1,
        by=ANNA,
        at=AT,
        reason=f"Because {SECRET}",
    )
    imported = told(incident, S.RESOLVED, body="Imported.")
    drafts.save_update(
        incident,
        UpdateInput(
            status=S.RESOLVED, body=f"Not {SECRET} yet.", facts=Facts(*[f"Not {SECRET}"] * 3)
        ),
        by=ANNA,
        at=AT,
    )
    imported.body_html = f'<p><a href="https://a.example/?k={SECRET}">Imported.</a></p>'
    imported.custom_tweet = f"We rotated {SECRET}"
    parts = dict.fromkeys(Part, f"It was {SECRET}.")
    saved = postmortems.save(
        incident,
        parts,
        [Action(f"Rotate {SECRET}", owner=SECRET)],
        expected_version=None,
        by=ANNA,
        at=AT,
    )
    postmortems.publish(saved, by=ANNA, at=AT)
    parts[Part.SUMMARY] = f"Again {SECRET}."
    postmortems.save(incident, parts, [], expected_version=1, by=ANNA, at=AT)
    postmortems.publish(saved, by=ANNA, at=AT, reason=f"Named {SECRET}")
    db.session.flush()
    db.session.expire_all()

    corrections.redact(incident, SECRET, by=BEN, at=AT + HOUR)
    db.session.flush()
    raw = db.session.connection().connection.dbapi_connection
    dump = "\n".join(raw.iterdump())
    assert "tok_live" not in dump
    assert dump.count("[redacted]") > 30
    assert "[redacted]" in imported.body_html
    assert events.about(incident.public_id)[0].kind == "incident.redacted"


@pytest.mark.parametrize("words", ["", "abc", " a b ", "not in it"])
def test_redaction_refuses_text_that_does_not_occur(payments, words):
    incident = opened({payments: MAJOR})
    before = events.revision()
    with pytest.raises(Invalid):
        corrections.redact(incident, words, by=ANNA, at=AT)
    assert events.revision() == before


# ── finders ────────────────────────────────────────────────────────────────────


def test_search_finds_incidents_that_overlap_a_period(payments, search):
    past = incidents.backfill(
        "Past",
        UpdateInput(status=IncidentStatus.RESOLVED, body="Over.", claims={payments: MAJOR}),
        Moments(started_at=AT - 10 * HOUR, resolved_at=AT - 9 * HOUR),
        by=ANNA,
        at=AT,
    )
    still = opened({search: MAJOR}, started_at=AT - HOUR)

    def between(start, end, **options):
        return incidents.published(overlapping=(start, end), **options)

    assert between(AT - 11 * HOUR, AT - 10 * HOUR) == []
    assert between(AT - 11 * HOUR, AT - 9 * HOUR) == [past]
    assert between(AT, AT + HOUR) == [still]
    assert between(AT - 20 * HOUR, AT) == [still, past]
    assert between(AT - 20 * HOUR, AT, touching=payments) == [past]
    assert incidents.page_of(1, size=1) == ([still], 2)
    assert incidents.page_of(1, words="aS") == ([past], 1)


# ── two at once ────────────────────────────────────────────────────────────────


def together(app, *works):
    """Run each in a thread and a session of its own, begun at the same time; their answers."""
    barrier, answers = Barrier(len(works)), [None] * len(works)

    def run(index, work):
        with app.app_context():
            barrier.wait()
            try:
                answers[index] = work()
                db.session.commit()
            except Exception as error:
                answers[index] = error
                db.session.rollback()
            finally:
                db.session.remove()

    threads = [Thread(target=run, args=item) for item in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.fixture
def open_incident_id(app):
    with app.app_context():
        payments = components.add_component("Payments", by=ANNA, at=AT)
        incident = opened({payments: MAJOR})
        db.session.commit()
        yield incident.public_id


def test_concurrent_updates_are_both_stored_and_release_all_claims(app, open_incident_id):
    def post(body, status):
        def work():
            incident = incidents.get(open_incident_id)
            claims = dict.fromkeys(incident.claims, status)
            told(incident, S.IDENTIFIED, claims, at=AT + MINUTE, body=body)

        return work

    works = [post(f"Word {n}", claim) for n, claim in enumerate([PARTIAL, DEGRADED] * 2)]
    assert together(app, *works) == [None] * 4
    with app.app_context():
        incident = incidents.get(open_incident_id)
        assert sorted(update.body for update in incident.updates[:-1]) == [
            f"Word {n}" for n in range(4)
        ]
        running = sa.select(ComponentClaim).where(ComponentClaim.ends_at.is_(None))
        assert len(db.session.scalars(running).all()) == 1
        told(incident, S.RESOLVED)
        db.session.commit()
        assert db.session.scalars(running).all() == []
        assert events.revision() == 1 + 4 + 1, "each commit raised it once"


@on_postgresql
def test_page_change_does_not_block_others_before_its_commit(app, open_incident_id):
    """Else each of two who go on to what the other one holds would wait for ever."""
    turns = Barrier(2, timeout=10)
    with app.app_context():
        components.add_component("Search", by=ANNA, at=AT)
        db.session.commit()

    def search():
        return next(component for component in components.listed() if component.name == "Search")

    def tell_then_set():
        told(incidents.get(open_incident_id), S.IDENTIFIED)
        turns.wait()  # The other one sets, and gets so far,
        turns.wait()  # before this one goes on to the same component.
        claims_store.set_status(search(), DEGRADED, by=ANNA, at=AT + HOUR)

    def set_alone():
        turns.wait()
        claims_store.set_status(search(), PARTIAL, by=BEN, at=AT + HOUR)
        turns.wait()

    assert together(app, tell_then_set, set_alone) == [None, None]
    with app.app_context():
        assert stands(search(), AT + 2 * HOUR) == DEGRADED


@on_postgresql
def test_concurrent_incidents_lock_components_in_one_order(app):
    with app.app_context():
        named = [components.add_component(name, by=ANNA, at=AT) for name in "ABCDE"]
        ids = [opened(dict.fromkeys(named, MAJOR)).public_id for _ in range(4)]
        orders = [[one.id for one in named], [one.id for one in reversed(named)]] * 2
        db.session.commit()

    def post(public_id, order, status):
        def work():
            claims = {db.session.get_one(models.Component, one): status for one in order}
            told(incidents.get(public_id), S.IDENTIFIED, claims)

        return work

    for status in [PARTIAL, DEGRADED] * 3:
        with app.app_context():
            for component in components.listed():  # Each of them takes this over.
                claims_store.set_status(component, DEGRADED, by=BEN, at=AT + MINUTE)
            db.session.commit()
        works = [post(*one, status) for one in zip(ids, orders, strict=True)]
        assert together(app, *works) == [None] * 4


def test_concurrent_edits_raise_one_conflict(app, open_incident_id):
    def edit(body):
        def work():
            update = incidents.get(open_incident_id).updates[0]
            corrections.edit_update(update, body=body, expected_version=1, by=ANNA, at=AT)

        return work

    answers = together(app, edit("Mine."), edit("Yours."))
    assert sorted(type(answer).__name__ for answer in answers) == ["Conflict", "NoneType"]
    with app.app_context():
        update = incidents.get(open_incident_id).updates[0]
        assert len(update.versions) == 1
        (conflict,) = [answer for answer in answers if answer]
        assert conflict.theirs == {"body": update.body}


def test_maintenance_does_not_hide_a_manual_status(payments):
    planned = maintenance.schedule(
        "Disks",
        UpdateInput(
            status=IncidentStatus.SCHEDULED, body="New ones.", claims={payments: MAINTENANCE}
        ),
        Schedule(scheduled_for=AT + HOUR, scheduled_until=AT + 2 * HOUR),
        by=ANNA,
        at=AT,
    )
    claims_store.set_status(payments, MAJOR, by=ANNA, at=AT + MINUTE)
    let_time_pass(AT + HOUR)
    assert planned.status is S.IN_PROGRESS
    assert stands(payments, AT + HOUR) == MAJOR
