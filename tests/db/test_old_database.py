"""An earlier release's database: the present application finds all of it.

The sample and the code that wrote it are in `tests/samples/database-6b98c10`.
"""

import hashlib
import hmac
import json
import re
import sqlite3
import struct
import time
from collections import Counter
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import time_machine
from standardwebhooks import Webhook

from statuspage.cli import processes
from statuspage.config import PROJECT, Settings
from statuspage.db import db
from statuspage.notify import worker
from statuspage.notify.dispatcher import Dispatcher
from tests.helpers.admin import BASE, Browser
from tests.helpers.apps import create_app
from tests.helpers.mail_server import mail_server

SAMPLE = PROJECT / "tests/samples/database-6b98c10"
PORT = re.compile(r"http://127\.0\.0\.1:\d+")
NOT_SET_UP = {"sms", "web_push"}
"""Channels without a setting here."""
DUE = {"waiting", "sending", "later"}
ID = re.compile(r"<id>(.*?)</id>|<guid[^>]*>(.*?)</guid>|^UID:(.*?)\r?$", re.MULTILINE)


class Receiver(BaseHTTPRequestHandler):
    """Keeps each request and takes it, as Discord and a webhook's receiver do."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((self.command, self.path, headers, body))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_PATCH = do_POST

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    """A receiver of webhooks: `receiver.url`, `receiver.requests`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.requests = []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def expected(receiver):
    """What the earlier release served, and what people had from it."""
    return json.loads(PORT.sub(receiver.url, (SAMPLE / "expected.json").read_text()))


@pytest.fixture
def traveller(expected):
    """The clock as the earlier release left it."""
    now = datetime.fromisoformat(expected["now"])
    with time_machine.travel(now, tick=False) as traveller:
        yield traveller


@pytest.fixture
def database(tmp_path, receiver):
    """The file that the earlier release left behind; its webhooks lead to `receiver`."""
    path = tmp_path / "statuspage.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(PORT.sub(receiver.url, (SAMPLE / "database.sql").read_text()))
    return path


@pytest.fixture
def start(traveller, database, expected, tmp_path):
    """`start(smtp_url=…)`: the present application on that file, started as a server starts."""
    made = []

    def make(**more):
        settings = Settings(
            data_dir=tmp_path,
            database_url=f"sqlite:///{database}",
            secret_key=expected["secret_key"],
            base_url=expected["base_url"],
            demo=False,
            outgoing_allow="127.0.0.0/8",
            **more,
        )
        made.append(create_app(settings))
        processes.prepare(made[-1])
        return made[-1]

    yield make
    for app in made:
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def app(start):
    return start()


@pytest.fixture
def get(app):
    """`get("/history")`: the response to a reader."""
    client = app.test_client()
    return lambda path, **more: client.get(path, base_url=BASE, **more)


@pytest.fixture
def stored(database):
    """`stored("SELECT …")`: rows of the file, read by nothing of ours."""

    def read(query):
        with closing(sqlite3.connect(database, timeout=5)) as connection:
            return connection.execute(query).fetchall()

    return read


# ── what readers see ───────────────────────────────────────────────────────────


def test_old_incidents_keep_their_pages(get, expected):
    ids = expected["incidents"]
    assert {key: get(f"/incidents/{one}").status_code for key, one in ids.items()} == {
        **dict.fromkeys(ids, 200),
        "retracted": 410,
        "draft": 404,
    }
    resolved = get(f"/incidents/{ids['resolved']}").text
    assert "Card payments declined" in resolved
    assert "A certificate of our acquirer expired today." in resolved
    assert "yesterday" in resolved, "the earlier text of an edited update"
    assert "The day was wrong." in resolved
    assert "Customers in Austria" in resolved
    opened = get(f"/incidents/{ids['open']}").text
    assert "Checkout &lt;errors&gt; &amp; delays" in opened
    assert "We roll it back." in opened
    assert "The monitor was wrong." in get(f"/incidents/{ids['retracted']}").text


def test_old_postmortem_keeps_its_page(get, expected):
    path = f"/incidents/{expected['incidents']['resolved']}"
    assert get(f"{path}/postmortem").location == f"{path}#postmortem"
    page = get(path).text
    assert "Nobody watched that certificate." in page
    assert "It was a Tuesday." in page
    assert "Watch certificates" in page


def test_front_page_shows_old_components_metric_and_open_incidents(get, expected):
    page = get("/").text
    for words in ("Card payments", "Bank transfers", "API", "Response time"):
        assert words in page
    assert "Checkout &lt;errors&gt; &amp; delays" in page
    for public_id in expected["components"].values():
        assert get(f"/components/{public_id}").status_code in (200, 404)


def test_public_json_is_identical_to_the_byte(get, expected):
    for path, text in expected["json"].items():
        assert get(path).text == text, path


def test_feed_and_calendar_ids_are_unchanged(get, expected):
    for path, ids in expected["feeds"].items():
        response = get(path)
        if path.endswith(".json"):
            found = [item["id"] for item in response.json["items"]]
        else:
            found = ["".join(groups) for groups in ID.findall(response.text)]
        assert found == ids, path


def test_vapid_key_is_unchanged(get, expected):
    assert expected["push_key"] in get("/subscribe").text


# ── messages ───────────────────────────────────────────────────────────────────


@contextmanager
def sending(app, at):
    """A worker on `at`; at the end everything that it can send is sent."""
    dispatcher = Dispatcher(app)
    try:
        yield lambda: dispatcher.step(at)
    finally:
        dispatcher.stop()


def send_all(app, stored, at):
    """Fan out and send until nothing is left to do."""
    without = NOT_SET_UP if app.config["SETTINGS"].smtp_url else NOT_SET_UP | {"email"}
    left = f"""SELECT count(*) FROM delivery
        WHERE state IN ('waiting', 'sending') AND channel NOT IN {tuple(sorted(without))}"""
    until = time.monotonic() + 30
    with sending(app, at) as step:
        while step() or stored(left) != [(0,)]:
            assert time.monotonic() < until, "the worker sends no more"
            time.sleep(0.02)


def test_pending_deliveries_arrive_once_and_others_keep_their_state(
    start, traveller, receiver, stored, expected
):
    at = datetime.fromisoformat(expected["now"]) + timedelta(minutes=5)
    traveller.move_to(at)
    before = Counter((channel, state) for _, channel, state, _ in expected["deliveries"])
    assert {state for _, state in before} == {*DUE, "sent", "dead", "held", "dropped"}
    assert stored_counts(stored) == before
    with mail_server() as inbox:
        send_all(start(smtp_url=inbox.url), stored, at)

    webhooks = [headers["webhook-id"] for _, _, headers, _ in receiver.requests if is_ours(headers)]
    mails = [message_key(content) for _, _, content in inbox.mails]
    assert webhooks
    assert len(webhooks) == len(set(webhooks))
    assert mails
    assert len(mails) == len(set(mails))
    assert due(expected, "webhook") <= set(webhooks)
    assert due(expected, "email") <= set(mails)
    # Only the newest update, which was not fanned out yet, is sent in addition.
    events = {key.partition("-")[0] for key, *_ in expected["deliveries"]}
    added = {*webhooks, *mails} - due(expected, "webhook") - due(expected, "email")
    newest = {key.partition("-")[0] for key in added}
    assert len(newest) == 1
    assert not newest & events

    after = stored_counts(stored)
    for (channel, state), number in before.items():
        if state in {"dead", "held", "dropped"} or channel in NOT_SET_UP:
            assert after[channel, state] >= number, (channel, state)
        elif state in DUE:
            assert after[channel, state] == 0, (channel, state)


def is_ours(headers) -> bool:
    return "webhook-id" in headers


def message_key(mail: bytes) -> str:
    """`<event>-<subscriber>`, as in the id of a webhook."""
    return message_from_bytes(mail)["Message-ID"].strip("<>").partition("@")[0]


def due(expected, channel: str) -> set[str]:
    """Keys of the deliveries that were under way on this channel."""
    return {key for key, ch, state, _ in expected["deliveries"] if ch == channel and state in DUE}


def stored_counts(stored) -> Counter[tuple[str, str]]:
    rows = stored("SELECT channel, state, count(*) FROM delivery GROUP BY channel, state")
    return Counter({(channel, state): number for channel, state, number in rows})


def test_held_deliveries_are_sent_when_staff_release_them(
    app, traveller, receiver, stored, expected
):
    browser = Browser(app)
    browser.post(f"/admin/sign-in/{expected['sign_in_link']}")
    ((event_id,),) = stored("SELECT DISTINCT event_id FROM delivery WHERE state = 'held'")
    held = {
        key for key, ch, state, _ in expected["deliveries"] if (ch, state) == ("webhook", "held")
    }
    assert held
    browser.post(f"/admin/deliveries/event/{event_id}/held/send")
    assert stored("SELECT count(*) FROM delivery WHERE state = 'held'") == [(0,)]
    at = datetime.fromisoformat(expected["now"]) + timedelta(minutes=5)
    traveller.move_to(at)
    send_all(app, stored, at)
    assert held <= {headers.get("webhook-id") for _, _, headers, _ in receiver.requests}


def test_earlier_discord_message_is_edited(start, traveller, receiver, stored, expected):
    at = datetime.fromisoformat(expected["now"]) + timedelta(minutes=5)
    traveller.move_to(at)
    send_all(start(), stored, at)
    known = {remote for _, channel, _, remote in expected["deliveries"] if channel == "discord"}
    edited = [path for method, path, *_ in receiver.requests if method == "PATCH"]
    assert edited
    assert all(path.rpartition("/")[2] in known for path in edited)


def test_webhook_is_signed_with_its_earlier_secret(start, traveller, receiver, stored, expected):
    at = datetime.fromisoformat(expected["now"]) + timedelta(minutes=5)
    traveller.move_to(at)
    send_all(start(), stored, at)
    ((public_id, secret),) = expected["signing_secret"].items()
    sent = [
        (headers, body)
        for _, _, headers, body in receiver.requests
        if headers.get("webhook-id", "").endswith(f"-{public_id}")
    ]
    assert sent
    for headers, body in sent:
        Webhook(secret).verify(body, headers)


# ── links in messages that were sent ───────────────────────────────────────────


def test_email_links_still_work(app, get, stored, expected):
    links = expected["links"]
    client = app.test_client()

    def post(path, **data):
        return client.post(path, base_url=BASE, data=data, headers={"Referer": BASE + path})

    def state_of(link):
        public_id = link.rpartition("/")[2].partition(".")[0]
        return stored(f"SELECT state FROM subscriber WHERE public_id = '{public_id}'")

    assert state_of(links["confirm"]) == [("unconfirmed",)]
    assert get(links["confirm"]).status_code == 200
    assert post(links["confirm"]).status_code < 400
    assert state_of(links["confirm"]) == [("active",)]

    managed = get(links["manage"])
    assert managed.status_code == 200
    assert "ada@example.com" in managed.text
    assert get(f"{links['manage']}/data.json").json["address"] == "ada@example.com"

    one_click = {"List-Unsubscribe": "One-Click"}
    for key in ("unsubscribe", "webhook_unsubscribe"):
        assert get(links[key]).status_code == 200
        assert post(links[key], **one_click).status_code < 400
        assert state_of(links[key]) == [("unsubscribed",)]


# ── staff and programs ─────────────────────────────────────────────────────────


def code_of(secret: bytes, at: datetime) -> str:
    """What an authenticator app shows (RFC 6238)."""
    digest = hmac.new(secret, struct.pack(">Q", int(at.timestamp()) // 30), hashlib.sha1).digest()
    start = digest[-1] & 0xF
    (number,) = struct.unpack(">I", digest[start : start + 4])
    return f"{(number & 0x7FFFFFFF) % 10**6:06}"


def test_second_factor_still_accepts_a_code(app, expected):
    owner = expected["owner"]
    secret = bytes.fromhex(owner["totp_secret_hex"])
    browser = Browser(app)
    assert "/sign-in/code" in browser.sign_in(owner["email"], owner["password"]).location
    wrong = browser.post("/admin/sign-in/code", {"one_time_password": "000000"})
    assert wrong.status_code == 422
    right = {"one_time_password": code_of(secret, datetime.now(UTC))}
    assert browser.post("/admin/sign-in/code", right).status_code == 303
    assert browser.get("/admin/").status_code == 200
    assert "Checkout &lt;errors&gt; &amp; delays" in browser.get("/admin/incidents").text


def test_recovery_code_still_works(app, expected):
    owner = expected["owner"]
    browser = Browser(app)
    browser.sign_in(owner["email"], owner["password"])
    code = {"recovery_code": owner["recovery_code"]}
    assert browser.post("/admin/sign-in/code", code).status_code == 303
    assert browser.get("/admin/").status_code == 200


def test_earlier_sign_in_link_still_works(app, expected):
    browser = Browser(app)
    assert browser.post(f"/admin/sign-in/{expected['sign_in_link']}").status_code == 303
    assert browser.get("/admin/").status_code == 200


NO_LONGER_NULL = {
    '"metric_identifier":null': '"metric_identifier":""',
    '"y_axis_min":null,"y_axis_max":null': '"y_axis_min":0.0,"y_axis_max":0.0',
}
"""Of metrics: Statuspage has no null there, and a client dereferences them."""


def test_earlier_updates_are_found_by_their_words(get, stored):
    ((name,),) = stored(
        "SELECT name FROM incident JOIN incident_update ON incident_id = incident.id"
        " WHERE body = 'A certificate of our acquirer expired today.'"
    )
    assert name in get("/history?q=acquirer").text


def test_api_tokens_still_work(app, get, expected):
    page = f"/v1/pages/{expected['page']}"
    tokens = {name: {"Authorization": f"OAuth {text}"} for name, text in expected["tokens"].items()}
    for path, text in expected["manage"].items():
        for before, after in NO_LONGER_NULL.items():
            text = text.replace(before, after)
        assert get(page + path, headers=tokens["manage"]).text == text, path
    assert get(f"{page}/incidents", headers=tokens["read"]).status_code == 200
    assert get(f"{page}/incidents", headers=tokens["revoked"]).status_code == 401
    client = app.test_client()
    path = f"{page}/incidents/{expected['incidents']['open']}"
    update = {"incident": {"status": "resolved", "body": "All checkouts work."}}
    refused = client.patch(path, base_url=BASE, json=update, headers=tokens["read"])
    assert refused.status_code == 403
    done = client.patch(path, base_url=BASE, json=update, headers=tokens["manage"])
    assert done.status_code == 200, done.text
    assert "All checkouts work." in get(f"/incidents/{expected['incidents']['open']}").text


def test_earlier_alert_resolves_its_incident(app, get, traveller, expected):
    client = app.test_client()
    path = f"/hooks/alertmanager/{expected['tokens']['alerts']}"

    def report(status):
        alerts = [alert | {"status": status} for alert in expected["alert"]["alerts"]]
        return client.post(
            path, base_url=BASE, json=expected["alert"] | {"status": status, "alerts": alerts}
        )

    known = report("firing")
    assert known.status_code == 200
    assert known.json.get("incident") is None, "it opens no second incident"
    assert report("resolved").status_code == 200
    traveller.shift(timedelta(minutes=6))
    worker.step(app, datetime.now(UTC))
    incident = get(f"/api/v2/incidents/{expected['incidents']['alert']}.json").json["incident"]
    assert incident["status"] == "resolved"


def test_scheduled_maintenance_begins_on_time(app, get, traveller, expected):
    begin = datetime.fromisoformat(expected["now"]) + timedelta(hours=4)
    traveller.move_to(begin)
    worker.step(app, begin)
    path = f"/api/v2/incidents/{expected['incidents']['maintenance_ahead']}.json"
    assert get(path).json["incident"]["status"] == "in_progress"
