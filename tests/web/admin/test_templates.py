"""Templates at the desk: prepared in calm, one press under pressure."""

import re

import pytest

from statuspage import clock
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import templates as incident_templates
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.templates import TemplateInput
from statuspage.domain.staff.members import Role
from statuspage.domain.statuses import ComponentStatus, IncidentStatus
from tests.conftest import on_sqlite
from tests.helpers.admin import fields_of, text_of

pytestmark = on_sqlite

BODY = "We are looking into WHAT CUSTOMERS NOTICE."


@pytest.fixture
def a_template(committed, world):
    """`a_template(update_status=…)` stores one that names card payments; returns its id."""

    def make(name="Cards down", **more):
        with committed():
            values = {"title": "Card payments are declined", "body": BODY, **more}
            named = [components.get(world.cards)]
            return incident_templates.create(
                TemplateInput(name, **values, components=named), by=SYSTEM, at=clock.now()
            ).public_id

    return make


def written(world, **more):
    return {
        "name": "API slow",
        "group_name": "Platform",
        "title": "The API is slow",
        "update_status": "identified",
        "body": "Requests take longer than usual.",
        "components": [world.api],
        **more,
    }


# ── writing ────────────────────────────────────────────────────────────────────


def test_template_is_created_edited_and_deleted(ann, world, stored):
    assert ann.post("/admin/templates", written(world)).status_code == 303
    listed = ann.get("/admin/templates")
    assert "API slow Identified The API is slow: API" in text_of(listed)
    (public_id,) = stored(lambda: [one.public_id for one in incident_templates.listed()])
    address = f"/admin/templates/{public_id}"
    form = fields_of(ann.get(address), address)
    assert (form["group_name"], form["update_status"]) == ("Platform", "identified")
    ann.post(address, form | {"name": "API sluggish", "components": [world.cards, world.api]})
    assert "The API is slow: Payments › Card payments, API" in text_of(ann.get("/admin/templates"))
    assert ann.post(f"{address}/remove").status_code == 303
    assert "No templates yet." in ann.get("/admin/templates").text
    log = text_of(ann.get("/admin/audit"))
    assert "Template: created" in log
    assert "Template: removed" in log


def test_refused_template_keeps_the_form(ann, world):
    refused = ann.post("/admin/templates", written(world, name=" ", title="", body="Kept words."))
    assert refused.status_code == 422
    assert "Kept words." in refused.text
    assert re.search(rf'value="{world.api}"[^>]*checked', refused.text)
    assert refused.text.count('aria-invalid="true"') == 2
    odd = written(world, update_status="postmortem", components=["nothing"])
    assert ann.post("/admin/templates", odd).status_code == 422


def test_editing_a_template_keeps_fields_set_by_the_api(ann, a_template, stored):
    address = f"/admin/templates/{a_template(notify=False)}"
    ann.post(address, fields_of(ann.get(address), address))
    assert stored(lambda: incident_templates.listed()[0].notify) is False


def test_viewer_reads_templates_only(person, a_template):
    public_id = a_template()
    viewer = person(Role.VIEWER, "Vi")
    listed = viewer.get("/admin/templates")
    assert "Cards down" in listed.text
    assert "Report with it" not in listed.text
    assert viewer.get(f"/admin/templates/{public_id}").status_code == 403
    assert viewer.post(f"/admin/templates/{public_id}/remove").status_code == 403


# ── using ──────────────────────────────────────────────────────────────────────


def test_incident_form_is_filled_from_the_chosen_template(ann, world, a_template, status_of):
    public_id = a_template(update_status=IncidentStatus.IDENTIFIED)
    link = re.search(r'href="([^"]+template=[^"]+)"', ann.get("/admin/templates").text)[1]
    form = fields_of(ann.get(link), "/admin/incidents")
    assert (form["name"], form["body"]) == ("Card payments are declined", BODY)
    assert form["status"] == "identified"
    assert form[f"claim-{world.cards}-on"] == "on"
    assert f"claim-{world.api}-on" not in form
    assert public_id in link
    answer = ann.post("/admin/incidents", form | {"action": "publish"})
    assert answer.status_code == 303
    assert status_of(world.cards).status is ComponentStatus.DEGRADED_PERFORMANCE


def test_choosing_a_template_keeps_typed_text(ann, world, a_template):
    chosen = {"template": a_template()}
    typed = {
        "name": "Cards fail in Austria",
        "body": "Typed before.",
        "what_you_can_do": "Pay by transfer.",
        "promise": "60",
        "status": "monitoring",
        f"claim-{world.cards}-on": "on",
        f"claim-{world.cards}-status": "major_outage",
    }
    form = fields_of(ann.post("/admin/incidents/preview", typed | chosen), "/admin/incidents")
    assert form["name"] == "Cards fail in Austria"
    assert form["body"] == f"Typed before.\n\n{BODY}"
    assert {name: form[name] for name in typed if name != "body"} == {
        name: value for name, value in typed.items() if name != "body"
    }


def test_another_template_replaces_the_text_of_the_first(ann, a_template):
    a_template()
    other = a_template("Everything down", title="We are down", body="Nothing\n\nworks.")
    typed = {"name": "Card payments are declined", "body": BODY, "template": other}
    form = fields_of(ann.post("/admin/incidents/preview", typed), "/admin/incidents")
    assert (form["name"], form["body"]) == ("We are down", "Nothing\n\nworks.")


def test_update_form_is_filled_and_keeps_component_statuses(ann, world, a_template, an_incident):
    incident = an_incident()
    page = ann.get(f"/admin/incidents/{incident}?template={a_template()}")
    form = fields_of(page, f"/admin/incidents/{incident}/updates")
    assert (form["body"], form["status"]) == (BODY, "investigating")
    assert form[f"claim-{world.cards}-status"] == "partial_outage"
    assert form[f"claim-{world.cards}-share"] == "12 %"


def test_resolving_template_affects_no_component(ann, world, a_template, an_incident):
    incident = an_incident(claims={})
    template = a_template(update_status=IncidentStatus.RESOLVED)
    page = ann.post(f"/admin/incidents/{incident}/updates/preview", {"template": template})
    form = fields_of(page, f"/admin/incidents/{incident}/updates")
    assert form["status"] == "resolved"
    assert f"claim-{world.cards}-on" not in form


def test_forms_offer_only_matching_templates(ann, a_template, a_maintenance, stored):
    a_template("Cards down", update_status=IncidentStatus.IDENTIFIED)
    finished = a_template("Upgrade done", update_status=IncidentStatus.COMPLETED)
    a_template("We look into it")
    new = text_of(ann.get("/admin/incidents/new"))
    assert "Cards down" in new
    assert "We look into it" in new
    assert "Upgrade done" not in new
    maintenance = a_maintenance()
    address = f"/admin/incidents/{maintenance}"
    page = text_of(ann.get(address))
    assert "Upgrade done" in page
    assert "We look into it" in page
    assert "Cards down" not in page
    form = fields_of(ann.get(f"{address}?template={finished}"), f"{address}/updates")
    assert (form["status"], form["body"]) == ("completed", BODY)
    assert "Report with it : Upgrade done" not in text_of(ann.get("/admin/templates"))
    assert stored(lambda: len(incidents.get(maintenance).updates)) == 1


def test_deleted_template_leaves_the_form_unchanged(ann, world):
    form = fields_of(ann.get("/admin/incidents/new?template=nothing"), "/admin/incidents")
    assert (form["name"], form["body"]) == ("", "")
