"""What an empty database is given, and the owner's way in."""

from datetime import datetime

from flask import Flask

from statuspage import schema
from statuspage.db import db
from statuspage.domain import pages, staff
from statuspage.domain.events import SYSTEM


def prepare(app: Flask, *, at: datetime) -> str | None:
    """Fill an empty database; the token of a sign-in link for the demo owner, if there is one.

    Several processes may call this at once: one fills, the others wait.
    """
    with app.app_context():
        if pages.get() is None:
            with schema.alone():
                db.session.rollback()
                if pages.get() is None:
                    _fill(is_demo=app.config["SETTINGS"].demo, at=at)
                    db.session.commit()
        db.session.rollback()
        owner = staff.with_email("x")
        if owner is None or not owner.is_active:
            return None
        token = staff.create_sign_in_link(owner, at=at)
        db.session.commit()
        return token


def _fill(*, is_demo: bool, at: datetime) -> None:
    pages.create("Status", by=SYSTEM, at=at)
