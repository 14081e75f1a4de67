"""One way from a form to a commit: refused forms come back whole, a form sent twice counts once."""

from collections.abc import Callable

from flask import Response, flash, make_response, redirect, request
from sqlalchemy.exc import IntegrityError

from statuspage import clock
from statuspage.db import db
from statuspage.domain import idempotency
from statuspage.errors import Invalid
from statuspage.web.admin.forms import Form


def save(
    form: Form,
    act: Callable[[], str],
    *,
    said: str,
    again: Callable[[], str],
    undo: Callable[[], str] | None = None,
) -> Response:
    """Run one verb, commit once, answer 303 with the words `said`.

    `act` returns where to go; `again` is the page with the form, answered with
    422 when the form or a rule refuses. `undo` is the address that takes it back, known
    once it is committed. `Conflict` is left to the caller.
    """
    nonce = request.form.get("nonce", "")[:64]
    if nonce and (earlier := idempotency.location_of(nonce)):
        return _see(earlier, said)
    if not form.validate():
        return make_response(again(), 422)
    try:
        location = act()
        if nonce:
            idempotency.remember(nonce, location, at=clock.now())
        db.session.commit()
    except Invalid as invalid:
        db.session.rollback()
        form.show(invalid)
        return make_response(again(), 422)
    except IntegrityError:
        # A twin of this form was quicker by less than a request.
        db.session.rollback()
        twin = idempotency.location_of(nonce) if nonce else None
        if twin is None:
            raise
        return _see(twin, said)
    return _see(location, said, undo)


def _see(location: str, message: str, undo: Callable[[], str] | None = None) -> Response:
    flash(message, undo() if undo else "message")
    return make_response(redirect(location, 303))
