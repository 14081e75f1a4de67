"""Components and groups at the desk: names, order, statuses by hand."""

from decimal import Decimal

from statuspage.domain.claims import OPERATIONAL, Claim
from statuspage.domain.components import models
from statuspage.domain.components import verbs as components
from statuspage.domain.statuses import ComponentStatus
from tests.conftest import on_sqlite
from tests.helpers.admin import fields_of, text_of

pytestmark = on_sqlite


def order(stored):
    """Names as they stand on the page, members behind their group."""

    def ask():
        groups = {group.id: group for group in components.groups()}
        everything = components.listed()
        top = [one for one in everything if one.group_id is None] + list(groups.values())
        names = []
        for item in sorted(top, key=lambda item: item.position):
            names.append(item.name)
            if isinstance(item, models.ComponentGroup):
                names += [f"- {one.name}" for one in everything if one.group_id == item.id]
        return names

    return stored(ask)


START = ["Payments", "- Card payments", "- Bank transfers", "API"]


def test_component_is_added_to_a_group(ann, world, stored):
    answer = ann.post(
        "/admin/components/new",
        {
            "name": "Refunds",
            "description": "Money back",
            "group": world.group,
            "start_date": "2026-01-02",
            "showcase": "y",
        },
    )
    assert answer.status_code == 303
    assert order(stored) == [*START[:3], "- Refunds", "API"]
    page = text_of(ann.get(answer.location))
    assert "Component added." in page


def test_component_requires_a_name_and_a_valid_date(ann, world):
    answer = ann.post("/admin/components/new", {"name": "", "description": "Kept", "group": ""})
    assert answer.status_code == 422
    assert "Enter a name" in answer.text
    assert fields_of(answer)["description"] == "Kept"
    answer = ann.post("/admin/components/new", {"name": "X", "start_date": "yesterday"})
    assert 'href="#start_date">Enter a date' in answer.text


def test_component_form_moves_it_to_another_group(ann, world, stored):
    address = f"/admin/components/{world.cards}"
    form = fields_of(ann.get(address), address)
    assert ann.post(address, {**form, "group": "", "name": "Cards"}).status_code == 303
    assert order(stored) == ["Payments", "- Bank transfers", "API", "Cards"]


def test_arrows_reorder_without_script_and_keep_the_focus(ann, world, stored):
    answer = ann.post("/admin/components/arrange", {"move": f"c-{world.transfers}:up"})
    assert answer.status_code == 303
    assert answer.location == f"/admin/components#c-{world.transfers}-up"
    assert f'id="c-{world.transfers}-up"' in ann.get("/admin/components").text
    assert order(stored) == ["Payments", "- Bank transfers", "- Card payments", "API"]
    ann.post("/admin/components/arrange", {"move": f"c-{world.api}:up"})
    assert order(stored) == ["API", "Payments", "- Bank transfers", "- Card payments"]
    ann.post("/admin/components/arrange", {"move": f"g-{world.group}:down"})
    assert order(stored) == ["API", "Payments", "- Bank transfers", "- Card payments"]
    ann.post("/admin/components/arrange", {"move": f"g-{world.group}:up"})
    assert order(stored)[0] == "Payments"


def test_dragging_reorders_and_moves_between_groups(ann, world, stored):
    group = f"g-{world.group}"
    new = f"c-{world.cards} {group} c-{world.api}/{group} c-{world.transfers}/{group}"
    assert ann.post("/admin/components/arrange", {"order": new}).status_code == 303
    assert order(stored) == ["Card payments", "Payments", "- API", "- Bank transfers"]


def test_stale_order_is_refused_or_completed(ann, world, stored):
    unknown = ann.post("/admin/components/arrange", {"order": "c-gone"})
    assert unknown.status_code == 422
    assert "changed in the meantime" in unknown.text
    ann.post("/admin/components/arrange", {"order": f"c-{world.api}"})
    assert order(stored) == ["API", *START[:3]]


def test_manual_status_is_set_and_removed(ann, world, status_of):
    address = f"/admin/components/{world.api}/status"
    form = {"status": "degraded_performance", "share": "5 %", "scope": "Search"}
    assert ann.post(address, form).status_code == 303
    expected = Claim(ComponentStatus.DEGRADED_PERFORMANCE, Decimal(5), "Search")
    assert status_of(world.api) == expected
    assert "Degraded performance, 5 %, Search" in text_of(ann.get("/admin/components"))
    ann.post(address, {"status": "operational", "share": "", "scope": ""})
    assert status_of(world.api) == OPERATIONAL


def test_invalid_share_is_refused_at_its_field(ann, world, status_of):
    address = f"/admin/components/{world.api}/status"
    for share, words in {"half": "as a percentage", "101": "from 0 to 100"}.items():
        answer = ann.post(address, {"status": "partial_outage", "share": share})
        assert answer.status_code == 422
        assert words in answer.text
        assert fields_of(answer, address)["share"] == share
    assert status_of(world.api) == OPERATIONAL


def test_archived_component_leaves_the_page_and_can_be_restored(ann, world, stored, status_of):
    ann.post(f"/admin/components/{world.api}/status", {"status": "major_outage"})
    assert ann.post(f"/admin/components/{world.api}/archive").status_code == 303
    assert "API" not in order(stored)
    assert status_of(world.api) == OPERATIONAL
    assert "Archived" in ann.get("/admin/components").text
    assert ann.post(f"/admin/components/{world.api}/restore").status_code == 303
    assert "API" in order(stored)


def test_groups_are_added_renamed_and_deleted(ann, world, stored):
    assert ann.post("/admin/components/groups/new", {"name": "Data"}).status_code == 303
    address = f"/admin/components/groups/{world.group}"
    assert ann.post(address, {"name": "Money"}).status_code == 303
    assert order(stored) == ["Money", *START[1:], "Data"]
    assert ann.post(f"{address}/remove").status_code == 303
    assert order(stored) == ["API", "Data", "Card payments", "Bank transfers"]
    assert ann.post("/admin/components/groups/new", {"name": " "}).status_code == 422
