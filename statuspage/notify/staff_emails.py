"""Notices: a mail to a member of staff when the way they sign in has changed.

OWASP ASVS 5.0, 6.3.7. The event is saved with the change; the worker leaves a job for it,
tries for about a day, and its log says what came of it. No notice holds a secret.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from functools import partial
from typing import NamedTuple

import structlog
from flask import Flask, current_app
from huey import Huey

from statuspage import clock
from statuspage.config import Settings
from statuspage.db import db, read_only
from statuspage.domain import page_settings
from statuspage.domain.events import ActorKind, Event
from statuspage.domain.staff import members as staff
from statuspage.domain.staff import second_factor
from statuspage.domain.staff.members import Staff
from statuspage.lib import email_address
from statuspage.notify import email_message, queue
from statuspage.notify.channels.base import Failed
from statuspage.notify.channels.email import POLICY, Post
from statuspage.notify.email_message import RenderedEmail
from statuspage.notify.failure_log import FailureLog

MAX_ATTEMPTS = 12
FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=6)

log = structlog.get_logger(__name__)
failure_log = FailureLog()


@dataclass(frozen=True)
class NoticeText:
    """What a notice says of one kind of event."""

    headline: str
    said: str
    advice: str
    """What to do if it was not oneself."""


class Place(NamedTuple):
    """The page as a mail names it."""

    name: str
    url: str


_TELL_AN_OWNER = (
    "Tell an owner of the page at once. “Lock out” under Team ends all your"
    " sessions and your password; “Restore access” and a new sign-in link"
    " let you in again."
)
_NEW_PASSWORD = "Sign in and choose another password: that ends all your other sessions."

_WORDS = {
    "staff.password_changed": NoticeText(
        "Your password was changed",
        "The password of your account was changed, and earlier sessions have ended.",
        _TELL_AN_OWNER,
    ),
    "staff.sign_in_link_made": NoticeText(
        "A sign-in link was created for you",
        "Anyone who has it can sign in as you, once, within twelve hours, and"
        " choose a new password.",
        _TELL_AN_OWNER,
    ),
    "staff.second_factor_on": NoticeText(
        "A second factor was turned on",
        "From now on, signing in takes a code from an authenticator app.",
        _TELL_AN_OWNER,
    ),
    "staff.second_factor_off": NoticeText(
        "Your second factor was turned off",
        "From now on, signing in takes no code. Other sessions have ended.",
        f"{_NEW_PASSWORD} Then turn the second factor on again.",
    ),
    "staff.recovery_codes_renewed": NoticeText(
        "New recovery codes were created",
        "You have ten new recovery codes. The old ones no longer work.",
        f"{_NEW_PASSWORD} Then create new recovery codes.",
    ),
    "staff.recovery_code_used": NoticeText(
        "A recovery code was used",
        "Someone signed in with one of your recovery codes instead of a code from the app.",
        f"{_NEW_PASSWORD} Then create new recovery codes, which replace the old ones.",
    ),
}


# ── passing on ─────────────────────────────────────────────────────────────────


def is_about_staff(event: Event) -> bool:
    return event.kind.startswith("staff.")


def enqueue(event: Event, *, at: datetime) -> None:
    """Leave the job that sends the notice, and settle the event; commits.

    Without a mail server there is nobody to tell. While the queue is away the event waits
    for the next tick. A crash in between tells the person twice, which is better than never.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    row = db.session.get_one(Event, event.id, with_for_update=True, populate_existing=True)
    with suppress(Exception), failure_log.watch("staff_notices"):
        if row.fanned_out_at is None and app.config["SETTINGS"].smtp_url is not None:
            queue.queue_of(app)
            app.extensions["send_notice"](row.id, 1)
        row.fanned_out_at = row.fanned_out_at or at
    db.session.commit()


# ── sending ────────────────────────────────────────────────────────────────────


def register(huey: Huey, app: Flask) -> None:
    """Have this queue send notices."""
    app.extensions["send_notice"] = huey.task(name="send_notice")(partial(send, app))


def send(app: Flask, event_id: int, attempt: int) -> None:
    """Send the notice of an event; where that fails, leave a job for later."""
    settings: Settings = app.config["SETTINGS"]
    with app.app_context():
        read_only()
        event = db.session.get(Event, event_id)
        person = staff.with_subject(event.subject) if event else None
        if event is None or person is None or settings.smtp_url is None:
            return
        address = email_address.deliverable(person.email)
        try:
            message = compose(event, person, settings, at=clock.now())
        except (ValueError, MessageError):
            _say_failed(event_id, _NO_ADDRESS)
            return
    post = Post(settings)
    try:
        post.send(message, _key(event_id), address)
    except UnicodeError:
        _say_failed(event_id, _NO_ADDRESS)
    except Failed as failed:
        _say_failed(event_id, failed.sentence)
        if not failed.is_final and attempt < MAX_ATTEMPTS:
            wait = min(FIRST_RETRY * 2 ** (attempt - 1), LONGEST_RETRY)
            app.extensions["send_notice"].schedule(
                (event_id, attempt + 1), delay=int(wait.total_seconds())
            )
    else:
        log.info("notice.sent", event_id=event_id)
    finally:
        post.close()


_NO_ADDRESS = "No e-mail can be sent to this address."
"""Instead of the error's words, which quote it."""


def _say_failed(event_id: int, reason: str) -> None:
    log.warning("notice.failed", event_id=event_id, reason=reason)


def compose(event: Event, person: Staff, settings: Settings, *, at: datetime) -> EmailMessage:
    """The notice with its headers."""
    page = page_settings.get()
    place = Place(page.name if page else "Status", settings.base_url)
    written = write(event, person, place)
    message = EmailMessage(POLICY)
    message["From"] = Address(place.name, addr_spec=settings.mail_from)
    message["To"] = email_address.to_header(person.email)
    message["Subject"] = written.subject
    message["Date"] = format_datetime(at)
    host = settings.origin.domain
    message["Message-ID"] = f"<{_key(event.id)}@{host}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    # Not 8bit: a server on the way that rewrites it would break the signature.
    message.set_content(written.text, cte="quoted-printable")
    message.add_alternative(written.html, subtype="html", cte="quoted-printable")
    return message


def write(event: Event, person: Staff, page: Place) -> RenderedEmail:
    """What the notice of an event says to the person whom it is about."""
    words = _WORDS[event.kind]
    left = second_factor.recovery_codes_left(person)
    values = {
        "page": page,
        "person": person,
        "words": words,
        "when": f"{event.at.astimezone(UTC):%d %B %Y, %H:%M} UTC".lstrip("0"),
        "by": _by(event, person),
        "codes_left": left if event.kind == "staff.recovery_code_used" else None,
        "account_url": f"{page.url}/admin/account",
    }
    return email_message.render_template("account", values)


def _by(event: Event, person: Staff) -> str:
    match event.actor_kind:
        case ActorKind.STAFF if event.staff_id == person.id:
            return "you, or someone signed in as you"
        case ActorKind.STAFF:
            return event.actor_name
        case ActorKind.TOKEN:
            return f"the API token “{event.actor_name}”"
        case ActorKind.SYSTEM:
            return "a command on the server"


def _key(event_id: int) -> str:
    return f"staff-{event_id}"
