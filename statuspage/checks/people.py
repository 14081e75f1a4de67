"""Who may sign in to the desk, and how well that is guarded."""

from collections.abc import Iterator
from datetime import datetime

from flask import Flask

from statuspage.checks.findings import Finding, ok, problem, warn
from statuspage.db import read_only
from statuspage.domain.staff import breached_passwords, second_factor
from statuspage.domain.staff import members as staff
from statuspage.domain.staff.members import Role


def owners(app: Flask, _at: datetime) -> Iterator[Finding]:
    """Whether a stolen password of an owner would be enough to take the page over."""
    with app.app_context():
        read_only()
        owners_found = [
            person for person in staff.listed() if person.role is Role.OWNER and person.is_active
        ]
        guarded = second_factor.who_has_one()
        without = [owner.name for owner in owners_found if owner.id not in guarded]
    if not owners_found:
        yield warn(
            "owners",
            "there is none, so no one can manage the team. Create one: flask staff create EMAIL"
            " --role owner",
        )
    elif without:
        yield warn(
            "owners",
            f"without a second factor: {', '.join(without)}. A stolen password would be enough to"
            " take over the page. They can set it up in the admin, under Your account.",
        )
    else:
        yield ok("owners", f"all {len(owners_found)} have a second factor")


def passwords(app: Flask, _at: datetime) -> Iterator[Finding]:
    """Whether the list of breached passwords can be used, where one is named."""
    file = app.config["SETTINGS"].breached_passwords
    if file is None:
        yield ok("passwords", "common ones are rejected; no list of breached ones is set")
    elif flaw := breached_passwords.flaw(file):
        yield problem(
            "passwords",
            f"{file} {flaw}. Until this is fixed, no one can choose a password. Replace the list,"
            " sorted by hash, or unset STATUSPAGE_BREACHED_PASSWORDS.",
        )
    else:
        yield ok("passwords", f"those in {file} are rejected")
