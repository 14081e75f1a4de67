"""Who may sign in to the desk, and how well that is guarded."""

from collections.abc import Iterator
from datetime import datetime

from flask import Flask

from statuspage.checking.findings import Finding, ok, warn
from statuspage.db import reading


def owners(app: Flask, _at: datetime) -> Iterator[Finding]:
    """Whether a stolen password of an owner would be enough to take the page over."""
    from statuspage.domain import second_factor, staff
    from statuspage.domain.staff import Role

    with app.app_context():
        reading()
        found = [one for one in staff.listed() if one.role is Role.OWNER and one.is_active]
        guarded = second_factor.who_has_one()
        without = [one.name for one in found if one.id not in guarded]
    if not found:
        yield warn(
            "owners",
            "there is none, so nobody can let others in. Make one: flask staff create EMAIL --role"
            " owner",
        )
    elif without:
        yield warn(
            "owners",
            f"without a second factor: {', '.join(without)}. A stolen password would be enough to"
            " take the page over. It is set up at the desk, under Your account.",
        )
    else:
        yield ok("owners", f"all {len(found)} have a second factor")
