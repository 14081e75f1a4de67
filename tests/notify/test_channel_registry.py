"""What another channel costs: its value in `Channel`, and one file."""

import re
from queue import SimpleQueue

import pytest
import sqlalchemy as sa

from statuspage.config import PROJECT
from statuspage.db import db
from statuspage.domain.subscribers import subscriptions as subscribers
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber
from statuspage.errors import Invalid
from statuspage.notify.channels import registry
from statuspage.notify.channels.base import ChannelSender, ChannelType
from statuspage.notify.dispatcher import Dispatcher
from tests.conftest import on_sqlite

SOURCES = {".py", ".html", ".txt", ".css", ".js"}
PAGER = Channel.INTEGRATION_PARTNER
"""A value of the enum that has no file."""


def test_every_channel_has_a_file_of_its_name():
    assert set(registry.CHANNELS) == set(Channel) - {PAGER}


@pytest.mark.parametrize("name", ["mattermost", "google_chat"])
def test_a_channel_is_known_to_its_file_and_the_enum_only(name):
    folders = [PROJECT / folder for folder in ("statuspage", "templates", "static", "migrations")]
    files = [path for folder in folders for path in folder.rglob("*.*") if path.suffix in SOURCES]
    others = [path for path in files if path.stem != name]
    naming = [path.name for path in others if re.search(name, path.read_text(), re.IGNORECASE)]
    assert len(others) == len(files) - 1
    assert naming == ["subscriptions.py"]


@pytest.fixture
def pager(monkeypatch):
    """All that a file `notify/channels/integration_partner.py` has to hold; what it sent."""
    sent = SimpleQueue()

    def address(text):
        if not text.startswith("https://pager.example/"):
            raise Invalid(endpoint="Copy the URL of the pager.")
        return text.lower()

    kind = ChannelType(
        sender=lambda settings: ChannelSender(lambda news, to: sent.put(to.address), slots=1),
        fields=("endpoint",),
        help="In the pager: Settings, Status page.",
        address=address,
    )
    monkeypatch.setitem(registry.CHANNELS, PAGER, kind)
    monkeypatch.setitem(subscribers.ADDRESS_RULES, PAGER, address)
    return sent


@on_sqlite
def test_another_channel_is_offered_checked_and_used(app, client, component, pager, at):
    form = client.get("/subscribe").text
    assert 'value="integration_partner" data-fields="endpoint"' in form
    assert "In the pager: Settings, Status page." in form

    sent = {"channel": PAGER.value, "endpoint": "https://elsewhere.example/", "scope": "all"}
    refused = client.post("/subscribe", data=sent)
    assert (refused.status_code, "Copy the URL of the pager." in refused.text) == (422, True)
    sent["endpoint"] = "https://pager.example/A"
    assert client.post("/subscribe", data=sent).status_code == 303

    with app.app_context():
        subscriber = db.session.scalars(sa.select(Subscriber)).one()
    assert subscriber.address == "https://pager.example/a"
    dispatcher = Dispatcher(app)
    while dispatcher.step(at):
        pass
    assert pager.get(timeout=10) == "https://pager.example/a"
    dispatcher.stop()
