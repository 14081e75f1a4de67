"""What an empty database is given, and the first way in."""

import os
import sys
from datetime import datetime
from pathlib import Path

from flask import Flask

from statuspage.db import db, migrate, read_only
from statuspage.demo import seed as demo
from statuspage.domain import page_settings
from statuspage.domain.events import SYSTEM
from statuspage.domain.staff import members as staff
from statuspage.domain.subscribers import push_keys


def fill(app: Flask, *, at: datetime) -> None:
    """Give an empty database the demo page, or an empty page where `STATUSPAGE_DEMO` is 0.

    Of several processes that start together one does it, the others wait.
    """
    with app.app_context():
        if _is_filled():
            return
        with migrate.alone():
            if not _is_filled():
                if app.config["SETTINGS"].demo:
                    demo.seed(at=at)
                else:
                    page_settings.create(page_settings.UNNAMED, by=SYSTEM, at=at)
                # What it is made with takes 12 MB, which a web process would keep.
                if push_keys.key() is None:
                    push_keys.make_key(at=at)
                db.session.commit()


def welcome(app: Flask, *, at: datetime) -> str:
    """Where the page is and how to get in, for the person who started it."""
    address = app.config["SETTINGS"].base_url
    lines = ["", f"Status page   {address}/"]
    with app.app_context():
        owner = staff.with_email(demo.OWNER_EMAIL)
        if owner is not None and owner.is_active:
            token = staff.create_sign_in_link(owner, at=at)
            db.session.commit()
            lines.append(f"Sign in once  {address}/admin/sign-in/{token}")
        elif not staff.listed() and _goes_to_the_journal():
            # The command needs what systemd gave us, else it speaks of another database.
            lines.append("First owner   see docs/deploying.md, Commands beside a running page")
        elif not staff.listed():
            flask = Path(sys.executable).with_name("flask")
            lines.append(
                f"First owner   echo PASSWORD | {flask} staff create EMAIL --role owner"
                " --password-stdin"
            )
    if not _goes_to_the_journal():
        lines.append("Stop          Ctrl-C")
    return "\n".join([*lines, ""])


def _goes_to_the_journal() -> bool:
    """Whether systemd started us: it names the stream that it gave."""
    stream = os.environ.get("JOURNAL_STREAM")
    if not stream:
        return False
    output = os.fstat(1)
    return stream == f"{output.st_dev}:{output.st_ino}"


def _is_filled() -> bool:
    # No transaction may be left open: whoever works behind the lock needs the database.
    read_only()
    try:
        return page_settings.get() is not None
    finally:
        db.session.rollback()
