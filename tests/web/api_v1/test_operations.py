"""What holds for every operation of the Manage API, by walking the list of them."""

import csv
import json
import re
import sqlite3
import time
from contextlib import closing, suppress
from datetime import timedelta

import hypothesis
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from statuspage.config import PROJECT
from statuspage.db import BUSY_MS, db
from statuspage.domain import events, tokens
from statuspage.domain.events import SYSTEM
from statuspage.domain.tokens import HOOKS, Scope
from statuspage.web.json_bodies import nested
from statuspage.web.json_errors import Refused
from statuspage.web.operations import OPERATIONS, Operation
from tests.conftest import on_sqlite

TABLE = PROJECT / "tests/samples/statuspage/manage-v1-operations.tsv"
DOCUMENTED = {
    row["operation_id"]: row
    for row in csv.DictReader(TABLE.read_text().splitlines(), delimiter="\t")
}
SERVED = [operation for operation in OPERATIONS if operation.reason is None]

operations = pytest.mark.parametrize("one", OPERATIONS, ids=lambda one: one.id)


def address_of(one: Operation, page_id: str) -> str:
    """With keys that nothing has."""
    path = re.sub(r"\{(page|organization)_id\}", page_id, one.path)
    return "/v1" + re.sub(r"\{\w+\}", "nothing", path)


# ── all of them are there ──────────────────────────────────────────────────────


def test_every_statuspage_operation_is_declared_once():
    declared = [operation.id for operation in OPERATIONS]
    assert sorted(declared) == sorted(DOCUMENTED)


@pytest.mark.parametrize("one", SERVED, ids=lambda one: one.id)
def test_operations_answer_with_the_documented_status_code(one):
    assert str(one.success) == DOCUMENTED[one.id]["success"]


@operations
def test_operations_have_the_documented_query_parameters(one):
    named = DOCUMENTED[one.id]["query"]
    assert one.reason or set(one.query) == set(filter(None, named.split(",")))


@operations
def test_operations_are_described(one):
    assert one.summary.endswith(".")


@pytest.fixture
def settings(settings):
    """Without a brake: the walk sends all operations within one stopped second."""
    return settings.model_copy(update={"api_requests_per_second": 100_000})


# ── permission ─────────────────────────────────────────────────────────────────


@pytest.fixture
def tokens_of(token):
    """Secret texts by what they may do."""
    return {scope.value: token(scope) for scope in Scope}


def answers_to(client, page_id, secret):
    """Operation → status code, without a body, for keys that nothing has."""
    found = {}
    for operation in OPERATIONS:
        headers = {"Authorization": f"OAuth {secret}"} if secret else {}
        answer = client.open(
            address_of(operation, page_id), method=operation.method, headers=headers
        )
        assert answer.headers.get("Set-Cookie") is None
        assert answer.status_code == 204 or answer.is_json, operation
        found[operation] = answer.status_code
    return found


@on_sqlite
@pytest.mark.parametrize("secret", [None, "sp_wrong", "x" * 5000, "ключ"])
def test_request_without_a_valid_token_is_refused(client, page_id, secret):
    assert set(answers_to(client, page_id, secret).values()) == {401}


@on_sqlite
@pytest.mark.parametrize("may", [scope.value for scope in Scope])
def test_scopes_permit_exactly_their_declared_operations(client, page_id, tokens_of, may):
    for one, status in answers_to(client, page_id, tokens_of[may]).items():
        is_allowed = one.needs in (Scope.READ, Scope(may)) or may == "manage"
        is_allowed = is_allowed and may not in HOOKS
        assert (status != 403) == is_allowed, one
        assert status < 500, one


@on_sqlite
def test_reading_is_not_audited(client, page_id, tokens_of, app):
    with app.app_context():
        before = [event.id for event in events.latest(100)]
    for operation in OPERATIONS:
        if operation.method == "GET":
            headers = {"Authorization": f"OAuth {tokens_of['manage']}"}
            client.get(address_of(operation, page_id), headers=headers)
    with app.app_context():
        assert [event.id for event in events.latest(100)] == before


@on_sqlite
def test_token_may_be_in_the_query(client, page_id, token):
    secret = token(Scope.READ)
    assert client.get(f"/v1/pages/{page_id}/components?api_key={secret}").status_code == 200


@on_sqlite
def test_query_token_can_be_disabled(another, page_id, token):
    secret = token(Scope.READ)
    client = another(api_key_in_query=False).test_client()
    address = f"/v1/pages/{page_id}/components"
    assert client.get(f"{address}?api_key={secret}").status_code == 401
    assert client.get(address, headers={"Authorization": f"OAuth {secret}"}).status_code == 200


@on_sqlite
def test_expired_or_revoked_token_is_refused(client, committed, page_id, at, traveller):
    with committed():
        _, secret = tokens.create(
            "short", scopes=[Scope.READ], by=SYSTEM, at=at, expires_at=at + timedelta(hours=1)
        )
        gone, other = tokens.create("gone", scopes=[Scope.READ], by=SYSTEM, at=at)
        tokens.revoke(gone, by=SYSTEM, at=at)

    def ask(text):
        headers = {"Authorization": f"OAuth {text}"}
        return client.get(f"/v1/pages/{page_id}/components", headers=headers).status_code

    assert (ask(secret), ask(other)) == (200, 401)
    traveller.shift(timedelta(hours=1))
    assert ask(secret) == 401


def test_only_a_hash_of_a_token_is_stored(app, token):
    secret = token(Scope.MANAGE)
    with app.app_context():
        (row,) = tokens.listed()
        stored = {column.key: getattr(row, column.key) for column in row.__table__.columns}
        assert secret not in json.dumps(stored, default=str)


# ── what is no request ─────────────────────────────────────────────────────────


@on_sqlite
@pytest.mark.parametrize(
    "path, method, status",
    [("/v1/nothing", "GET", 404), ("/v1", "GET", 404), ("/v1/pages/x/y/z.json", "POST", 404)],
)
def test_unknown_path_gets_a_json_404(program, path, method, status):
    answer = program.send(method, path)
    assert answer.status_code == status
    assert set(answer.json) == {"error", "message"}


@on_sqlite
def test_unknown_method_is_a_405(program):
    answer = program.send("POST", "/components/abc")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "PATCH", "PUT", "DELETE"}
    assert answer.is_json


@on_sqlite
def test_another_page_id_is_a_404(client, token):
    headers = {"Authorization": f"OAuth {token(Scope.MANAGE)}"}
    answer = client.get("/v1/pages/0123456789bc/components", headers=headers)
    assert answer.status_code == 404
    assert "/v1/pages" in answer.json["message"]


DEEP = "[" * 5_000 + "]" * 5_000

BROKEN = {
    "no JSON": b"{component",
    "no object": b"[1]",
    "a number with 5,000 digits": b'{"component": {"name": %s}}' % (b"9" * 5_000),
    "not a number": b'{"component": {"name": NaN}}',
    "deep": f'{{"component": {DEEP}}}'.encode(),
    "40 levels": b'{"a":' * 40 + b"1" + b"}" * 40,
    "not UTF-8": b'{"component": {"name": "\xff"}}',
    "half a character": rb'{"component": {"name": "\ud800"}}',
    "half a character in a name": rb'{"component": {"\udfff": 1}}',
    "NUL": rb'{"component": {"name": "a\u0000b"}}',
    "another type": b'{"component": {"name": {"a": 1}}}',
    "a list for an object": b'{"component": [1]}',
    "an unknown word": b'{"component": {"name": "A", "status": "fine"}}',
    "an unknown group": b'{"component": {"name": "A", "group_id": "nothing"}}',
    "no day": b'{"component": {"name": "A", "start_date": "2026-02-31"}}',
    "nothing": b"",
    "1 MB": b'{"component": {"name": "%s"}}' % (b"a" * 1_000_000),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_unreadable_body_is_refused_with_a_sentence(program, body):
    refused = program.post("/components", data=body, content_type="application/json")
    assert 400 <= refused.status_code < 500
    assert len(refused.json["message"]) > 10
    assert refused.json["error"]
    assert program.get("/components").json == []


@pytest.mark.parametrize("key", ["%00", "a%2Fb", "x" * 10_000, "%ED%A0%80", "1" * 60, "'; --"])
def test_malformed_id_is_a_404(program, key):
    assert program.get(f"/components/{key}").status_code == 404


@hypothesis.settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.text("ab[]01", max_size=12), st.text(max_size=3)), max_size=6))
def test_any_form_field_names_are_parsed_or_refused(pairs):
    with suppress(Refused):
        found = nested(pairs)
        assert json.loads(json.dumps(found)) == found
        assert bool(found) == bool(pairs)


def test_nested_form_fields_are_parsed_as_in_rails():
    pairs = [
        ("incident[name]", "X"),
        ("incident[components][abc]", "operational"),
        ("incident[component_ids][]", "1"),
        ("incident[component_ids][]", "2"),
        ("page", "2"),
    ]
    assert nested(pairs) == {
        "incident": {
            "name": "X",
            "components": {"abc": "operational"},
            "component_ids": ["1", "2"],
        },
        "page": "2",
    }


# ── a request that is sent twice ───────────────────────────────────────────────


def test_repeated_idempotency_key_returns_the_first_response(program):
    body = {"component": {"name": "API"}}
    first = program.post("/components", body, headers={"Idempotency-Key": "k-1"})
    again = program.post("/components", body, headers={"Idempotency-Key": "k-1"})
    assert (again.status_code, again.data) == (first.status_code, first.data)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(program.get("/components").json) == 1
    program.post("/components", body, headers={"Idempotency-Key": "k-2"})
    assert len(program.get("/components").json) == 2


@on_sqlite
def test_idempotency_key_of_another_request_is_refused(program):
    program.post("/components", {"component": {"name": "A"}}, headers={"Idempotency-Key": "k"})
    other = program.post(
        "/components", {"component": {"name": "B"}}, headers={"Idempotency-Key": "k"}
    )
    assert other.status_code == 422
    assert len(program.get("/components").json) == 1


@on_sqlite
def test_refused_post_does_not_use_its_idempotency_key(program):
    key = {"Idempotency-Key": "k"}
    assert program.post("/components", {"component": {"name": ""}}, headers=key).status_code == 422
    assert program.post("/components", {"component": {"name": "A"}}, headers=key).status_code == 201


@on_sqlite
@pytest.mark.parametrize("key", ["", "x" * 256, "schlüssel"])
def test_invalid_idempotency_key_is_refused(program, key):
    body = {"component": {"name": "A"}}
    answer = program.post("/components", body, headers={"Idempotency-Key": key})
    assert answer.status_code == 400


# ── while another program writes ───────────────────────────────────────────────


@on_sqlite
def test_token_use_is_not_recorded_while_the_database_is_locked(program, settings, app):
    began = time.perf_counter()
    with closing(sqlite3.connect(settings.database_url.removeprefix("sqlite:///"))) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        assert program.get("/components").status_code == 200
    assert time.perf_counter() - began < BUSY_MS / 1000
    with app.app_context():
        assert tokens.listed()[0].last_used_at is None
    program.get("/components")
    with app.app_context():
        assert tokens.listed()[0].last_used_at is not None


@on_sqlite
def test_a_database_that_takes_no_write_is_named_as_the_cause(app, program):
    def refuse_writes(connection, _record):
        connection.execute("PRAGMA query_only=1")

    with app.app_context():
        engine = db.engine
    engine.dispose()
    sa.event.listen(engine, "connect", refuse_writes)
    try:
        refused = program.post("/components", {"component": {"name": "Search"}})
    finally:
        sa.event.remove(engine, "connect", refuse_writes)
        engine.dispose()
    assert refused.status_code == 503
    sentence = "The database file is read-only. Nothing was changed; try again soon."
    assert refused.json["message"] == sentence


# ── brakes ─────────────────────────────────────────────────────────────────────


@on_sqlite
def test_token_requests_are_rate_limited(another, token, page_id, traveller):
    braked = another(api_requests_per_second=3)
    busy, other = token(Scope.READ), token(Scope.MANAGE)

    def ask(secret):
        headers = {"Authorization": f"OAuth {secret}"}
        return braked.test_client().get(f"/v1/pages/{page_id}/components", headers=headers)

    assert [ask(busy).status_code for _ in range(4)] == [200, 200, 200, 420]
    assert ask(busy).headers["Retry-After"] == "1"
    assert ask(other).status_code == 200
    traveller.shift(timedelta(seconds=1))
    assert ask(busy).status_code == 200
