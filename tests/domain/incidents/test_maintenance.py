"""Scheduled maintenance: begins and ends by itself, once, whoever else is at work."""

from dataclasses import fields
from datetime import timedelta
from threading import Barrier, Thread

import pytest

from statuspage.db import db
from statuspage.domain import events
from statuspage.domain.claims import effective
from statuspage.domain.components import claims_store
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import corrections, drafts, maintenance
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Schedule, UpdateInput
from statuspage.domain.statuses import Impact, IncidentStatus
from statuspage.errors import Invalid
from tests.helpers.domain import (
    ANNA,
    AT,
    DEGRADED,
    HOUR,
    MAINTENANCE,
    MAJOR,
    MINUTE,
    OPERATIONAL,
    SECOND,
    let_time_pass,
)

S = IncidentStatus


def planned(claims, at=AT, **options):
    schedule = {"scheduled_for": AT + HOUR, "scheduled_until": AT + 3 * HOUR}
    for field in fields(Schedule):
        if field.name in options:
            schedule[field.name] = options.pop(field.name)
    keep = maintenance.draft if options.pop("draft", False) else maintenance.schedule
    update = UpdateInput(
        **{"status": S.SCHEDULED, "body": "We put in new disks.", "claims": claims, **options}
    )
    return keep("New disks", update, Schedule(**schedule), by=ANNA, at=at)


def moved(work):
    return UpdateInput(work.status, "Moved.", work.claims)


def stands(component, at):
    rows = claims_store.claims_since(AT - timedelta(days=90))
    return effective([row.span for row in rows if row.component_id == component.id], at)


def test_maintenance_has_no_claims_before_it_begins(payments):
    planned({payments: MAINTENANCE})
    assert let_time_pass(AT + HOUR - SECOND) == []
    assert stands(payments, AT + HOUR - SECOND) == OPERATIONAL


def test_maintenance_begins_and_ends_with_one_worker_step_each(payments):
    work = planned({payments: MAINTENANCE})
    assert work.impact is Impact.MAINTENANCE
    assert let_time_pass(AT + HOUR) == [work]
    assert work.status is S.IN_PROGRESS
    assert stands(payments, AT + HOUR) == MAINTENANCE
    assert let_time_pass(AT + 3 * HOUR) == [work]
    assert (work.status, work.resolved_at) == (S.COMPLETED, AT + 3 * HOUR)
    assert stands(payments, AT + 3 * HOUR) == OPERATIONAL
    assert [(u.status, u.is_automatic, u.posted_by) for u in work.updates] == [
        (S.COMPLETED, True, SYSTEM.name),
        (S.IN_PROGRESS, True, SYSTEM.name),
        (S.SCHEDULED, False, "Anna"),
    ]
    assert all(event.notify for event in events.about(work.public_id))


def test_repeated_worker_step_changes_nothing(payments):
    planned({payments: MAINTENANCE})
    for moment, moved in [(AT + HOUR, 1), (AT + 3 * HOUR, 1)]:
        assert len(let_time_pass(moment)) == moved
        before = events.revision()
        for _ in range(3):
            assert let_time_pass(moment) == []
        assert events.revision() == before


def test_worker_down_for_the_whole_window_records_start_and_end(payments):
    work = planned({payments: MAINTENANCE})
    let_time_pass(AT + 5 * HOUR)
    db.session.expire_all()
    assert [update.status for update in work.updates] == [S.COMPLETED, S.IN_PROGRESS, S.SCHEDULED]
    assert stands(payments, AT + 5 * HOUR) == OPERATIONAL
    assert all(row.ends_at is not None for row in claims_store.claims_of([work.id]))


def test_outage_during_maintenance_is_shown_and_outlives_it(payments):
    planned({payments: MAINTENANCE})
    let_time_pass(AT + HOUR)
    outage = incidents.open_incident(
        "Outage",
        UpdateInput(status=S.INVESTIGATING, body="We are looking.", claims={payments: MAJOR}),
        by=ANNA,
        at=AT + 2 * HOUR,
    )
    assert stands(payments, AT + 2 * HOUR) == MAJOR
    let_time_pass(AT + 3 * HOUR)
    assert stands(payments, AT + 3 * HOUR) == MAJOR
    incidents.post_update(
        outage, UpdateInput(status=S.RESOLVED, body="Over."), by=ANNA, at=AT + 4 * HOUR
    )
    assert stands(payments, AT + 4 * HOUR) == OPERATIONAL


def test_maintenance_can_claim_a_worse_status(payments):
    planned({payments: DEGRADED})
    let_time_pass(AT + HOUR)
    assert stands(payments, AT + HOUR) == DEGRADED


def test_extended_maintenance_continues_until_its_new_end(payments):
    work = planned({payments: MAINTENANCE})
    let_time_pass(AT + HOUR)
    maintenance.reschedule(
        work,
        UpdateInput(status=work.status, claims=work.claims, body="It takes longer."),
        scheduled_for=AT + HOUR,
        scheduled_until=AT + 4 * HOUR,
        by=ANNA,
        at=AT + 2 * HOUR,
    )
    assert let_time_pass(AT + 3 * HOUR) == []
    assert stands(payments, AT + 3 * HOUR) == MAINTENANCE
    assert len(claims_store.claims_of([work.id])) == 1
    assert [(c.field, c.new) for c in work.corrections] == [
        ("scheduled_until", (AT + 4 * HOUR).isoformat())
    ]
    assert let_time_pass(AT + 4 * HOUR) == [work]


def test_moved_maintenance_begins_at_its_new_time(payments):
    work = planned({payments: MAINTENANCE})
    window = {"scheduled_for": AT + 5 * HOUR, "scheduled_until": AT + 6 * HOUR}
    maintenance.reschedule(work, moved(work), **window, by=ANNA, at=AT)
    assert let_time_pass(AT + HOUR) == []
    assert work.started_at == AT + 5 * HOUR
    assert let_time_pass(AT + 5 * HOUR) == [work]


@pytest.mark.parametrize(
    "window",
    [
        {"scheduled_for": AT + HOUR, "scheduled_until": AT + HOUR},
        {"scheduled_for": AT - 2 * HOUR, "scheduled_until": AT},
        {"scheduled_for": AT, "scheduled_until": AT + 5 * HOUR},
    ],
)
def test_maintenance_rejects_an_impossible_window(payments, window):
    work = planned({payments: MAINTENANCE})
    let_time_pass(AT + HOUR)
    before = (work.scheduled_for, work.scheduled_until, events.revision())
    with pytest.raises(Invalid):
        maintenance.reschedule(work, moved(work), **window, by=ANNA, at=AT + HOUR)
    assert (work.scheduled_for, work.scheduled_until, events.revision()) == before
    if window["scheduled_for"] != AT:
        with pytest.raises(Invalid):
            planned({payments: MAINTENANCE}, **window)


def test_moving_maintenance_requires_a_message(payments):
    work = planned({payments: MAINTENANCE})
    with pytest.raises(Invalid):
        maintenance.reschedule(
            work,
            UpdateInput(status=work.status, claims=work.claims, body=" "),
            scheduled_for=AT + 5 * HOUR,
            scheduled_until=AT + 6 * HOUR,
            by=ANNA,
            at=AT,
        )
    assert work.scheduled_for == AT + HOUR


@pytest.mark.parametrize("is_running", [False, True])
def test_cancelled_maintenance_releases_all_claims_and_stays_cancelled(payments, is_running):
    work = planned({payments: MAINTENANCE})
    if is_running:
        let_time_pass(AT + HOUR)
    maintenance.cancel(work, body="Not today.", by=ANNA, at=AT + HOUR)
    assert work.status is S.CANCELLED
    assert stands(payments, AT + HOUR) == OPERATIONAL
    assert let_time_pass(AT + 9 * HOUR) == []
    with pytest.raises(Invalid):
        maintenance.cancel(work, body="Again.", by=ANNA, at=AT + HOUR)


def test_maintenance_in_verification_ends_on_schedule(payments):
    work = planned({payments: MAINTENANCE})
    let_time_pass(AT + HOUR)
    incidents.post_update(
        work,
        UpdateInput(status=S.VERIFYING, body="We look whether it works.", claims=work.claims),
        by=ANNA,
        at=AT + 2 * HOUR,
    )
    assert stands(payments, AT + 2 * HOUR) == MAINTENANCE
    assert let_time_pass(AT + 3 * HOUR) == [work]
    assert work.status is S.COMPLETED


def test_manually_advanced_maintenance_waits_for_a_person(payments):
    work = planned({payments: MAINTENANCE}, auto_start=False, auto_end=False)
    assert let_time_pass(AT + 9 * HOUR) == []
    assert maintenance.due_by_hand(at=AT + HOUR) == [work]


def test_draft_and_retracted_maintenance_never_begins(payments):
    planned({payments: MAINTENANCE}, draft=True)
    withdrawn = planned({payments: MAINTENANCE})
    corrections.retract(withdrawn, reason="Wrong page.", by=ANNA, at=AT)
    assert let_time_pass(AT + 2 * HOUR) == []
    assert stands(payments, AT + 2 * HOUR) == OPERATIONAL


def test_draft_maintenance_with_a_past_window_is_not_published(payments):
    draft = planned({payments: MAINTENANCE}, draft=True)
    with pytest.raises(Invalid, match="is in the past"):
        drafts.publish(draft, by=ANNA, at=AT + 3 * HOUR)
    with pytest.raises(Invalid):
        maintenance.reschedule(
            draft,
            UpdateInput(status=draft.status, claims=draft.claims, body="Moved."),
            scheduled_for=AT + 5 * HOUR,
            scheduled_until=AT + 6 * HOUR,
            by=ANNA,
            at=AT,
        )


def test_two_workers_run_each_maintenance_step_once(app):
    with app.app_context():
        payments = components.add_component("Payments", by=ANNA, at=AT)
        ids = [planned({payments: MAINTENANCE}).public_id for _ in range(3)]
        db.session.commit()
    barrier, moved = Barrier(4), []

    def work():
        with app.app_context():
            for moment in (AT + HOUR + MINUTE, AT + 3 * HOUR):
                barrier.wait()
                moved.extend(row.public_id for row in let_time_pass(moment))
                db.session.commit()
                db.session.remove()

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(moved) == sorted(ids * 2)
    with app.app_context():
        for public_id in ids:
            assert [update.status for update in incidents.get(public_id).updates] == [
                S.COMPLETED,
                S.IN_PROGRESS,
                S.SCHEDULED,
            ]
            assert stands(components.listed()[0], AT + 3 * HOUR) == OPERATIONAL
        assert len(events.latest(100)) == 1 + 3 * 3


def test_cancelling_during_a_worker_step_releases_all_claims(app):
    with app.app_context():
        payments = components.add_component("Payments", by=ANNA, at=AT)
        public_id = planned({payments: MAINTENANCE}).public_id
        db.session.commit()
    barrier = Barrier(2)

    def tick():
        with app.app_context():
            barrier.wait()
            let_time_pass(AT + HOUR)
            db.session.commit()

    def cancel():
        with app.app_context():
            barrier.wait()
            work = incidents.get(public_id)
            maintenance.cancel(work, body="Not today.", by=ANNA, at=AT + HOUR + SECOND)
            db.session.commit()

    threads = [Thread(target=tick), Thread(target=cancel)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with app.app_context():
        assert incidents.get(public_id).status is S.CANCELLED
        assert stands(components.listed()[0], AT + 2 * HOUR) == OPERATIONAL
