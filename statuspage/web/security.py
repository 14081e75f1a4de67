"""What guards the desk: the sign-in manager, CSRF tokens, brakes on guessing, headers."""

from flask import Flask, Response, g, request, session
from flask_limiter import Limiter
from flask_login import LoginManager
from flask_wtf.csrf import CSRFProtect

from statuspage import clock
from statuspage.domain.staff import members as staff
from statuspage.domain.staff import sessions
from statuspage.domain.staff.members import Staff
from statuspage.lib.client_network import network_of


def network() -> str:
    """Who sends this: an address, of IPv6 the /64 that one customer has."""
    return network_of(request.remote_addr or "")


csrf = CSRFProtect()
limiter = Limiter(network)
login = LoginManager()
# A phone changes its address on the way home; the signed cookie is what counts.
login.session_protection = None

KEY = "key"
"""Where the cookie holds the key of its session (`sessions`)."""

REPORTS = "/hooks/policy"
"""Where browsers report what this policy refused: `web/hooks/policy`."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none';"
    f" connect-src 'self'; report-uri {REPORTS}",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: over HTTPS the CSRF check reads the Referer.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}


def init_app(app: Flask) -> None:
    # Only the desk has cookies, so only the desk has forms to forge: `permissions.gate`.
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    app.config["WTF_CSRF_TIME_LIMIT"] = None
    app.config["PERMANENT_SESSION_LIFETIME"] = sessions.IDLE
    csrf.init_app(app)
    limiter.init_app(app)
    login.init_app(app)
    app.after_request(harden)


@login.user_loader
def _load(session_id: str) -> Staff | None:
    """The person of a cookie, while both they and this one session of theirs may go on."""
    at = clock.now()
    person = staff.with_id(session_id)
    row = sessions.with_key(session.get(KEY, ""), at=at) if person else None
    if person is None or row is None or row.staff_id != person.id:
        return None
    g.desk_session = row
    g.session_to_note = row.id if row.is_note_due(at) else None
    return person


def harden(response: Response) -> Response:
    """Strict headers on every answer of the desk, errors included."""
    if request.path == "/admin" or request.path.startswith("/admin/"):
        response.headers.update(HEADERS)
        if "content_policy" in g:
            response.headers["Content-Security-Policy"] = g.content_policy
    return response


def use_content_policy(policy: str) -> None:
    """Answer this request under a policy of its own: a screen that frames another one."""
    g.content_policy = policy


def is_cross_site() -> bool:
    """Another site made the browser send this form."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    return origin is not None and origin != request.host_url.rstrip("/")
