"""Every operation of the Manage API, and the one way by which each is served.

A module per noun declares its operations with `operation`. A request goes: token,
rate limit, page, scope, body, the operation's function, one commit, answer. The same
declarations are what `/api/openapi.json` tells and what the permission test walks.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Annotated, Any, Generic, TypeVar

import structlog
from flask import Blueprint, Response, current_app, request
from limits import RateLimitItemPerSecond
from pydantic import BeforeValidator, TypeAdapter, ValidationError
from sqlalchemy import exc
from werkzeug.routing import BaseConverter

from statuspage import clock
from statuspage.db import db, read_only, without_waiting
from statuspage.domain import idempotency, page_settings, tokens
from statuspage.domain.events import Actor
from statuspage.domain.page_settings import Page
from statuspage.domain.tokens import ApiToken, Scope
from statuspage.web import json_bodies
from statuspage.web.authorization import sent_token
from statuspage.web.json_errors import Refused, ready
from statuspage.web.operations import OPERATIONS, Body, Nothing, Operation, Serve
from statuspage.web.security import limiter

PAGE_SIZE = 100
MAX_PAGE_SIZE = 500
"""A known exporter asks for 500 components and for no second page."""
MAX_PAGE_NUMBER = 1_000_000
MAX_KEY = 255
PAGE_IS_PUBLIC = '299 - "Page access hides nothing: everyone sees the whole page"'

log = structlog.get_logger()


Value = TypeVar("Value")
OrNone = Annotated[Value | None, BeforeValidator(lambda sent: None if sent == "" else sent)]
"""A field that may be taken away: by null, or by an empty text, as forms have no null."""


SentBody = TypeVar("SentBody", bound=Body)
AnyBody = TypeVar("AnyBody", bound=Body, covariant=True)


@dataclass(frozen=True)
class Window:
    """Which part of a list is asked for."""

    offset: int
    limit: int

    def of(self, rows: list[Any]) -> list[Any]:
        return rows[self.offset : self.offset + self.limit]


@dataclass(frozen=True)
class Call(Generic[AnyBody]):
    """A request that may be served: by whom, when, and what it says."""

    page: Page
    by: Actor
    at: datetime
    body: AnyBody
    query: Mapping[str, str]

    @property
    def window(self) -> Window:
        """From `page` and `per_page` (or `limit`), clamped: past the end lies an empty list."""
        size = self.query.get("per_page", self.query.get("limit", ""))
        limit = min(_number(size, PAGE_SIZE), MAX_PAGE_SIZE)
        number = min(_number(self.query.get("page", ""), 1), MAX_PAGE_NUMBER)
        return Window((number - 1) * limit, limit)


def operation(
    method: str,
    path: str,
    *,
    needs: Scope,
    body: type[Body] = Nothing,
    returns: Any = None,
    success: int = 200,
    query: tuple[str, ...] = (),
    lists_put: bool = True,
) -> Callable[[Serve], Serve]:
    """Declare that the function serves `method path`; a PATCH is served as PUT too.

    `lists_put` is false where Statuspage's list has the PATCH alone.

    It is called with a `Call` and the keys of the path by name, and gives what
    `returns` describes. `needs` is the scope a token must have; `query` names the
    parameters it heeds.
    """

    def declare(serve: Serve) -> Serve:
        for verb in ("PATCH", "PUT") if method == "PATCH" and lists_put else (method,):
            OPERATIONS.append(Operation(verb, path, needs, success, body, returns, query, serve))
        return serve

    return declare


def not_here(method: str, path: str, *, needs: Scope, reason: str) -> None:
    """Declare that Statuspage has `method path` and why a page of one's own has not."""

    def refuse(_call: Call[Nothing], **_keys: str) -> None:
        raise Refused(405, reason)

    refuse.__doc__ = reason
    OPERATIONS.append(Operation(method, path, needs, 405, Nothing, None, (), refuse, reason))


class KeyConverter(BaseConverter):
    """A public id in a path. What can be none is no address: 404."""

    regex = r"[0-9A-Za-z_-]{1,64}"


def put_on(bp: Blueprint) -> None:
    """Give each operation its address, with `.json` at the end too: old clients write it."""
    for operation in OPERATIONS:
        rule = re.sub(r"\{(\w+)\}", r"<key:\1>", operation.path)
        view = _view(operation)
        methods = ["PATCH", "PUT"] if operation.method == "PATCH" else [operation.method]
        bp.add_url_rule(rule, operation.id, view, methods=methods)
        bp.add_url_rule(f"{rule}.json", operation.id, view, methods=methods)


def _view(operation: Operation) -> Callable[..., Response]:
    @wraps(operation.serve)
    def view(**keys: str) -> Response:
        return _serve(operation, **keys)

    return view


# ── how each is served ─────────────────────────────────────────────────────────


def _serve(operation: Operation, **keys: str) -> Response:
    at = clock.now()
    token = _authenticate(at)
    _brake(token)
    if operation.method == "GET":
        read_only()
    page = _page(keys)
    if not token.may(operation.needs):
        raise Refused(403, f"This token lacks a scope for this: {operation.needs.value!r}.")
    said = json_bodies.fields_of(request)
    key = _idempotency_key() if operation.method == "POST" else None
    if key and (repeated := _answered(token, key)):
        return repeated
    call = Call(page, token.actor, at, _read(operation.body, said), _query(said))
    body = _result_text(operation, operation.serve(call, **keys))
    if operation.method != "GET":
        if key:
            _remember(token, key, operation.success, body, at)
        db.session.commit()
    response = ready(operation.success, body)
    if "page_access" in operation.path:
        response.headers["Warning"] = PAGE_IS_PUBLIC
    return response


def _authenticate(at: datetime) -> ApiToken:
    """The token of this request; its use is noted. Raises `Refused` (401)."""
    secret = sent_token("oauth", "bearer")
    if not secret and current_app.config["SETTINGS"].api_key_in_query:
        secret = request.args.get("api_key", "").strip()
    if not secret:
        raise Refused(401, "Send a token: Authorization: OAuth YOUR_TOKEN.")
    read_only()
    token = tokens.with_secret(secret)
    if token is None or not token.works(at):
        raise Refused(401, "Could not authenticate: the token is unknown, revoked or expired.")
    # That transaction could only read; what follows begins its own.
    db.session.expunge(token)
    db.session.rollback()
    if token.is_use_due(at):
        _note_use(token, at)
    return token


def _note_use(token: ApiToken, at: datetime) -> None:
    """A full disk or a lock keeps nobody from reading, nor waiting: the next request notes it."""
    try:
        without_waiting()
        tokens.note_use(token, at=at)
        db.session.commit()
    except exc.OperationalError:
        log.info("api.last_used_not_saved", token=token.name)
        db.session.rollback()


def _brake(token: ApiToken) -> None:
    """Raise `Refused` (420, as Statuspage answers) above so many requests a second."""
    limit = RateLimitItemPerSecond(current_app.config["SETTINGS"].api_requests_per_second)
    if not limiter.limiter.hit(limit, "api", str(token.id)):
        raise Refused(420, "Too many requests a second for this token.", retry_after_s=1)


def _page(keys: dict[str, str]) -> Page:
    """The page; its key is taken out of `keys`. Raises `Refused` (404) for another one."""
    page = page_settings.get()
    page_id = keys.pop("page_id", keys.pop("organization_id", None))
    if page is None or page_id not in (None, page.public_id):
        raise Refused(404, "There is no page with this id. GET /v1/pages returns the page.")
    return page


def _read(body: type[SentBody], fields: dict[str, Any]) -> SentBody:
    """Raises `Refused` with a sentence a field, in one text, for what is not as declared."""
    try:
        return body.model_validate(fields)
    except ValidationError as error:
        raise _misread(error) from None


def _misread(error: ValidationError) -> Refused:
    sentences = []
    for problem in error.errors(include_url=False, include_context=False)[:20]:
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "missing":
            sentences.append(f"{place} is missing.")
        else:
            sentences.append(f"{place}: {problem['msg']}.")
    return Refused(422, " ".join(sentences))


def _query(fields: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if isinstance(value, str)}


def _result_text(operation: Operation, result: Any) -> str:
    if operation.success == 204 or operation.returns is None:
        return "" if operation.success == 204 else "{}"
    return TypeAdapter(operation.returns).dump_json(result).decode()


def _number(text: str, default: int) -> int:
    """A number of at least 1; `default` for 0 and for what is none."""
    if not (text.isascii() and text.isdecimal()):
        return default
    return int(text[:9]) or default


# ── a request that is sent twice ───────────────────────────────────────────────


def _idempotency_key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
        raise Refused(400, f"An Idempotency-Key has 1 to {MAX_KEY} printable ASCII characters.")
    return key


def _answered(token: ApiToken, key: str) -> Response | None:
    """What the first sending was answered; None when this is the first."""
    first = idempotency.answer_to(token.id, key)
    if first is None:
        return None
    if first.request_hash != _request_hash():
        raise Refused(422, "This Idempotency-Key was sent with another request before.")
    response = ready(first.status, first.body)
    response.headers["Idempotent-Replayed"] = "true"
    return response


def _remember(token: ApiToken, key: str, status: int, body: str, at: datetime) -> None:
    idempotency.remember_answer(
        token.id, key, request_hash=_request_hash(), status=status, body=body, at=at
    )


def _request_hash() -> str:
    query = request.query_string
    return hashlib.sha256(
        b"\n".join((request.path.encode(), query, request.get_data()))
    ).hexdigest()
