"""Proving again who one is, before what a stolen session must not do (OWASP ASVS 5.0, 7.5)."""

from datetime import timedelta

from flask import Response, g
from flask_login import current_user
from wtforms import PasswordField

from statuspage import clock
from statuspage.domain.staff import members as staff
from statuspage.errors import Invalid
from statuspage.web.admin import login_session
from statuspage.web.admin.forms import Form
from statuspage.web.security import limiter

FRESH = timedelta(minutes=15)
"""So long after a sign-in by link nothing more is asked of somebody without a password, and so
long after typing it a password is not asked for again where a recent proof will do."""


class ProofForm(Form):
    """A form that asks for the password again."""

    current_password = PasswordField("Your password")


def prove(form: ProofForm) -> None:
    """Raise `Invalid` unless whoever sent this form is whose session it is.

    Asks every time: for what makes a way in that outlives the session, or takes one away.
    """
    if current_user.password_hash is None:
        if not is_fresh():
            raise Invalid(
                proof="You signed in by a link a while ago and have no password yet. Choose one"
                " under “Your account”, then do this again."
            )
        return
    typed = form.current_password.data or ""
    if staff.authenticate(current_user.email, typed) is None:
        g.was_proof_refused = True
        raise Invalid(current_password="That is not your current password.")  # noqa: S106  a sentence
    login_session.note_proof()


def prove_lately(form: ProofForm) -> None:
    """As `prove`, and content with a proof of the last minutes: for changes of the team."""
    if is_fresh():
        return
    if current_user.password_hash is not None and not form.current_password.data:
        # Nobody guessed, so nothing is counted: the form did not ask yet.
        raise Invalid(current_password="Enter your password as well.")  # noqa: S106  a sentence
    prove(form)


def is_fresh() -> bool:
    """Whether who this is was proven within `FRESH`: by the password, or by a link without one."""
    if current_user.password_hash is None:
        return login_session.present().began_at > clock.now() - FRESH
    return login_session.was_proven_within(FRESH)


def _account() -> str:
    return f"proof:{current_user.id}" if current_user.is_authenticated else "proof"


def _was_refused(_response: Response) -> bool:
    return "was_proof_refused" in g


slowed = limiter.limit("6 per 5 minutes", key_func=_account, deduct_when=_was_refused)
"""For each route that asks for it: guessing is slowed as it is at the sign-in."""
