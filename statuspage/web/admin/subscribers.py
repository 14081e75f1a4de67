"""Subscribers: who is told, by which way, of what. For those who may configure the page."""

from dataclasses import replace
from datetime import datetime
from typing import Protocol

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    flash,
    render_template,
    request,
    stream_with_context,
    url_for,
)
from flask.typing import ResponseReturnValue
from wtforms import BooleanField, FileField, SelectField, StringField, TextAreaField

from statuspage import clock
from statuspage.db import db
from statuspage.domain.components import verbs as components
from statuspage.domain.events import Actor
from statuspage.domain.staff.members import Permission
from statuspage.domain.subscribers import queries as subscriber_queries
from statuspage.domain.subscribers import subscriptions as subscribers
from statuspage.domain.subscribers.queries import PRESENT, Order, Search
from statuspage.domain.subscribers.subscriptions import (
    Channel,
    Choice,
    Contact,
    NotifyOn,
    Subscriber,
)
from statuspage.errors import Invalid
from statuspage.notify import deliveries
from statuspage.notify.channels import registry
from statuspage.web.admin import subscriber_files
from statuspage.web.admin.forms import Form, StepsField, words
from statuspage.web.admin.permissions import current_actor, requires
from statuspage.web.admin.submit import save

bp = Blueprint("subscribers", __name__, url_prefix="/subscribers")

PAGE_SIZE = 50
MAX_FILE_BYTES = 900_000
BY_ADDRESS = [
    channel for channel in Channel if channel not in (Channel.INTEGRATION_PARTNER, Channel.WEB_PUSH)
]
WANTS = {
    NotifyOn.EVERY.value: "Every update",
    NotifyOn.ENDS.value: "Start and end only",
}


class AddForm(Form):
    channel = SelectField(
        "Channel", choices={channel_name.value: channel_name.label for channel_name in BY_ADDRESS}
    )
    address = StringField("Address", filters=[words])
    is_confirmed = BooleanField("They have already agreed")
    consent = StringField("What they agreed to, and where", filters=[words])


class ImportForm(Form):
    file = FileField("CSV file")
    consent = TextAreaField("What these people agreed to, and where", filters=[words])


class ScopeForm(Form):
    wants = StepsField("Which updates", choices=WANTS)


# ── the list ───────────────────────────────────────────────────────────────────


@bp.get("")
@requires(Permission.CONFIGURE)
def index() -> ResponseReturnValue:
    return _list(AddForm())


@bp.post("")
@requires(Permission.CONFIGURE)
def create() -> ResponseReturnValue:
    form = AddForm(request.form)

    def act() -> str:
        if form.is_confirmed.data and not (form.consent.data or "").strip():
            raise Invalid(consent="Say what they agreed to, or let them confirm.")
        subscriber = subscribers.add(
            _contact(form),
            by=current_actor(),
            at=clock.now(),
            is_confirmed=bool(form.is_confirmed.data),
            consent=form.consent.data or None,
        )
        return url_for("admin.subscribers.show", public_id=subscriber.public_id)

    return save(form, act, said=_added(form), again=lambda: _list(form))


def _added(form: AddForm) -> str:
    channel = next((row for row in Channel if row.value == form.channel.data), None)
    if channel and (words := _missing(channel)):
        return f"Added, but nothing can be sent to them yet. {words}"
    return "Added." if form.is_confirmed.data else "Added. They will be asked to confirm."


@bp.post("/export")
@requires(Permission.CONFIGURE)
def export() -> ResponseReturnValue:
    """All of them as CSV. That somebody took the addresses stands in the log."""
    search = _search()
    subscribers.note_export(subscriber_queries.number(search), by=current_actor(), at=clock.now())
    db.session.commit()
    lines = subscriber_files.write(subscriber_queries.every(search))
    response = Response(stream_with_context(lines), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="subscribers.csv"'
    return response


@bp.get("/import")
@requires(Permission.CONFIGURE)
def ask_to_import() -> ResponseReturnValue:
    return _import_page(ImportForm())


@bp.post("/import")
@requires(Permission.CONFIGURE)
def import_file() -> ResponseReturnValue:
    form = ImportForm(request.form)

    def act() -> str:
        rows = subscriber_files.read(subscriber_files.decode(_uploaded()))
        subscribers.take_over(
            rows.people, consent=form.consent.data or "", by=current_actor(), at=clock.now()
        )
        if rows.left_out:
            flash(
                f"Lines left out: {rows.left_out} (not active, a browser, or about an incident"
                " that is over)."
            )
        return url_for("admin.subscribers.index")

    return save(
        form,
        act,
        said="Imported. Existing subscribers were left as they are.",
        again=lambda: _import_page(form),
    )


def _uploaded() -> bytes:
    """Raises `Invalid`."""
    upload = request.files.get("file")
    sent = upload.read(MAX_FILE_BYTES + 1) if upload and upload.filename else b""
    if not sent:
        raise Invalid(file="Choose a file.")
    if len(sent) > MAX_FILE_BYTES:
        raise Invalid(file="This file is too large: at most 900 KB. Split it in two.")
    return sent


def _contact(form: AddForm) -> Contact:
    """Raises `Invalid`, by the fields of this form."""
    try:
        return Contact.of(Channel(form.channel.data), form.address.data or "")
    except Invalid as invalid:
        raise Invalid(address=str(invalid)) from None


# ── one of them ────────────────────────────────────────────────────────────────


@bp.get("/<public_id>")
@requires(Permission.CONFIGURE)
def show(public_id: str) -> ResponseReturnValue:
    subscriber = _get_or_404(public_id)
    return _show(subscriber, ScopeForm(wants=subscriber.wants.value))


@bp.post("/<public_id>")
@requires(Permission.CONFIGURE)
def edit(public_id: str) -> ResponseReturnValue:
    subscriber = _get_or_404(public_id)
    form = ScopeForm(request.form)
    ids = set(request.form.getlist("component"))

    def act() -> str:
        if form.wants.data not in WANTS:
            raise Invalid(wants="Choose which updates they get.")
        chosen = [each for each in components.listed() if each.public_id in ids]
        choice: Choice = replace(
            subscriber.choice, components=chosen, wants=NotifyOn(form.wants.data)
        )
        subscribers.choose(subscriber, choice, by=current_actor(), at=clock.now())
        return url_for("admin.subscribers.show", public_id=public_id)

    return save(form, act, said="Saved.", again=lambda: _show(subscriber, form))


@bp.post("/<public_id>/resend")
@requires(Permission.CONFIGURE)
def resend(public_id: str) -> ResponseReturnValue:
    subscriber = _get_or_404(public_id)
    return _act(subscriber, "The confirmation will be sent again.", _sending(subscribers.ask_again))


@bp.post("/<public_id>/quarantine")
@requires(Permission.CONFIGURE)
def quarantine(public_id: str) -> ResponseReturnValue:
    return _act(_get_or_404(public_id), "Paused. They get no messages.", subscribers.quarantine)


@bp.post("/<public_id>/reactivate")
@requires(Permission.CONFIGURE)
def reactivate(public_id: str) -> ResponseReturnValue:
    return _act(_get_or_404(public_id), "Resumed. They get messages again.", subscribers.reactivate)


@bp.post("/<public_id>/test")
@requires(Permission.CONFIGURE)
def test(public_id: str) -> ResponseReturnValue:
    return _act(_get_or_404(public_id), "A test message is on its way.", _sending(subscribers.test))


@bp.post("/<public_id>/delete")
@requires(Permission.CONFIGURE)
def delete(public_id: str) -> ResponseReturnValue:
    subscriber = _get_or_404(public_id)

    def act() -> str:
        subscribers.unsubscribe(subscriber, by=current_actor(), at=clock.now())
        return url_for("admin.subscribers.index")

    form = Form(request.form)
    return save(
        form,
        act,
        said="Unsubscribed. The address has been erased.",
        again=lambda: _show(subscriber, form),
    )


# ── helpers ────────────────────────────────────────────────────────────────────


class _Verb(Protocol):
    def __call__(self, subscriber: Subscriber, *, by: Actor, at: datetime) -> object: ...


def _sending(verb: _Verb) -> _Verb:
    """The verb, refused where the subscriber's channel cannot send."""

    def send(subscriber: Subscriber, *, by: Actor, at: datetime) -> object:
        if words := _missing(subscriber.channel):
            raise Invalid(channel=f"Nothing was sent. {words}")
        return verb(subscriber, by=by, at=at)

    return send


def _missing(channel: Channel) -> str | None:
    return registry.missing(channel, current_app.config["SETTINGS"])


def _act(subscriber: Subscriber, message: str, verb: _Verb) -> ResponseReturnValue:
    form = Form(request.form)

    def act() -> str:
        verb(subscriber, by=current_actor(), at=clock.now())
        return url_for("admin.subscribers.show", public_id=subscriber.public_id)

    return save(form, act, said=message, again=lambda: _show(subscriber, form))


def _get_or_404(public_id: str) -> Subscriber:
    return subscribers.get(public_id) or abort(404)


def _search() -> Search:
    """What is asked for in the query string; a word that is none asks for all."""
    channel, state = request.args.get("channel"), request.args.get("state")
    return Search(
        text=request.args.get("q", "").strip()[:100],
        channels=[member for member in Channel if member.value == channel] or None,
        states=[member for member in PRESENT if member.value == state] or PRESENT,
    )


def _list(form: AddForm) -> str:
    search = _search()
    number = min(max(request.args.get("page", 1, type=int), 1), 100_000)
    total = subscriber_queries.number(search)
    rows = subscriber_queries.find(
        search,
        offset=(number - 1) * PAGE_SIZE,
        limit=PAGE_SIZE,
        order=Order.PRIMARY if search.text else Order.CREATED_AT,
        descending=not search.text,
    )
    tally = subscriber_queries.tally(Search())
    return render_template(
        "admin/subscribers.html",
        form=form,
        found=rows,
        total=total,
        number=number,
        pages=max(-(-total // PAGE_SIZE), 1),
        asked=search.text,
        channel=request.args.get("channel", ""),
        state=request.args.get("state", ""),
        channels={
            channel: count
            for channel in Channel
            if (count := sum(tally[channel, state] for state in PRESENT))
        },
        states={state: sum(tally[channel, state] for channel in Channel) for state in PRESENT},
    )


def _import_page(form: ImportForm) -> str:
    return render_template("admin/subscribers_import.html", form=form)


def _show(subscriber: Subscriber, form: Form) -> str:
    scope = form if isinstance(form, ScopeForm) else ScopeForm(wants=subscriber.wants.value)
    is_sent = form is scope and request.method == "POST"
    ids = (
        request.form.getlist("component")
        if is_sent
        else [c.public_id for c in subscriber.components]
    )
    return render_template(
        "admin/subscriber.html",
        one=subscriber,
        form=scope,
        other=None if form is scope else form,
        components=components.listed(),
        chosen=set(ids),
        sent=deliveries.to_subscriber(subscriber),
        missing=_missing(subscriber.channel),
    )
