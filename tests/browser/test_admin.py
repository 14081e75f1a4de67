"""What staff do at the desk, in Chromium: with script, without it, and by keyboard alone."""

from base64 import b32decode
from datetime import timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import expect

from statuspage import clock
from statuspage.config import Settings
from statuspage.domain import page_settings
from statuspage.domain.claims import OPERATIONAL, Claim, effective
from statuspage.domain.components import claims_store
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import corrections, drafts, maintenance, postmortems
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Facts, IncidentEdit, Schedule, UpdateInput
from statuspage.domain.incidents.postmortems import Action, Part
from statuspage.domain.staff import members as staff
from statuspage.domain.staff.members import Role
from statuspage.domain.statuses import ComponentStatus, IncidentStatus
from statuspage.web.admin import reauthentication
from tests.conftest import SECRET
from tests.helpers.accessibility import barriers
from tests.helpers.totp_app import code_at

PASSWORD = "correct horse battery"


@pytest.fixture
def settings(database_url, tmp_path) -> Settings:
    """As on one's own machine: over HTTP a browser keeps no cookie that is for HTTPS."""
    return Settings(
        data_dir=tmp_path / "data",
        database_url=database_url,
        secret_key=SECRET,
        base_url="http://127.0.0.1",
        demo=False,
    )


@pytest.fixture
def desk(committed, at):
    """Ids by name: a page with an open incident, a resolved one, a maintenance, a draft."""
    with committed():
        by = {"by": SYSTEM, "at": at - timedelta(days=30)}
        page_settings.create("Northwind", time_zone="Europe/Vienna", **by)
        group = components.add_group("Payments", **by)
        cards = components.add_component("Card payments", group=group, **by)
        components.add_component("Bank transfers", group=group, **by)
        api = components.add_component("API", **by)
        staff.create("ann@example.com", name="Ann", role=Role.OWNER, password=PASSWORD, **by)
        past = incidents.open_incident(
            "API was down",
            UpdateInput(
                status=IncidentStatus.INVESTIGATING,
                body="Nothing answers.",
                claims={api: Claim(ComponentStatus.MAJOR_OUTAGE)},
            ),
            by=SYSTEM,
            at=at - timedelta(days=3),
        )
        incidents.post_update(
            past,
            UpdateInput(status=IncidentStatus.RESOLVED, body="It answers again."),
            by=SYSTEM,
            at=at - timedelta(days=3) + timedelta(hours=1),
        )
        first = past.updates[-1]
        corrections.edit_update(
            first, body="Nothing answered.", expected_version=1, by=SYSTEM, at=at, reason="Tense"
        )
        document = postmortems.save(
            past,
            {Part.SUMMARY: "A *bad* deploy.", Part.ROOT_CAUSE: "No test."},
            [Action("Test deploys", due_on=at.date() - timedelta(days=1), owner="Ed")],
            expected_version=None,
            by=SYSTEM,
            at=at,
        )
        postmortems.publish(document, by=SYSTEM, at=at)
        trouble = incidents.open_incident(
            "Card payments declined",
            UpdateInput(
                status=IncidentStatus.INVESTIGATING,
                body="Some card payments are declined.",
                claims={cards: Claim(ComponentStatus.PARTIAL_OUTAGE, Decimal(12), "EU cards")},
                facts=Facts("Customers with EU cards", "Bank transfers", None),
                next_update_by=at + timedelta(minutes=5),
            ),
            by=SYSTEM,
            at=at - timedelta(minutes=20),
        )
        draft = drafts.create(
            "Perhaps something",
            UpdateInput(IncidentStatus.INVESTIGATING, "Perhaps."),
            by=SYSTEM,
            at=at,
        )
        work = maintenance.schedule(
            "Database upgrade",
            UpdateInput(
                status=IncidentStatus.SCHEDULED,
                body="Short interruptions.",
                claims={api: maintenance.UNDER_MAINTENANCE},
            ),
            Schedule(
                scheduled_for=at + timedelta(days=1),
                scheduled_until=at + timedelta(days=1, hours=1),
            ),
            by=SYSTEM,
            at=at,
        )
        return {
            "cards": cards.public_id,
            "api": api.public_id,
            "group": group.public_id,
            "trouble": trouble.public_id,
            "update": trouble.updates[0].public_id,
            "past": past.public_id,
            "draft": draft.public_id,
            "work": work.public_id,
        }


@pytest.fixture
def signed_in(open_page, live_url, desk):
    """`signed_in(**habits)`: Ann's browser window, on the overview."""

    def sign_in(**habits):
        page = open_page(**habits)
        page.goto(f"{live_url}/admin/")
        page.get_by_label("E-mail").fill("ann@example.com")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
        return page

    return sign_in


@pytest.fixture
def claim_of(app):
    def ask(public_id):
        with app.app_context():
            component = components.get(public_id)
            rows = claims_store.claims_since(clock.now())
            spans = [row.span for row in rows if row.component_id == component.id]
            return effective(spans, clock.now())

    return ask


def screens(desk):
    """Every screen of the desk by its address."""
    incident, past = f"/admin/incidents/{desk['trouble']}", f"/admin/incidents/{desk['past']}"
    return [
        "/admin/",
        "/admin/incidents",
        "/admin/incidents/new",
        "/admin/incidents/backfill",
        incident,
        f"{incident}/edit",
        f"{incident}/updates/{desk['update']}/edit",
        f"{incident}/moments/started_at",
        f"{incident}/retract",
        f"{incident}/redact",
        past,
        f"{past}/postmortem",
        f"/admin/incidents/{desk['draft']}",
        f"/admin/incidents/{desk['work']}",
        "/admin/maintenance",
        "/admin/maintenance/new",
        f"/admin/maintenance/{desk['work']}/reschedule",
        f"/admin/maintenance/{desk['work']}/cancel",
        "/admin/subscribers",
        "/admin/deliveries",
        "/admin/subscribers/import",
        "/admin/mails/incident",
        "/admin/components",
        "/admin/components/new",
        f"/admin/components/{desk['cards']}",
        f"/admin/components/groups/{desk['group']}",
        "/admin/postmortems",
        "/admin/settings",
        "/admin/team",
        "/admin/tokens",
        "/admin/account",
        "/admin/audit",
        "/admin/incidents/nothing",
    ]


def test_staff_open_an_incident_update_it_and_resolve_it(signed_in, desk, claim_of):
    page = signed_in()
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: line.type in {"error", "warning"} and wrong.append(line.text))
    page.get_by_role("link", name="Report an incident").click()
    page.get_by_label("Name").fill("API answers slowly")
    page.get_by_label("Message").fill("Requests to the API take **ten seconds** since noon.")
    page.get_by_label("Status of API").select_option("Degraded performance")
    page.get_by_label("Share affected at API").fill("40 %")
    expect(page.get_by_role("checkbox", name="API")).to_be_checked()
    page.get_by_label("What customers can do").fill("Try again.")
    page.get_by_role("radio", name="1 h").check()
    preview = page.get_by_role("region", name="What customers will see")
    expect(preview.get_by_text("ten seconds", exact=True)).to_have_css("font-weight", "700")
    expect(preview).to_contain_text("API: Degraded performance, 40 %")
    expect(preview).to_contain_text("✓ Says what customers notice")
    expect(preview).to_contain_text("✓ Gives a workaround")
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("Published.")
    assert claim_of(desk["api"]) == Claim(ComponentStatus.DEGRADED_PERFORMANCE, Decimal(40))
    promised = page.get_by_text("You promised customers the next update")
    expect(promised).to_contain_text("in 1 hour")

    page.get_by_role("radio", name="Monitoring").check()
    page.get_by_label("Message").fill("A fix is in place; we are watching it closely now.")
    page.get_by_role("button", name="Publish update").click()
    expect(page.get_by_role("status")).to_have_text("Update posted.")

    page.get_by_role("radio", name="Resolved").check()
    page.get_by_label("Message").fill("It is fast again. Sorry for the wait.")
    expect(preview).to_contain_text("Released when you publish")
    expect(preview).to_contain_text("API: operational")
    page.get_by_role("button", name="Publish update").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("API answers slowly")
    assert claim_of(desk["api"]) == OPERATIONAL
    assert wrong == []


def test_staff_report_an_incident_without_script(signed_in, desk, claim_of):
    page = signed_in(script=False)
    page.get_by_role("link", name="Report an incident").click()
    page.get_by_label("Name").fill("API answers slowly")
    page.get_by_label("Message").fill("Requests to the API take ten seconds since noon.")
    page.get_by_role("checkbox", name="API").check()
    page.get_by_label("Status of API").select_option("Degraded performance")
    page.get_by_role("button", name="Preview").last.click()
    preview = page.get_by_role("region", name="What customers will see")
    expect(preview).to_contain_text("Requests to the API take ten seconds")
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("Published.")
    assert claim_of(desk["api"]).status is ComponentStatus.DEGRADED_PERFORMANCE
    expect(page.get_by_text("Resolved releases API.")).to_be_visible()
    page.get_by_role("radio", name="Resolved").check()
    page.get_by_label("Message").fill("It is fast again.")
    page.get_by_role("button", name="Publish update").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("API answers slowly")
    assert claim_of(desk["api"]) == OPERATIONAL


def focused(page):
    return page.evaluate(
        "(e => e.labels?.[0]?.innerText || e.ariaLabel || e.innerText || e.id)"
        "(document.activeElement)"
    )


def tab_to(page, name, *, at_most=60):
    """Press Tab until what is called so has the focus."""
    for _ in range(at_most):
        page.keyboard.press("Tab")
        if focused(page).strip() == name:
            return
    raise AssertionError(f"Tab never came to {name!r}")


def test_staff_report_an_incident_by_keyboard(signed_in, live_url, desk, claim_of):
    page = signed_in()
    tab_to(page, "Report an incident")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("API answers slowly")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Report an incident")
    tab_to(page, "Investigating")
    page.keyboard.press("ArrowRight")
    assert focused(page).strip() == "Identified"
    tab_to(page, "Message")
    page.keyboard.type("Requests to the API take ten seconds.")
    tab_to(page, "API")
    page.keyboard.press("Space")
    tab_to(page, "Status of API")
    page.keyboard.type("Maj")
    tab_to(page, "Publish")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Published.")
    assert claim_of(desk["api"]).status is ComponentStatus.MAJOR_OUTAGE


def names(page):
    return page.locator(".tree .node").evaluate_all(
        "all => all.map(one => one.querySelector('a').innerText)"
    )


def test_components_are_reordered_by_keyboard_and_keep_the_focus(signed_in, live_url, desk):
    page = signed_in()
    page.goto(f"{live_url}/admin/components")
    assert names(page) == ["Payments", "Card payments", "Bank transfers", "API"]
    tab_to(page, "↑\nMove API up")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Order saved.")
    assert names(page) == ["API", "Payments", "Card payments", "Bank transfers"]
    expect(page.get_by_role("button", name="Move API up")).to_be_focused()


def test_components_are_reordered_by_dragging(signed_in, live_url, desk):
    page = signed_in()
    page.goto(f"{live_url}/admin/components")
    row = page.locator(f"[data-item=c-{desk['api']}] > .node")
    target = page.locator(f"[data-item=c-{desk['cards']}] > .node")
    row.drag_to(target, target_position={"x": 60, "y": 3})
    expect(page.get_by_role("status")).to_have_text("Order saved.")
    assert names(page) == ["Payments", "API", "Card payments", "Bank transfers"]


def test_double_click_publishes_once(signed_in, live_url, desk, app):
    page = signed_in()
    page.goto(f"{live_url}/admin/incidents/{desk['trouble']}")
    page.get_by_label("Message").fill("Said once, and only once.")
    page.get_by_role("button", name="Publish update").dblclick()
    expect(page.get_by_role("status")).to_have_text("Update posted.")
    with app.app_context():
        bodies = [update.body for update in incidents.get(desk["trouble"]).updates]
    assert bodies.count("Said once, and only once.") == 1


def test_refused_form_focuses_the_error(signed_in, live_url, desk):
    page = signed_in()
    page.goto(f"{live_url}/admin/incidents/{desk['trouble']}")
    page.get_by_label("Share affected at Payments › Card payments").fill("a lot")
    page.get_by_label("Message").fill("These words stay.")
    page.get_by_role("button", name="Publish update").click()
    summary = page.get_by_role("alert")
    expect(summary).to_be_focused()
    summary.get_by_role("link").first.click()
    field = page.get_by_label("Share affected at Payments › Card payments")
    expect(field).to_be_focused()
    expect(field).to_have_value("a lot")
    expect(page.get_by_label("Message")).to_have_value("These words stay.")


def test_admin_pages_pass_axe_and_never_scroll_sideways(signed_in, open_page, live_url, desk):
    page = signed_in()
    found = {}
    for address in screens(desk):
        page.goto(live_url + address)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        found[address] = barriers(page), too_wide_at(page)
    outside = open_page()
    outside.goto(f"{live_url}/admin/sign-in")
    found["/admin/sign-in"] = barriers(outside), too_wide_at(outside)
    assert found == dict.fromkeys(found, ([], []))


def too_wide_at(page):
    """The widths at which the page scrolls sideways."""
    wide = []
    for width in (320, 375, 768):
        page.set_viewport_size({"width": width, "height": 700})
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(width)
    page.set_viewport_size({"width": 1280, "height": 900})
    return wide


def test_admin_error_pages_pass_axe(signed_in, open_page, live_url, desk, committed, monkeypatch):
    found = {}
    page = signed_in()
    page.goto(f"{live_url}/admin/incidents/{desk['trouble']}/edit")
    page.get_by_label("Name").fill("Cards declined, says Ann")
    with committed():
        incident = incidents.get(desk["trouble"])
        link = staff.create_sign_in_link(staff.with_email("ann@example.com"), at=clock.now())
        corrections.edit_incident(
            incident,
            IncidentEdit(
                name="Cards declined, says Ben",
                facts=incident.facts,
                next_update_by=None,
                impact_override=None,
            ),
            expected_version=1,
            by=SYSTEM,
            at=clock.now(),
        )
    page.get_by_role("button", name="Save").click()
    found["Someone else changed this first"] = heading_and_barriers(page)

    monkeypatch.setattr(reauthentication, "FRESH", timedelta(0))
    with committed():
        by = {"by": SYSTEM, "at": clock.now()}
        staff.create("ed@example.com", name="Ed", role=Role.VIEWER, password=None, **by)
    for button, heading in (
        ("Lock out Ed", "Lock out Ed"),
        ("Change role of Ed", "Change the role of Ed"),
    ):
        page.goto(f"{live_url}/admin/team")
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        found[heading] = heading_and_barriers(page)

    page.goto(f"{live_url}/admin/incidents/{desk['trouble']}")
    page.get_by_label("Message").fill("Words that took\nan hour to write.")
    page.context.clear_cookies()
    page.get_by_role("button", name="Publish update").click()
    expect(page.get_by_role("button", name="Send again")).to_be_visible()
    found["You are signed out"] = heading_and_barriers(page)

    outside = open_page()
    for heading, token in [
        ("Sign in to the status page admin", link),
        ("This link no longer works", "used-up"),
    ]:
        outside.goto(f"{live_url}/admin/sign-in/{token}")
        found[heading] = heading_and_barriers(outside)
    assert found == {heading: (heading, []) for heading in found}


def test_second_factor_is_set_up_and_used_by_keyboard(signed_in, open_page, live_url, desk):
    page = signed_in()
    found = {}
    page.goto(f"{live_url}/admin/account")
    tab_to(page, "Set up a second factor")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Second factor")
    tab_to(page, "Your password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    found["Set up your second factor"] = heading_and_barriers(page), too_wide_at(page)
    secret = b32decode(page.locator("code.secret").inner_text().replace(" ", ""))
    now, step = clock.now(), timedelta(seconds=30)
    tab_to(page, "Code")
    page.keyboard.type(code_at(secret, now - step))
    page.keyboard.press("Enter")
    expect(page.get_by_role("list", name="Recovery codes").get_by_role("listitem")).to_have_count(
        10
    )
    found["Your second factor is on"] = heading_and_barriers(page), too_wide_at(page)
    tab_to(page, "I have saved them")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
    tab_to(page, "Manage your second factor")
    page.keyboard.press("Enter")
    expect(page.get_by_text("You have 10 recovery codes left.")).to_be_visible()

    other = open_page()
    other.goto(f"{live_url}/admin/")
    other.get_by_label("E-mail").fill("ann@example.com")
    other.get_by_label("Password").fill(PASSWORD)
    other.keyboard.press("Enter")
    expect(other.get_by_label("Code", exact=True)).to_be_focused()
    other.keyboard.type("000000")
    other.keyboard.press("Enter")
    expect(other.get_by_role("alert")).to_be_focused()
    other.get_by_text("I don't have the app").click()
    found["Enter a code"] = heading_and_barriers(other), too_wide_at(other)
    tab_to(other, "Code")
    other.keyboard.type(code_at(secret, now + step))
    other.keyboard.press("Enter")
    expect(other.get_by_role("heading", level=1)).to_have_text("Overview")
    assert found == {heading: ((heading, []), []) for heading in found}


def heading_and_barriers(page):
    return page.get_by_role("heading", level=1).inner_text(), barriers(page)
