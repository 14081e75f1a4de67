"""Mails: each kind as subscribers get it, made from the last one there was reason for."""

from dataclasses import dataclass

import structlog
from flask import Blueprint, abort, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from statuspage import clock
from statuspage.config import Settings
from statuspage.domain.staff.members import Permission
from statuspage.errors import Invalid
from statuspage.notify import email_examples, email_message, queue, test_emails
from statuspage.notify.email_message import RenderedEmail
from statuspage.notify.message import MessageKind
from statuspage.page.snapshot.build import NoPageError
from statuspage.web import security
from statuspage.web.admin.forms import Form
from statuspage.web.admin.permissions import requires
from statuspage.web.admin.submit import save

bp = Blueprint("mails", __name__, url_prefix="/mails")

log = structlog.get_logger()

# The mail has styles of its own, and must do nothing: no script, no form, no picture.
OF_A_MAIL = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none';"
    " frame-ancestors 'self'; sandbox"
)
WITH_A_FRAME = f"{security.HEADERS['Content-Security-Policy']}; frame-src 'self'"


@dataclass(frozen=True)
class Shown:
    """A mail to look at."""

    kind: MessageKind
    written: RenderedEmail
    is_example: bool


@bp.get("")
@requires(Permission.CONFIGURE)
def index() -> ResponseReturnValue:
    return render_template("admin/mails.html", kinds=email_examples.KINDS, can_send=_can_send())


@bp.get("/<kind>")
@requires(Permission.CONFIGURE)
def show(kind: str) -> ResponseReturnValue:
    security.use_content_policy(WITH_A_FRAME)
    return _page(_example(kind), Form())


@bp.get("/<kind>/html")
@requires(Permission.CONFIGURE)
def html(kind: str) -> ResponseReturnValue:
    """The HTML alone, for the frame."""
    security.use_content_policy(OF_A_MAIL)
    return _example(kind).written.html


@bp.post("/<kind>/test")
@requires(Permission.CONFIGURE)
def test(kind: str) -> ResponseReturnValue:
    security.use_content_policy(WITH_A_FRAME)
    shown, form = _example(kind), Form(request.form)

    def act() -> str:
        if not _can_send():
            raise Invalid(mail="No mail server is set: set STATUSPAGE_SMTP_URL.")
        try:
            _order(shown.kind, current_user.email)
        except Exception as error:
            log.error("test_message.queue_unavailable", error=str(error))
            raise Invalid(mail="The job queue is not responding. Try again in a moment.") from None
        return url_for("admin.mails.show", kind=kind)

    message = f"On its way to {current_user.email}. If nothing arrives, the worker’s log says why."
    return save(form, act, said=message, again=lambda: _page(shown, form))


def _page(shown: Shown, form: Form) -> str:
    return render_template("admin/mail.html", shown=shown, form=form, can_send=_can_send())


def _example(kind: str) -> Shown:
    example = next(
        (example for example in email_examples.KINDS if example.value == kind), None
    ) or abort(404)
    base_url = _settings().base_url
    try:
        sample = email_examples.of(example, at=clock.now(), base_url=base_url)
    except NoPageError:
        abort(404)
    to = email_examples.reader(current_user.email, base_url)
    return Shown(example, email_message.render(sample.message, to), sample.is_example)


def _order(kind: MessageKind, address: str) -> None:
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    queue.queue_of(app)
    test_emails.enqueue(app, kind, address)


def _can_send() -> bool:
    return _settings().smtp_url is not None


def _settings() -> Settings:
    settings: Settings = current_app.config["SETTINGS"]
    return settings
