"""The log: each request's lines have its id, and no line holds what is nobody's business."""

import io
import json
import logging
import re

import pytest
import sqlalchemy as sa

from statuspage.config import Settings
from statuspage.db import db
from statuspage.domain import page_settings, tokens
from statuspage.domain.events import SYSTEM
from statuspage.domain.staff import members as staff
from statuspage.domain.staff.members import Role
from statuspage.domain.subscribers.subscriptions import Channel, Subscriber, SubscriberState
from statuspage.domain.tokens import Scope
from statuspage.lib import signed_links
from statuspage.lib.signed_links import Purpose
from statuspage.notify import deliveries, sender
from statuspage.notify.channels import registry
from statuspage.notify.dispatcher import fan_out_pending
from statuspage.observability import logging as logs
from tests.conftest import SECRET, on_sqlite
from tests.helpers.admin import BASE, Browser
from tests.helpers.apps import create_app
from tests.helpers.mail_server import mail_server

PASSWORD = "correct horse battery staple"
WRONG = "an0ther-Passphrase-of-somebody"
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def said():
    """`said()`: the lines that were logged, as values."""
    ours = logging.getLogger("statuspage")
    root, level = logging.getLogger(), ours.level
    before = list(root.handlers)
    logs.configure("json")
    stream = io.StringIO()
    beside = logging.StreamHandler(stream)
    beside.setFormatter(root.handlers[-1].formatter)
    root.addHandler(beside)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = before
    ours.setLevel(level)


@pytest.fixture
def settings(settings):
    # Configured by `said`; an application configures again, onto the stream of the test.
    return settings.model_copy(update={"log_format": "json"})


# ── ids ────────────────────────────────────────────────────────────────────────


@pytest.fixture
def broken(app):
    """An address whose view fails with secrets at hand."""

    def view(key):
        api_token = f"sp_{key}"
        raise RuntimeError(f"No answer for ada@example.com with {len(api_token)} letters")

    app.add_url_rule("/broken/<key>", view_func=view)


@on_sqlite
def test_error_has_one_id_in_log_response_and_page(client, broken, said):
    answer = client.get("/broken/very-private")
    assert answer.status_code == 500
    given = answer.headers["X-Request-ID"]
    assert re.fullmatch(r"[0-9a-f]{16}", given)
    assert f"Reference: {given}" in answer.text
    unforeseen, failed = said()
    assert unforeseen["request_id"] == failed["request_id"] == given
    assert unforeseen["exception"][0]["exc_type"] == "RuntimeError"
    assert (failed["event"], failed["status"]) == ("request.failed", 500)
    assert failed["route"] == unforeseen["route"] == "/broken/<key>"
    text = json.dumps([unforeseen, failed])
    assert "very-private" not in text
    assert "ada@example" not in text


@on_sqlite
@pytest.mark.parametrize(
    ("sent", "is_taken"),
    [
        ("b7ad6b7169203331", True),
        ("edge-1.2026_11", True),
        ("short", False),
        ("x" * 65, False),
        ("two words", False),
        ("<script>alert(1)</script>", False),
        ("-leading-dash", False),
    ],
)
def test_valid_request_id_of_a_proxy_is_kept(client, sent, is_taken):
    answer = client.get("/admin/sign-in", headers={"X-Request-ID": sent})
    assert (answer.headers["X-Request-ID"] == sent) is is_taken


@on_sqlite
def test_request_ids_are_unique_and_absent_from_cached_pages(client):
    ids = {client.get("/healthz").headers["X-Request-ID"] for _ in range(3)}
    assert len(ids) == 3
    for _ in range(2):
        assert "X-Request-ID" not in client.get("/robots.txt").headers


@on_sqlite
def test_admin_shows_the_request_id_while_the_database_is_unavailable(app, committed, said):
    with committed() as session:
        session.execute(sa.text("DROP TABLE staff"))
    answer = Browser(app).get("/admin/sign-in")
    answer = Browser(app).post("/admin/sign-in", {"email": "a@b.example", "password": "x"})
    assert answer.status_code == 503
    assert f"Reference: {answer.headers['X-Request-ID']}" in answer.text
    assert answer.headers["X-Request-ID"] in [line.get("request_id") for line in said()]


@on_sqlite
def test_only_failed_or_slow_requests_are_logged(client, app, said, traveller):
    client.get("/robots.txt")
    client.get("/nowhere")
    client.get("/admin/sign-in")
    assert said() == []


@on_sqlite
def test_refused_sign_in_is_logged_without_the_typed_text(app, committed, at, said):
    with committed():
        page_settings.create("Northwind", by=SYSTEM, at=at)
    browser = Browser(app)
    browser.sign_in("ada@staff.example", WRONG)
    app.test_client().get("/v1/pages", headers={"Authorization": f"OAuth {SIGNING}"})
    refused = [line for line in said() if line["event"] == "request.refused"]
    assert [(line["part"], line["status"]) for line in refused] == [("desk", 422), ("api", 401)]
    assert refused[0]["route"] == "/admin/sign-in"
    assert WRONG not in str(refused)
    assert SIGNING not in str(refused)


# ── a whole story ──────────────────────────────────────────────────────────────


@on_sqlite
def test_log_of_a_whole_story_has_no_secret_and_no_address(settings, at, said, traveller):
    with mail_server() as inbox:
        inbox.mode = "refuses"
        settings = settings.model_copy(
            update={
                "smtp_url": inbox.url,
                "telegram_token": "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
                "telegram_url": "http://127.0.0.1:9",
                "outgoing_allow": "127.0.0.0/8",
            }
        )
        app = create_app(settings, watch=False)
        app.add_url_rule("/unforeseen/<key>", view_func=_unforeseen)
        logging.getLogger("statuspage").setLevel(logging.DEBUG)
        secrets = _story(app, at, traveller)
    told = said()
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in told)
    events = {line["event"] for line in told}
    # The story did happen: what should be logged is.
    assert {"staff.signed_in", "delivery.given_up", "delivery.failed"} <= events
    assert {"request.unforeseen", "request.failed", "admin.database_unavailable"} <= events
    for name, secret in secrets.items():
        assert secret not in text, name
    assert not re.search(r"[\w.]+@[\w-]+\.\w+", text)
    assert "/T024/private-path" not in text
    given_up = next(line for line in told if line["event"] == "delivery.given_up")
    assert given_up["delivery"] > 0
    assert len(given_up["incident"]) == 12
    with app.app_context():
        db.engine.dispose()


def _story(app, at, traveller) -> dict[str, str]:
    """Everything that handles a secret, once; the secrets by name."""
    found = {"password": PASSWORD, "wrong password": WRONG, "signing secret": SIGNING[6:]}
    found |= {"SMTP password": "smtp-Passw0rd-17", "Telegram token": "AAHdqTcvCH1vGWJxfSeof"}
    found |= {"secret key": SECRET, "database password": "db-Passw0rd-42"}
    with app.app_context():
        db.create_all()
        page_settings.create("Northwind", by=SYSTEM, at=at)
        ada = staff.create(
            "ada@staff.example", name="Ada", role=Role.OWNER, password=PASSWORD, by=SYSTEM, at=at
        )
        found["sign-in link"] = staff.create_sign_in_link(ada, at=at)
        _, found["API token"] = tokens.create("CI", scopes=list(Scope), by=SYSTEM, at=at)
        for number, (channel, address) in enumerate(
            {
                Channel.EMAIL: "bea@customers.example",
                Channel.WEBHOOK: "http://127.0.0.1:9/T024/private-path",
                Channel.TELEGRAM: "-100200300",
            }.items()
        ):
            one = Subscriber(
                key=f"{channel}:{number}",
                channel=channel,
                state=SubscriberState.ACTIVE,
                address=address,
                created_at=at,
            )
            if channel is Channel.WEBHOOK:
                one.secret = SIGNING
            db.session.add(one)
        db.session.commit()
    browser = Browser(app)
    browser.sign_in("ada@staff.example", WRONG)
    browser.sign_in("ada@staff.example", PASSWORD)
    found["session cookie"] = browser.cookie
    found["CSRF token"] = browser.token()
    Browser(app).get(f"/admin/sign-in/{found['sign-in link']}")
    Browser(app).post(f"/admin/sign-in/{found['sign-in link']}")
    _subscribe(app, found)
    program = app.test_client()
    bearer = {"Authorization": f"OAuth {found['API token']}"}
    page_id = program.get("/v1/pages.json", headers=bearer).json[0]["id"]
    incident = {"incident": {"name": "Checkout errors", "body": "Ask cleo@customers.example."}}
    made = program.post(f"/v1/pages/{page_id}/incidents", json=incident, headers=bearer)
    assert made.status_code == 201
    _tell(app, at)
    _fail(app, browser, bearer)
    return found


def _subscribe(app, found) -> None:
    client = app.test_client()
    sent = {"channel": "email", "email": "dora@customers.example", "scope": "all"}
    assert client.post("/subscribe", data=sent).status_code in (200, 303)
    with app.app_context():
        subscriber = db.session.query(Subscriber).filter_by(channel=Channel.EMAIL).all()[-1]
        found["confirmation link"] = signed_links.token(
            SECRET, Purpose.CONFIRM, subscriber.public_id
        )
        found["link of one's own"] = signed_links.token(
            SECRET, Purpose.MANAGE, subscriber.public_id
        )
    client.post(f"/subscriptions/confirm/{found['confirmation link']}")
    client.get(f"/subscriptions/{found['link of one' + chr(39) + 's own']}")


def _tell(app, at) -> None:
    """One try of every message: refused for good, unreachable, and a channel that breaks."""
    with app.app_context():
        while fan_out_pending(at):
            pass
    settings = app.config["SETTINGS"]
    with_password = settings.smtp_url.replace("://", "://mailer:smtp-Passw0rd-17@")
    unwelcome = settings.model_copy(update={"smtp_url": with_password})
    ways = [
        *registry.channel_senders(unwelcome).items(),
        *registry.channel_senders(settings).items(),
    ]
    for channel, way in ways:
        with app.app_context():
            claimed = deliveries.lease(channel, 1, at=at)
            db.session.commit()
        for one, prepared in zip(claimed, sender.Preparation(app)(channel, claimed), strict=True):
            if not isinstance(prepared, str):
                sender.record_results(app, [sender.attempt(way, one, *prepared)])
        way.close()


def _unforeseen(key):
    values = {"address": "eve@customers.example", "token": key}
    db.session.execute(sa.text("INSERT INTO nowhere VALUES (:address, :token)"), values)


def _fail(app, browser, bearer) -> None:
    """Views that break with secrets and rows at hand, and a database that refuses."""
    app.test_client().get(f"/unforeseen/{bearer['Authorization'][6:]}", headers=bearer)
    with app.app_context():
        db.session.execute(sa.text("DROP TABLE event"))
        db.session.commit()
    browser.post("/admin/team", {"email": "finn@staff.example", "role": "viewer"})
    browser.post("/admin/incidents", {"name": "x", "body": "Ask gus@customers.example"})
    app.test_client().get("/v1/pages", headers=bearer)
    away = create_app(
        Settings(
            data_dir=app.config["SETTINGS"].data_dir / "away",
            database_url="postgresql://statuspage:db-Passw0rd-42@127.0.0.1:9/status",
            secret_key=SECRET,
            base_url=BASE,
            log_format="json",
        ),
        watch=False,
    )
    away.test_client().get("/")
    away.test_client().get("/readyz")
    away.test_client().get("/admin/sign-in")
