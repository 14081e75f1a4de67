"""Sessions for the staff desk only: every other address neither reads nor sets a cookie."""

import hashlib
from typing import Any, NoReturn

from flask import Flask, Request, Response
from flask.sessions import NullSession, SecureCookieSessionInterface, SessionMixin

ADMIN_PATH = "/admin"


def cookie_name(*, is_https: bool) -> str:
    """The name of the desk's cookie.

    Browsers take one named `__Host-…` by HTTPS alone, from this very host and for all of it
    (RFC 6265bis, 4.1.3.2): no neighbour on the same domain can put one in its place. Over HTTP,
    on one's own machine, they would not keep it.
    """
    return "__Host-statuspage" if is_https else "statuspage"


class AdminSessionInterface(SecureCookieSessionInterface):
    """Signed cookies below `/admin`, nothing elsewhere.

    A public page can therefore not depend on who asks, and carries no `Vary: Cookie`
    that would keep every cache in front of us from storing it.
    """

    digest_method = staticmethod(hashlib.sha256)

    def open_session(self, app: Flask, request: Request) -> SessionMixin | None:  # type: ignore[override]
        if is_admin(request.path):
            return super().open_session(app, request)
        return NoSession()

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if not isinstance(session, NullSession):
            super().save_session(app, session, response)


class NoSession(NullSession):
    """Reads as empty. Writing to it is a mistake of ours, and says so."""

    def _fail(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise RuntimeError(f"There is no session outside {ADMIN_PATH}: public pages set no cookie.")

    __setitem__ = __delitem__ = clear = pop = popitem = update = setdefault = _fail


def is_admin(path: str) -> bool:
    return path == ADMIN_PATH or path.startswith(f"{ADMIN_PATH}/")
