"""The session of a browser: begun, renewed, seen, ended; and the step before it begins."""

from dataclasses import dataclass
from datetime import timedelta

import structlog
from flask import current_app, g, request, session
from flask_login import current_user, login_user, logout_user
from sqlalchemy import exc

from statuspage import clock
from statuspage.db import db, without_waiting
from statuspage.domain.staff import members as staff
from statuspage.domain.staff import sessions
from statuspage.domain.staff.members import Staff
from statuspage.domain.staff.sessions import AdminSession
from statuspage.web.admin import known_devices, user_agents
from statuspage.web.security import KEY

WAITING = "waiting"
"""Where the cookie says who gave a right password and owes a code still."""
WAIT = timedelta(minutes=10)
LINK = "link"
PROVEN = "proven"
"""Where the cookie says when the password was last typed rightly in this session, in seconds.

The browser holds it, so that a cookie which was taken before gains nothing by it.
"""
BY_LINK = "by_link"
"""Where the cookie says that its session began by a link which has not been used further."""

log = structlog.get_logger()


@dataclass(frozen=True)
class PendingLogin:
    """Somebody between the password and the second factor."""

    person: Staff
    how: str
    """How they came so far: by password or by link."""


def begin(person: Staff, how: str) -> None:
    """A new session: nothing of the one before the sign-in is kept. The caller commits."""
    at = clock.now()
    session.clear()
    session.permanent = True
    session[KEY] = sessions.start(
        person.id, browser=user_agents.describe(request.headers.get("User-Agent", "")), at=at
    )
    session[BY_LINK] = how.startswith(LINK)
    if not session[BY_LINK]:
        note_proof()
    login_user(person)
    known_devices.remember(person)
    person.last_seen_at = at
    # A line in the log and no event: an event for each would fill the audit log.
    log.info("staff.signed_in", staff_id=person.id, how=how)


def came_by_link_within(time: timedelta) -> bool:
    """Whether this session began by a sign-in link so lately: somebody's password was forgotten."""
    return bool(session.get(BY_LINK)) and present().began_at > clock.now() - time


def note_proof() -> None:
    """The password of this session's person was typed rightly just now."""
    session[PROVEN] = int(clock.now().timestamp())


def was_proven_within(time: timedelta) -> bool:
    """Whether the password was typed so lately in this browser, at the sign-in or since."""
    ago: float = clock.now().timestamp() - session.get(PROVEN, 0)
    return 0 <= ago < time.total_seconds()


def renew() -> None:
    """Go on under a new key, where all other sessions of this person have just ended."""
    session[KEY] = sessions.renew(present())
    session.pop(BY_LINK, None)
    login_user(current_user._get_current_object())


def end() -> None:
    """Sign this browser out, which needs no database: without its key the row is of no use."""
    try:
        if current_user.is_authenticated:
            sessions.end(present())
            db.session.commit()
    except exc.SQLAlchemyError:
        log.warning("admin.sign_out_failed")
        db.session.rollback()
    logout_user()
    session.clear()


def present() -> AdminSession:
    """The session that this request belongs to; for those who are signed in."""
    row: AdminSession = g.desk_session
    return row


def wait_for_code(person: Staff, how: str) -> None:
    """Remember who gave the right password. They are not signed in."""
    session.clear()
    until = int((clock.now() + WAIT).timestamp())
    session[WAITING] = {"who": person.get_id(), "how": how, "until": until}


def pending_login() -> PendingLogin | None:
    """Who owes a code, None when nobody does or it took too long.

    A new password or a lock-out ends this too: both move what `get_id` gives.
    """
    waiting = session.get(WAITING)
    if not waiting or waiting["until"] < clock.now().timestamp():
        return None
    person = staff.with_id(waiting["who"])
    return PendingLogin(person, waiting["how"]) if person else None


def keys() -> tuple[str, ...]:
    """The secret keys that second factors may be sealed with, the present one first."""
    keys_found: tuple[str, ...] = current_app.config["SETTINGS"].link_keys
    return keys_found


def touch(_error: BaseException | None = None) -> None:
    """After a request: write down that this session lives, every few minutes.

    A full disk or a lock keeps nobody waiting: the next request notes it.
    """
    session_id = g.get("session_to_note")
    if session_id is None:
        return
    try:
        db.session.rollback()
        without_waiting()
        sessions.touch(session_id, at=clock.now())
        db.session.commit()
    except exc.SQLAlchemyError:
        log.info("admin.last_seen_not_saved")
        db.session.rollback()
