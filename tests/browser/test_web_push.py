"""Notifications in a real browser: the way appears, the worker shows what it is told.

What needs the maker's push service on the internet is not here: that subscribing there
gives an endpoint. In its place the page gets the subscription of `FakeBrowser`.
"""

import json
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from statuspage.db import db
from statuspage.domain.subscribers.subscriptions import Subscriber, SubscriberState
from statuspage.lib import signed_links
from statuspage.lib.signed_links import Purpose
from tests.conftest import SECRET, WITH_WINDOWS, a_program
from tests.helpers.accessibility import barriers
from tests.helpers.push_service import FakeBrowser

SUBSCRIBED = """(subscription) => {
  const given = { toJSON: () => subscription };
  PushManager.prototype.subscribe = async (options) => {
    if (!options.userVisibleOnly || options.applicationServerKey.length !== 87) throw new Error();
    return given;
  };
  PushManager.prototype.getSubscription = async () => given;
}"""


@pytest.fixture(scope="module")
def browser(launch_browser):
    """Without windows there are no notifications."""
    browser = launch_browser(executable_path=a_program(*WITH_WINDOWS))
    yield browser
    browser.close()


@pytest.fixture
def page(open_page, live_url, northwind):
    page = open_page(width=375)
    page.context.grant_permissions(["notifications"], origin=live_url)
    page.goto(f"{live_url}/subscribe")
    return page


def deliver(page, told):
    """What the browser does when its push service hands it a message."""
    page.wait_for_function("navigator.serviceWorker.ready.then(() => true)")
    session = page.context.new_cdp_session(page)
    parts = urlsplit(page.url)
    session.send(
        "ServiceWorker.deliverPushMessage",
        {
            "origin": f"{parts.scheme}://{parts.netloc}",
            "registrationId": registration_id(page, session),
            "data": json.dumps(told),
        },
    )


def registration_id(page, session):
    """The name of its worker, which the browser tells in an event that may come late."""
    found = []
    session.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda event: found.extend(event["registrations"]),
    )
    session.send("ServiceWorker.enable")
    for _ in range(1_000):
        if found:
            return found[-1]["registrationId"]
        page.evaluate("new Promise((done) => setTimeout(done, 10))")
    raise AssertionError("the browser did not tell the registration of its worker")


def shown(page):
    """What stands among the notifications."""
    return page.evaluate(
        """async () => {
          const registration = await navigator.serviceWorker.ready;
          for (let i = 0; i < 100; i++) {
            const found = await registration.getNotifications();
            if (found.length) return found.map(({ title, body, tag, data, actions }) =>
              ({ title, body, tag, data, actions: actions.map((one) => one.title) }));
            await new Promise((done) => setTimeout(done, 20));
          }
        }"""
    )


def test_without_a_mail_server_this_browser_is_chosen_and_without_script_nothing(
    page, open_page, live_url
):
    expect(page.get_by_role("radio", name="This browser")).to_be_checked()
    expect(page.get_by_role("button", name="Notify me in this browser")).to_be_visible()
    expect(page.get_by_text("No address needed")).to_be_visible()
    expect(page.get_by_label("Webhook URL")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert barriers(page) == []
    bare = open_page(script=False)
    bare.goto(f"{live_url}/subscribe")
    expect(bare.get_by_role("radio", name="This browser")).to_have_count(0)
    expect(bare.get_by_role("radio", name="Webhook")).not_to_be_checked()


def test_browser_subscribes_confirms_and_unsubscribes(app, page):
    page.evaluate(SUBSCRIBED, FakeBrowser("https://push.example.com").subscription)
    page.get_by_role("radio", name="This browser").check()
    page.get_by_role("radio", name="Choose components").check()
    page.get_by_role("checkbox", name="Website").check()
    page.get_by_role("button", name="Notify me in this browser").click()
    expect(page.get_by_text("Waiting for the first notification")).to_be_visible()
    with app.app_context():
        subscriber = db.session.scalars(sa.select(Subscriber)).one()
        assert [each.name for each in subscriber.components] == ["Website"]
    token = signed_links.token(SECRET, Purpose.CONFIRM, subscriber.public_id)
    link = f"https://status.example.com/subscriptions/confirm/{token}"
    told = {"title": "✔ Northwind", "body": "From now on.", "tag": "subscription", "confirm": link}
    deliver(page, told | {"url": "/", "manage": "/subscriptions/x"})
    expect(page.get_by_text("This browser gets notifications.")).to_be_visible()
    with app.app_context():
        assert db.session.get(Subscriber, subscriber.id).state is SubscriberState.ACTIVE
    (notice,) = shown(page)
    assert (notice["title"], notice["body"]) == ("✔ Northwind", "From now on.")
    assert notice["actions"] == ["Manage"]
    assert barriers(page) == []
    # What is told of the same thing takes the place of what is shown.
    deliver(page, told | {"body": "Later."})
    page.wait_for_function(
        """navigator.serviceWorker.ready
        .then((one) => one.getNotifications()).then(([one]) => one.body === "Later.")"""
    )
    assert len(shown(page)) == 1
    page.get_by_role("button", name="Turn off").click()
    expect(page.get_by_text("Notifications are off.")).to_be_visible()
    with app.app_context():
        assert db.session.get(Subscriber, subscriber.id).state is SubscriberState.UNSUBSCRIBED
    assert page.context.cookies() == []


def test_denied_permission_explains_what_to_do(open_page, live_url, northwind):
    page = open_page()
    page.goto(f"{live_url}/subscribe")
    page.get_by_role("radio", name="This browser").check()
    page.get_by_role("button", name="Notify me in this browser").click()
    expect(page.get_by_text("blocks notifications from this page")).to_be_visible()
    expect(page.get_by_role("button", name="Notify me in this browser")).to_be_enabled()


def test_iphone_is_told_to_add_the_page_to_its_home_screen(open_page, live_url, northwind):
    page = open_page(width=375)
    page.add_init_script("delete window.PushManager; navigator.standalone = false")
    page.goto(f"{live_url}/subscribe")
    expect(page.get_by_text("Add to Home Screen")).to_be_visible()
    expect(page.get_by_role("radio", name="This browser")).to_have_count(0)
    assert page.evaluate("fetch('/site.webmanifest').then((one) => one.ok)")
