"""Subscribing in a real browser: forms, policy and origin as browsers see them."""

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from statuspage.db import db
from statuspage.domain.subscribers.subscriptions import Subscriber
from statuspage.lib import signed_links
from statuspage.lib.signed_links import Purpose
from tests.conftest import SECRET
from tests.helpers.accessibility import barriers

ADDRESS = "https://discord.com/api/webhooks/1/abc"


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"smtp_url": "smtp://127.0.0.1:2525"})


def test_reader_subscribes_changes_and_unsubscribes_without_script(
    app, open_page, live_url, northwind
):
    page = open_page(script=False, width=375)
    page.goto(f"{live_url}/subscribe")
    expect(page.get_by_label("E-mail address", exact=True)).to_be_visible()
    expect(page.get_by_label("Webhook URL")).to_be_hidden()
    expect(page.get_by_label("Leave this empty")).not_to_be_in_viewport()
    page.get_by_role("radio", name="Webhook").check()
    expect(page.get_by_label("E-mail address", exact=True)).to_be_hidden()
    page.get_by_label("Webhook URL").fill("nothing")
    page.get_by_role("radio", name="Choose components").check()
    page.get_by_role("checkbox", name="Website").check()
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("alert")).to_contain_text("https://")
    expect(page.get_by_role("checkbox", name="Website")).to_be_checked()
    page.get_by_label("Webhook URL").fill(ADDRESS)
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("One more step")

    with app.app_context():
        subscriber = db.session.scalars(sa.select(Subscriber)).one()
    token = signed_links.token(SECRET, Purpose.CONFIRM, subscriber.public_id)
    page.goto(f"{live_url}/subscriptions/confirm/{token}")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You’re subscribed")
    page.get_by_role("link", name="Manage subscription").click()
    expect(page.get_by_role("checkbox", name="Website")).to_be_checked()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.get_by_role("radio", name="Everything").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="Saved.")).to_be_visible()
    page.get_by_role("button", name="Unsubscribe and delete").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You’re unsubscribed")
    assert page.context.cookies() == []


def test_each_channel_shows_its_own_fields_and_help(open_page, live_url, northwind):
    page = open_page(script=False, width=375)
    page.goto(f"{live_url}/subscribe")
    for name, fields, words in (
        ("E-mail", ["E-mail address"], None),
        ("Webhook", ["Webhook URL", "Contact e-mail (optional)"], "signed following Standard"),
        ("Slack", ["Webhook URL"], "In Slack: Apps"),
        ("Mattermost", ["Webhook URL"], "In Mattermost: Integrations"),
    ):
        page.get_by_role("radio", name=name, exact=True).check()
        labels = page.locator(".way label").filter(visible=True)
        assert labels.all_text_contents() == fields
        shown = page.locator(".chips .help").filter(visible=True).all_text_contents()
        assert [words in text for text in shown] == ([True] if words else [])


def test_axe_finds_no_barrier_on_the_way(app, open_page, live_url, northwind):
    page = open_page()
    page.goto(f"{live_url}/subscribe")
    page.get_by_role("radio", name="Webhook").check()
    page.get_by_role("radio", name="Choose components").check()
    assert barriers(page) == [], page.url
    page.get_by_label("Webhook URL").fill("nothing")
    page.get_by_role("button", name="Subscribe").click()
    assert barriers(page) == [], page.url
    page.get_by_label("Webhook URL").fill(ADDRESS)
    page.get_by_role("radio", name="Everything").check()
    page.get_by_role("button", name="Subscribe").click()
    with app.app_context():
        subscriber = db.session.scalars(sa.select(Subscriber)).one()
        zone = subscriber.time_zone
    assert zone  # The browser's own, from the page's script.
    for purpose, path in (
        (Purpose.CONFIRM, "confirm/"),
        (Purpose.MANAGE, ""),
        (Purpose.UNSUBSCRIBE, "unsubscribe/"),
    ):
        token = signed_links.token(SECRET, purpose, subscriber.public_id)
        page.goto(f"{live_url}/subscriptions/{path}{token}")
        assert barriers(page) == [], page.url
