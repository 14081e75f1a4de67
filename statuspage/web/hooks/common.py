"""What all hooks have in common: a token, and answers in JSON.

The token is the proof. In the address a wrong one learns nothing: 404. Better is a header, which no
proxy writes down.
"""

import json
from datetime import datetime

from flask import Blueprint, Response
from sqlalchemy import exc

from statuspage.domain import tokens
from statuspage.domain.tokens import ApiToken, Scope
from statuspage.web import database_outage


def token_of(secret: str, needed: Scope, *, at: datetime) -> ApiToken | None:
    """None where it is unknown, over, or for something else."""
    token_row = tokens.with_secret(secret)
    return token_row if token_row and token_row.works(at) and token_row.may(needed) else None


def note_use(token: ApiToken, *, at: datetime) -> None:
    if token.is_use_due(at):
        tokens.note_use(token, at=at)


def no_token() -> Response:
    response = answer(
        401, error="Send a token with the right scope: Authorization: Bearer YOUR_TOKEN."
    )
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def answer(status: int, **said: object) -> Response:
    body = json.dumps(said) + "\n"
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(body, status, headers, content_type="application/json")


def nothing_here() -> Response:
    return answer(404, error="There is nothing at this address.")


def ask_again_where_the_database_is_gone(hook: Blueprint) -> None:
    """Whoever calls a hook tries again for hours where it is told to."""

    def respond(_error: exc.SQLAlchemyError) -> Response:
        response = answer(503, error="This cannot be saved now. Send it again.")
        response.headers["Retry-After"] = "60"
        return response

    database_outage.handle(hook, f"{hook.name}.database_unavailable", respond)
