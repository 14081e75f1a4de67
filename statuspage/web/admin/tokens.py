"""API tokens: which programs may come in, and what each may do. For owners."""

from datetime import UTC, datetime, time

from flask import Blueprint, abort, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import DateField, SelectMultipleField, StringField, validators
from wtforms.widgets import CheckboxInput, ListWidget

from statuspage import clock
from statuspage.db import db
from statuspage.domain import tokens
from statuspage.domain.staff.members import Permission
from statuspage.domain.tokens import Scope
from statuspage.errors import Invalid
from statuspage.web.admin import local_time, reauthentication
from statuspage.web.admin.forms import Form, words
from statuspage.web.admin.permissions import current_actor, requires
from statuspage.web.admin.submit import save

bp = Blueprint("tokens", __name__, url_prefix="/tokens")

SCOPES = {
    Scope.READ.value: "Read everything on the page",
    Scope.INCIDENTS.value: "Incidents, maintenance, postmortems and templates",
    Scope.COMPONENTS.value: "Components, groups and metrics",
    Scope.SUBSCRIBERS.value: "Subscribers and page access, including addresses",
    Scope.BOUNCES.value: "Report bounced mail, nothing else",
    Scope.ALERTS.value: "Report alerts as draft incidents, nothing else",
    Scope.ALERTS_PUBLISH.value: "Report alerts and publish them at once, nothing else",
    Scope.MANAGE.value: "Everything, including settings and team",
}


class TokenForm(reauthentication.ProofForm):
    name = StringField("Which program will use it", filters=[words])
    scopes = SelectMultipleField(
        "What it may do",
        choices=SCOPES,
        option_widget=CheckboxInput(),
        widget=ListWidget(prefix_label=False),
    )
    expires_on = DateField("Last valid day", validators=[validators.Optional()])

    def expires_at(self) -> datetime | None:
        """The end of the chosen day in the page's zone."""
        if self.expires_on.data is None:
            return None
        end = datetime.combine(self.expires_on.data, time.max, tzinfo=local_time.zone())
        return end.astimezone(UTC)


@bp.get("")
@requires(Permission.MANAGE_STAFF)
def index() -> ResponseReturnValue:
    return _page(TokenForm())


@bp.post("")
@requires(Permission.MANAGE_STAFF)
@reauthentication.slowed
def create() -> ResponseReturnValue:
    """The token is shown once, here; only its hash is kept."""
    form = TokenForm(request.form)
    if not form.validate():
        return _page(form), 422
    try:
        reauthentication.prove(form)
        token, secret = tokens.create(
            form.name.data or "",
            scopes=[Scope(scope) for scope in form.scopes.data or ()],
            by=current_actor(),
            at=clock.now(),
            expires_at=form.expires_at(),
        )
    except Invalid as invalid:
        form.show(Invalid(**_by_field(invalid.errors)))
        return _page(form), 422
    db.session.commit()
    base_url = current_app.config["SETTINGS"].base_url
    return render_template("admin/token.html", token=token, secret=secret, base_url=base_url)


@bp.post("/<public_id>/revoke")
@requires(Permission.MANAGE_STAFF)
def revoke(public_id: str) -> ResponseReturnValue:
    token = tokens.get(public_id) or abort(404)
    form = Form(request.form)

    def act() -> str:
        tokens.revoke(token, by=current_actor(), at=clock.now())
        return url_for("admin.tokens.index")

    return save(form, act, said=f"{token.name} is revoked.", again=lambda: _page(TokenForm()))


def _by_field(errors: dict[str, str]) -> dict[str, str]:
    return {{"expires_at": "expires_on"}.get(name, name): text for name, text in errors.items()}


def _page(form: TokenForm) -> str:
    at = clock.now()
    listed = tokens.listed()
    return render_template(
        "admin/tokens.html",
        form=form,
        scope_names=SCOPES,
        working=[token for token in listed if token.works(at)],
        ended=[token for token in listed if not token.works(at)],
    )
