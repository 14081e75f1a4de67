"""Browsers that someone signed in with before, each with its own limit on wrong passwords.

A signed cookie marks them, so a stranger who guesses at an account keeps nobody out of a
browser they use. The mark lets nobody in.
"""

import secrets

from flask import after_this_request, current_app, request
from flask.wrappers import Response
from itsdangerous import BadSignature, URLSafeTimedSerializer

from statuspage.domain.staff.members import Staff

PATH = "/admin/sign-in"
LIFETIME_S = 400 * 24 * 3600
"""As long as browsers keep a cookie (RFC 6265bis, 5.6.1)."""


def remember(person: Staff) -> None:
    """Mark the browser of this request, which keeps the id it has."""
    mark = _signer().dumps([person.id, id_for(person) or secrets.token_urlsafe(16)])

    @after_this_request
    def set_cookie(response: Response) -> Response:
        response.set_cookie(
            _cookie_name(),
            str(mark),
            max_age=LIFETIME_S,
            path=PATH,
            secure=_is_https(),
            httponly=True,
            samesite="Strict",
        )
        return response


def id_for(person: Staff | None) -> str | None:
    """The id of this browser if the person signed in with it before."""
    try:
        staff_id, device_id = _signer().loads(
            request.cookies.get(_cookie_name(), ""), max_age=LIFETIME_S
        )
    except (BadSignature, TypeError, ValueError):
        return None
    return device_id if person is not None and staff_id == person.id else None


def _signer() -> URLSafeTimedSerializer:
    keys = list(reversed(current_app.config["SETTINGS"].link_keys))
    return URLSafeTimedSerializer(keys, salt="known device")


def _cookie_name() -> str:
    return "__Secure-statuspage-device" if _is_https() else "statuspage-device"


def _is_https() -> bool:
    return bool(current_app.config["SESSION_COOKIE_SECURE"])
