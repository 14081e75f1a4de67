"""A new secret key: the application is started anew on the same database."""

import pytest
from pydantic import ValidationError

from statuspage.config import Settings
from statuspage.domain import page_settings
from statuspage.domain.events import SYSTEM
from statuspage.domain.staff import members as staff
from statuspage.domain.staff.members import Role
from statuspage.domain.subscribers import subscriptions as subscribers
from statuspage.domain.subscribers.subscriptions import Channel, Contact
from statuspage.lib import signed_links
from statuspage.lib.signed_links import Purpose
from tests.conftest import SECRET, on_sqlite
from tests.helpers.admin import Browser

pytestmark = on_sqlite

NEW = "a new key of this installation"
PASSWORD = "five words nobody would guess"


def test_key_rotation_ends_sessions_and_keeps_links(app, another, committed, at):
    with committed():
        page_settings.create("Northwind", time_zone="UTC", by=SYSTEM, at=at)
        staff.create(
            "ada@example.com", name="Ada", role=Role.OWNER, password=PASSWORD, by=SYSTEM, at=at
        )
        contact = Contact.of(Channel.EMAIL, "reader@example.net")
        reader = subscribers.add(contact, by=SYSTEM, at=at, is_confirmed=True).public_id
    browser = Browser(app)
    browser.sign_in("ada@example.com", PASSWORD)
    assert browser.get("/admin/").status_code == 200
    link = f"/subscriptions/{signed_links.token(SECRET, Purpose.MANAGE, reader)}"

    for listed, status in ((SECRET, 200), (f"a-key-of-long-ago-1 {SECRET}", 200), ("", 404)):
        client = another(secret_key=NEW, old_secret_keys=listed).test_client()
        later = Browser(client.application)
        later.cookie = browser.cookie
        desk = later.get("/admin/")
        assert desk.status_code in (302, 303)
        assert "/admin/sign-in" in desk.headers["Location"]
        assert client.get(link).status_code == status


def test_short_old_key_is_refused_with_a_sentence(settings):
    with pytest.raises(ValidationError, match="each key must have at least 16 characters"):
        Settings(**settings.model_dump() | {"old_secret_keys": f"{SECRET} short"})
