"""PostgreSQL or Redis refuses, hangs or is another one by now: nobody waits, nothing is lost."""

import threading
import time

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from statuspage import clock
from statuspage.db import db, migrate, postgresql
from statuspage.domain import tokens
from statuspage.domain.events import SYSTEM
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.incidents.models import UpdateInput
from statuspage.domain.statuses import IncidentStatus
from statuspage.domain.tokens import Scope
from statuspage.notify import redis_queue
from statuspage.web import rate_limits
from tests.conftest import on_sqlite
from tests.helpers.admin import Browser, fields_of
from tests.helpers.apps import create_app
from tests.helpers.relay import Relay
from tests.web.admin.test_incidents import an_update

LIMIT_S = 3.0
WORDS = "Words that took\nten minutes to find."

on_postgres = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def wire():
    """`wire(address)`: the address by way of a relay, and the relay."""
    laid = []

    def lay(address):
        url = make_url(address)
        laid.append(Relay(url.host, url.port))
        by_relay = url.set(host="127.0.0.1", port=laid[-1].port)
        return by_relay.render_as_string(hide_password=False), laid[-1]

    yield lay
    for relay in laid:
        relay.stop()


# ── PostgreSQL ─────────────────────────────────────────────────────────────────


@pytest.fixture
def to_postgres(settings, wire, monkeypatch):
    """Settings whose database is at the end of a wire, and that wire; patience is short."""
    monkeypatch.setattr(postgresql, "SIGN_S", 0.2)
    monkeypatch.setitem(postgresql.ENGINE_OPTIONS["connect_args"], "connect_timeout", 2)
    address, relay = wire(settings.database_url)
    return settings.model_copy(update={"database_url": address}), relay


@pytest.fixture
def far(to_postgres):
    """The application at the near end of the wire."""
    app = create_app(to_postgres[0], watch=False)
    yield app
    to_postgres[1].mend()
    with app.app_context():
        db.engine.dispose()


@on_postgres
def test_hanging_database_keeps_typed_text_and_recovers(
    far, to_postgres, ann, world, an_incident, stored, monkeypatch
):
    public_id = an_incident()
    address = f"/admin/incidents/{public_id}/updates"
    desk, reader = Browser(far), far.test_client()
    desk.client._cookies = ann.client._cookies
    form = fields_of(desk.get(f"/admin/incidents/{public_id}"), address)
    form |= an_update(world, body=WORDS)
    page = reader.get("/").data

    to_postgres[1].hang()
    began = time.perf_counter()
    answer = desk.post(address, form, token=form["csrf_token"])
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    kept = fields_of(answer, address)
    assert kept["body"] == WORDS
    assert reader.get("/").data == page
    assert time.perf_counter() - began < LIMIT_S

    to_postgres[1].mend()
    monkeypatch.setattr(postgresql, "PAUSE_S", 0.0)
    assert desk.post(address, kept, token=form["csrf_token"]).status_code == 303
    assert len(stored(lambda: incidents.get(public_id).updates)) == 2


@on_postgres
def test_query_without_a_response_times_out(far, to_postgres, monkeypatch):
    monkeypatch.setattr(postgresql.PatientConnection, "limit_s", 0.2)
    with far.app_context(), db.engine.connect() as connection:
        connection.scalar(sa.text("SELECT 1"))
        to_postgres[1].hang()
        with pytest.raises(sa.exc.OperationalError, match="does not answer"):
            connection.scalar(sa.text("SELECT 2"))
        to_postgres[1].mend()
    with far.app_context(), db.engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT 3")) == 3


@on_postgres
def test_read_only_server_counts_as_unavailable(far, ann, world, an_incident, stored):
    public_id = an_incident()
    address = f"/admin/incidents/{public_id}/updates"
    desk = Browser(far)
    desk.client._cookies = ann.client._cookies
    form = fields_of(desk.get(f"/admin/incidents/{public_id}"), address)
    form |= an_update(world, body=WORDS)
    with far.app_context(), db.engine.connect() as connection:
        connection.execute(sa.text("SET default_transaction_read_only = on"))
        connection.commit()
    answer = desk.post(address, form, token=form["csrf_token"])
    assert answer.status_code == 503
    assert fields_of(answer, address)["body"] == WORDS
    assert desk.post(address, form, token=form["csrf_token"]).status_code == 303


@on_postgres
def test_migration_lock_wait_exceeds_the_statement_timeout(settings, monkeypatch):
    limit = "-c statement_timeout=50"
    monkeypatch.setitem(postgresql.ENGINE_OPTIONS["connect_args"], "options", limit)
    app = create_app(settings, watch=False)
    is_inside = threading.Event()

    def start():
        with app.app_context(), migrate.alone():
            is_inside.set()

    address = settings.database_url.replace("+psycopg", "")
    with psycopg.connect(address, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [migrate._ADVISORY_LOCK])
        waiting = threading.Thread(target=start)
        waiting.start()
        assert not is_inside.wait(0.2)
    waiting.join(LIMIT_S)
    assert is_inside.is_set()


# ── Redis ──────────────────────────────────────────────────────────────────────


@pytest.fixture
def to_redis(wire, redis_url, monkeypatch):
    """The address of a Redis at the end of a wire, and that wire; patience is short."""
    monkeypatch.setattr(rate_limits, "REDIS_TIMEOUT_S", 0.1)
    return wire(redis_url)


@on_sqlite
def test_sign_in_attempts_are_counted_during_and_after_a_redis_outage(
    to_redis, another, world, monkeypatch
):
    app = another(redis_url=to_redis[0])

    def codes(number):
        guesses = (Browser(app).sign_in("eve@example.com", f"guess {i}") for i in range(number))
        return [answer.status_code for answer in guesses]

    to_redis[1].hang()
    began = time.perf_counter()
    assert codes(7) == [422] * 6 + [429]
    assert time.perf_counter() - began < LIMIT_S

    to_redis[1].mend()
    assert codes(1) == [429], "It is not asked at once."
    monkeypatch.setattr(rate_limits, "REDIS_RETRY_AFTER_S", 0.0)
    assert codes(7) == [422] * 6 + [429], "There its own count goes on, from nothing."


@on_sqlite
def test_api_answers_and_logs_the_fallback_once_while_redis_hangs(
    to_redis, another, world, committed, at, caplog
):
    with committed():
        secret = tokens.create("Reader", scopes=[Scope.READ], by=SYSTEM, at=at)[1]
    client = another(redis_url=to_redis[0]).test_client()
    to_redis[1].hang()
    for _ in range(2):
        answer = client.get("/v1/pages", headers={"Authorization": f"OAuth {secret}"})
        assert answer.status_code == 200
    logged = [line for line in caplog.messages if "rate_limits.redis_unavailable" in line]
    assert len(logged) == 1
    assert "'fallback': 'memory'" in logged[0]


@on_sqlite
def test_who_publishes_waits_once_for_a_queue_that_hangs(
    to_redis, another, world, monkeypatch, caplog
):
    app = another(redis_url=to_redis[0])
    monkeypatch.setattr(redis_queue, "REDIS_S", 0.1)

    def publish():
        with app.app_context():
            incidents.open_incident(
                "Cards declined",
                UpdateInput(status=IncidentStatus.INVESTIGATING, body=WORDS),
                by=SYSTEM,
                at=clock.now(),
            )
            db.session.commit()

    to_redis[1].hang()
    for _ in range(3):
        publish()
    told = [one for one in caplog.messages if "worker.wake_failed" in one]
    assert len(told) == 1
    with app.app_context():
        assert len(incidents.unresolved()) == 3
