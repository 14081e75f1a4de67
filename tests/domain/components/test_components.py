"""Components and groups: what customers know, in the order staff gave it."""

from datetime import date

import pytest

from statuspage.db import db
from statuspage.domain import events
from statuspage.domain.claims import Claim, effective
from statuspage.domain.components import claims_store
from statuspage.domain.components import verbs as components
from statuspage.domain.components.names import ComponentNames
from statuspage.domain.components.verbs import ComponentEdit
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.statuses import ComponentStatus, IncidentStatus
from statuspage.errors import Invalid
from tests.helpers.domain import ANNA, AT, DEGRADED, HOUR, MAJOR, OPERATIONAL


def stands(component, at):
    rows = claims_store.claims_since(AT - HOUR)
    return effective([row.span for row in rows if row.component_id == component.id], at)


def added(name, group=None):
    return components.add_component(name, group=group, by=ANNA, at=AT)


def group(name):
    return components.add_group(name, by=ANNA, at=AT)


def test_new_component_is_operational_and_last(payments, search):
    assert components.listed() == [payments, search]
    assert [payments.position, search.position] == [1, 2]
    assert stands(payments, AT) == OPERATIONAL
    assert components.get(payments.public_id) is payments
    assert (payments.full_name, len(payments.public_id)) == ("Payments", 12)


def test_groups_and_ungrouped_components_share_one_order(payments):
    cards = group("Cards")
    assert cards.position == 2
    visa, mastercard = added("Visa", cards), added("Mastercard", cards)
    assert [visa.position, mastercard.position] == [1, 2]
    assert visa.full_name == "Cards › Visa"
    assert visa.statuspage_name == "Cards - Visa"
    assert added("Search").position == 3


@pytest.mark.parametrize("name", ["", " \x00\t", "x" * 256])
def test_component_or_group_with_an_invalid_name_is_refused(session, name):
    with pytest.raises(Invalid) as invalid:
        added(name)
    assert invalid.value.errors.keys() == {"name"}
    with pytest.raises(Invalid):
        group(name)
    assert components.listed() == components.groups() == events.latest(10) == []


def test_editing_a_component_keeps_its_public_id_and_history(payments):
    cards = group("Cards")
    claims_store.set_status(payments, MAJOR, by=ANNA, at=AT)
    before = payments.public_id
    components.edit_component(
        payments,
        ComponentEdit(
            name=" Card payments\x07 ",
            description=" ",
            group=cards,
            start_date=date(2026, 1, 1),
            showcase=False,
            only_show_if_degraded=True,
        ),
        by=ANNA,
        at=AT + HOUR,
    )
    db.session.expire_all()
    assert (payments.public_id, payments.full_name) == (before, "Cards › Card payments")
    assert (payments.description, payments.start_date) == (None, date(2026, 1, 1))
    assert (payments.showcase, payments.only_show_if_degraded) == (False, True)
    assert stands(payments, AT + HOUR) == MAJOR


def test_reordering_arranges_the_page_and_its_groups(payments, search):
    cards, mail = group("Cards"), group("Mail")
    visa = added("Visa", cards)
    components.arrange(
        [mail, visa, cards],
        {cards: [search], mail: [payments]},
        by=ANNA,
        at=AT,
    )
    db.session.flush()
    db.session.expire_all()
    assert [one.name for one in components.groups()] == ["Mail", "Cards"]
    assert {component.full_name: component.position for component in components.listed()} == {
        "Visa": 2,
        "Cards › Search": 1,
        "Mail › Payments": 1,
    }
    assert events.latest(1)[0].kind == "components.arranged"


def test_component_names_accept_the_full_name_and_statuspages(payments):
    visa = added("Visa", group("Cards"))
    for name in ("Cards › Visa", "Cards - Visa", "cards › visa"):
        assert ComponentNames([visa]).find_all(name, between=",") == ([visa], [])


def test_reordering_refuses_a_component_listed_twice(payments):
    cards = group("Cards")
    before = events.revision()
    with pytest.raises(Invalid):
        components.arrange([payments, cards], {cards: [payments]}, by=ANNA, at=AT)
    assert (payments.group, events.revision()) == (None, before)


def test_deleting_a_group_moves_its_components_to_the_end(payments):
    cards = group("Cards")
    visa, mastercard = added("Visa", cards), added("Mastercard", cards)
    components.archive(mastercard, by=ANNA, at=AT)
    components.remove_group(cards, by=ANNA, at=AT)
    db.session.flush()
    db.session.expire_all()
    assert components.groups() == []
    assert components.listed(archived=True) == [payments, visa, mastercard]
    assert len({component.position for component in components.listed(archived=True)}) == 3
    assert visa.full_name == "Visa"


def test_archiving_a_component_removes_it_and_its_claims(payments, search):
    incident = incidents.open_incident(
        "Outage",
        UpdateInput(
            status=IncidentStatus.INVESTIGATING,
            body="Looking.",
            claims={payments: MAJOR, search: DEGRADED},
        ),
        by=ANNA,
        at=AT,
    )
    components.archive(payments, by=ANNA, at=AT + HOUR)
    assert components.listed() == [search]
    assert stands(payments, AT + HOUR) == OPERATIONAL
    assert stands(payments, AT) == MAJOR
    incidents.post_update(
        incident,
        UpdateInput(status=IncidentStatus.RESOLVED, body="Over."),
        by=ANNA,
        at=AT + 2 * HOUR,
    )
    components.restore(payments, by=ANNA, at=AT + 3 * HOUR)
    assert components.listed() == [payments, search]
    assert stands(payments, AT + 3 * HOUR) == OPERATIONAL


def test_manual_status_lasts_until_it_is_removed(payments):
    claim = Claim(ComponentStatus.PARTIAL_OUTAGE, None, "EU")
    claims_store.set_status(payments, claim, by=ANNA, at=AT)
    assert claims_store.standing(payments) == claim
    event = events.latest(1)[0]
    assert (event.kind, event.data["scope"], event.notify) == ("component.status_set", "EU", True)
    claims_store.set_status(payments, OPERATIONAL, by=ANNA, at=AT + HOUR)
    assert claims_store.standing(payments) is None
    assert (stands(payments, AT), stands(payments, AT + HOUR)) == (claim, OPERATIONAL)


@pytest.mark.parametrize("claim", [OPERATIONAL, DEGRADED], ids=str)
def test_setting_the_same_status_again_records_no_event(payments, claim):
    claims_store.set_status(payments, claim, by=ANNA, at=AT)
    before = events.revision()
    claims_store.set_status(payments, claim, by=ANNA, at=AT + HOUR)
    assert events.revision() == before


def test_claim_rejects_a_scope_that_is_too_long(payments):
    with pytest.raises(Invalid) as invalid:
        claims_store.set_status(
            payments, Claim(ComponentStatus.MAJOR_OUTAGE, None, "x" * 121), by=ANNA, at=AT
        )
    assert invalid.value.errors.keys() == {"scope"}
    assert claims_store.standing(payments) is None


def test_a_deleted_group_comes_back_with_its_components_and_place(payments):
    cards = group("Cards")
    visa, mastercard = added("Visa", cards), added("Mastercard", cards)
    added("Search")
    public_id = cards.public_id
    event = components.remove_group(cards, by=ANNA, at=AT)
    db.session.flush()
    assert [row.name for row in components.listed()] == ["Payments", "Search", "Visa", "Mastercard"]
    back = components.restore_group(event, by=ANNA, at=AT)
    assert (back.public_id, back.name) == (public_id, "Cards")
    assert [row.name for row in components.listed()] == ["Payments", "Visa", "Mastercard", "Search"]
    assert visa.group is mastercard.group is back
    with pytest.raises(Invalid):
        components.restore_group(event, by=ANNA, at=AT)


def test_a_restored_group_leaves_components_that_moved_on(payments):
    cards, other = group("Cards"), group("Other")
    visa = added("Visa", cards)
    event = components.remove_group(cards, by=ANNA, at=AT)
    visa.group, visa.group_id = other, other.id
    db.session.flush()
    components.restore_group(event, by=ANNA, at=AT)
    assert visa.group is other
