"""Every kind of news reaches every chat in its vendor's format, however long the texts."""

import json
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies

from statuspage.db import db
from statuspage.domain import events
from statuspage.domain.components import claims_store
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import corrections, maintenance, reminders
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import Schedule, UpdateInput
from statuspage.domain.incidents.postmortems import Part
from statuspage.domain.incidents.postmortems import publish as publish_postmortem
from statuspage.domain.incidents.postmortems import save as save_postmortem
from statuspage.domain.statuses import IncidentStatus
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber
from statuspage.notify import message as messages
from statuspage.notify.channels.base import Failed
from statuspage.notify.channels.registry import channel_senders
from tests.conftest import SECRET, on_sqlite
from tests.helpers import chat_rules
from tests.notify.conftest import DOWN

pytestmark = on_sqlite

BASE = "https://status.example.com"
ROOM = "very-secret-path"
_KEPT = {}


class Vendor:
    """A receiver that keeps what it got, and answers what it is told to."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, bytes]] = []
        """(method, target, body)"""
        self.headers: list[dict[str, str]] = []
        self.answers: list[tuple[int, bytes]] = []
        self.url = ""

    @property
    def texts(self) -> str:
        return "\n".join(body.decode() for _, _, body in self.got)


@contextmanager
def vendor():
    one = Vendor()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            one.got.append((self.command, self.path, body))
            one.headers.append(dict(self.headers))
            status, said = one.answers.pop(0) if one.answers else (200, b'{"id": "42"}')
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_PATCH = do_POST

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    one.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield one
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def stories(request):
    """Name → news of each kind, as the product makes them; and who they are told to."""
    if _KEPT:
        return _KEPT
    at = request.getfixturevalue("at")
    request.getfixturevalue("subscribed")(channel=Channel.SLACK)
    incident_id = request.getfixturevalue("an_incident")()
    hour = timedelta(hours=1)
    with request.getfixturevalue("committed")():
        (api,) = components.listed()
        one = incidents.get(incident_id)
        corrections.edit_update(
            one.updates[0],
            body="All requests fail.",
            expected_version=1,
            reason="We had counted wrong.",
            by=SYSTEM,
            at=at,
            notify=True,
        )
        incidents.post_update(
            one, UpdateInput(status=IncidentStatus.RESOLVED, body="It is over."), by=SYSTEM, at=at
        )
        texts = {Part.SUMMARY: "What it was.", Part.ROOT_CAUSE: "Why it was."}
        told = {"by": SYSTEM, "at": at}
        written = save_postmortem(one, texts, [], expected_version=None, **told)
        publish_postmortem(written, **told)
        withdrawn = incidents.open_incident(
            "A mistake", UpdateInput(IncidentStatus.INVESTIGATING, "-"), **told
        )
        corrections.retract(withdrawn, reason="Nothing was wrong.", **told)
        claims_store.set_status(api, DOWN, **told)
        planned = maintenance.schedule(
            "Upgrade",
            UpdateInput(IncidentStatus.SCHEDULED, "The API is away for a minute.", {api: DOWN}),
            Schedule(at + 2 * hour, at + 3 * hour, reminds=True),
            **told,
        )
        assert reminders.remind(planned.public_id, at=at + hour)
        person = db.session.query(Subscriber).one()
        for happened in ("confirmation_wanted", "link_wanted", "test_wanted"):
            events.record(
                f"subscriber.{happened}", subject=person.public_id, title="", **told, notify=True
            )
    with request.getfixturevalue("app").app_context():
        for event in events.latest(50):
            found = messages.of(event, at=at + hour, base_url=BASE) if event.notify else None
            if found is not None:
                _KEPT[event.kind] = found
        person = db.session.query(Subscriber).one()
        _KEPT["to"] = messages.recipient(person, Channel.SLACK, 1, secret=SECRET, base_url=BASE)
    return _KEPT


KINDS = {
    "incident.opened": "All requests fail.",
    "incident.update_edited": "Some requests fail.",
    "incident.update_posted": "It is over.",
    "incident.retracted": "Nothing was wrong.",
    "postmortem.published": "We published the postmortem",
    "component.status_set": "Partial outage",
    "maintenance.scheduled": "Planned for",
    "maintenance.reminded": "Reminder",
    "subscriber.confirmation_wanted": "/subscriptions/confirm/",
    "subscriber.link_wanted": "/subscriptions/",
    "subscriber.test_wanted": "test",
}
"""Kind of event → what a chat must be able to read."""


@pytest.fixture(params=chat_rules.ALL)
def channel(request):
    return Channel(request.param)


@pytest.fixture
def sending(settings, channel):
    """`with sending() as (vendor, send)`: `send(news, to)` by this channel, to a real receiver."""

    @contextmanager
    def open_it():
        with vendor() as one:
            form = "#To={to}&Body={text}&From=%2B1999"
            more = {
                "outgoing_allow": "127.0.0.0/8",
                "telegram_token": "1:abc",
                "telegram_url": one.url,
                "sms_url": f"{one.url.replace('//', '//me:pass%20word@')}/messages{form}",
            }
            send = channel_senders(settings.model_copy(update=more))[channel].send
            address = {Channel.SMS: "+15551234567", Channel.TELEGRAM: "-100200"}
            place = address.get(channel, f"{one.url}/{ROOM}?thread_id=7")
            yield one, lambda told, to: send(told, replace(to, address=place, channel=channel))

    return open_it


def test_every_message_kind_follows_the_vendor_format(request, channel, sending):
    known = stories(request)
    with sending() as (one, send):
        for kind, words in KINDS.items():
            one.got.clear()
            send(known[kind], known["to"])
            if channel is Channel.SMS:
                assert len(one.got) == (kind not in UNTOLD)
                continue
            (_, target, body) = one.got[0]
            chat_rules.ALL[channel](body, target)
            said = json.dumps(json.loads(body), ensure_ascii=False).replace("\\\\", "")
            assert words in said, (kind, said)
        if channel is Channel.SMS:
            assert one.headers[-1]["Authorization"] == "Basic bWU6cGFzcyB3b3Jk"
            chat_rules.sms(one.got[-1][2], one.got[-1][1])


def test_correction_shows_old_text_new_text_and_reason(request, channel, sending):
    if channel is Channel.SMS:
        return  # A phone was told no words that could be wrong.
    known = stories(request)
    with sending() as (one, send):
        send(known["incident.update_edited"], known["to"])
    said = one.texts.replace("\\", "")
    for words in (
        "Corrected",
        "Some requests fail.",
        "All requests fail.",
        "We had counted wrong.",
    ):
        assert words in said


LONG = strategies.text(
    alphabet=strategies.sampled_from("a &<>@*[]()_\\\"'\n😀中ü"), min_size=1, max_size=40
).map(lambda text: (text * 1500)[:6000])


@settings(
    max_examples=5,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(name=LONG, text=LONG, fact=LONG)
def test_long_texts_stay_within_vendor_limits(request, channel, sending, name, text, fact):
    known = stories(request)
    with sending() as (one, send):
        for kind in ("incident.update_posted", "incident.update_edited", "maintenance.scheduled"):
            found = known[kind]
            incident = replace(
                found.incident,
                name=name[:255],
                who_is_affected=fact[:300],
                what_still_works=fact[:300],
                what_you_can_do=fact[:300],
                next_update_by=found.at,
            )
            edits = tuple(replace(edit, reason=fact) for edit in found.update.edits)
            if edits:
                edits = (replace(edits[-1], words=(("old", text), ("same", fact))),)
            update = replace(found.update, html=f"<pre>{text.replace('<', '')}</pre>", edits=edits)
            send(replace(found, incident=incident, update=update), known["to"])
    for _, target, body in one.got:
        chat_rules.ALL[channel](body, target)


UNTOLD = ("incident.update_edited", "postmortem.published", "maintenance.scheduled")
"""What phones are not told."""
REFUSALS = {
    Channel.SLACK: [(404, b"no_service", "gone"), (400, b"invalid_blocks", "final")],
    Channel.TEAMS: [
        (404, b'{"error": {"code": "WorkflowNotFound"}}', "gone"),
        (400, b'{"error": {"code": "TriggerInputSchemaMismatch"}}', "final"),
        (429, b"", "later"),
    ],
    Channel.DISCORD: [
        (404, b'{"code": 10015}', "gone"),
        (400, b'{"code": 50035}', "final"),
        (429, b'{"retry_after": 0.5}', timedelta(seconds=0.5)),
    ],
    Channel.GOOGLE_CHAT: [
        (404, b'{"error": {"code": 404, "status": "NOT_FOUND"}}', "gone"),
        (400, b'{"error": {"code": 400}}', "final"),
        (429, b'{"error": {"code": 429}}', "later"),
    ],
    Channel.MATTERMOST: [
        (400, b'{"id": "web.incoming_webhook.invalid.app_error"}', "gone"),
        (400, b'{"id": "web.incoming_webhook.parse.app_error"}', "final"),
        (404, b"<html>proxy</html>", "final"),
    ],
    Channel.TELEGRAM: [
        (403, b'{"ok": false}', "gone"),
        (400, b'{"ok": false, "description": "Bad Request: chat not found"}', "final"),
        (429, b'{"ok": false, "parameters": {"retry_after": 31}}', timedelta(seconds=31)),
    ],
    Channel.SMS: [(400, b"", "later"), (410, b"", "later"), (429, b"", "later")],
}


def test_vendor_refusal_is_understood_without_naming_the_address(
    request, channel, sending, caplog, capfd
):
    known = stories(request)
    for status, body, meant in REFUSALS[channel]:
        with sending() as (one, send):
            one.answers = [(status, body)]
            with pytest.raises(Failed) as failed:
                send(known["incident.opened"], known["to"])
        said = failed.value
        wanted = meant if isinstance(meant, timedelta) else None
        assert (said.is_gone, said.is_final, said.retry_after) == (
            meant == "gone",
            meant in ("gone", "final"),
            wanted,
        )
        written = said.sentence + caplog.text + "".join(capfd.readouterr())
        for secret in (ROOM, "127.0.0.1", "1:abc", "-100200", "+1555", "pass"):
            assert secret not in written


def test_discord_edits_its_message_and_reposts_important_ones(request, settings):
    known = stories(request)
    with vendor() as one:
        way = channel_senders(settings.model_copy(update={"outgoing_allow": "127.0.0.0/8"}))[
            Channel.DISCORD
        ]
        to = replace(known["to"], address=f"{one.url}/hook?thread_id=7", earlier="41")
        edited = ("PATCH", "/hook/messages/41?thread_id=7")
        posted = ("POST", "/hook?thread_id=7&wait=true")
        for kind, wanted, kept in (
            ("incident.opened", [edited], "41"),
            ("incident.update_posted", [edited, posted], "42"),
            ("maintenance.reminded", [edited, posted], "42"),
        ):
            one.got.clear()
            assert way.send(known[kind], to) == kept
            assert [(method, target) for method, target, _ in one.got] == wanted
        one.got.clear()
        one.answers = [(404, b'{"code": 10008}')]
        assert way.send(known["incident.opened"], to) == "42"
        assert [method for method, _, _ in one.got] == ["PATCH", "POST"]


def test_telegram_follows_a_migrated_group(request, settings):
    known = stories(request)
    with vendor() as one:
        more = {"telegram_token": "1:abc", "telegram_url": one.url}
        way = channel_senders(settings.model_copy(update=more))[Channel.TELEGRAM]
        one.answers = [
            (400, b'{"ok": false, "parameters": {"migrate_to_chat_id": -1009}}'),
            (200, b'{"ok": true, "result": {"message_id": 5}}'),
        ]
        to = replace(known["to"], address="-9", earlier="4")
        assert way.send(known["incident.opened"], to) == "5"
        sent = [json.loads(body) for _, _, body in one.got]
        assert [message["chat_id"] for message in sent] == ["-9", -1009]
        assert sent[0]["reply_parameters"]["message_id"] == 4
