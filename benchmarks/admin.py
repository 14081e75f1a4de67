"""Two in the admin who never stop pressing reload, and two who never stop subscribing."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask

from benchmarks import load
from benchmarks.load import Sample
from statuspage import clock
from statuspage.db import db
from statuspage.domain.events import SYSTEM
from statuspage.domain.staff import members as staff
from statuspage.domain.staff.members import Role

CONNECTIONS = 2
"""Of each kind."""
LEAD_S = 0.5


def sign_in(app: Flask) -> str:
    """The cookie of an owner made for this; the running server shares the secret."""
    with app.app_context():
        member = staff.create(
            "bench@example.com",
            name="Bench",
            role=Role.OWNER,
            password=None,
            by=SYSTEM,
            at=clock.now(),
        )
        token = staff.create_sign_in_link(member, at=clock.now())
        db.session.commit()
    client = app.test_client()
    address = f"/admin/sign-in/{token}"
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(address).text)
    assert found is not None
    assert client.post(address, data={"csrf_token": found[1]}).status_code == 303
    name = app.config["SESSION_COOKIE_NAME"]
    cookie = client.get_cookie(name)
    assert cookie is not None
    return f"{name}={cookie.value}"


@contextmanager
def hammered(ours: str, cookie: str, seconds: float) -> Iterator[list[Sample]]:
    """Four connections on admin and form for all the time inside; the figures after it."""
    answered: list[Sample] = []
    length = seconds + 2 * LEAD_S

    def reload() -> None:
        answered.append(load.run(f"{ours}/admin/", {"Cookie": cookie}, length, CONNECTIONS))

    def subscribe() -> None:
        form = {"channel": "email", "address": "bench@example.com"}
        answered.append(load.send(f"{ours}/subscribe", form, length, CONNECTIONS))

    threads = [threading.Thread(target=work) for work in (reload, subscribe)]
    for thread in threads:
        thread.start()
    time.sleep(LEAD_S)
    yield answered
    for thread in threads:
        thread.join()
