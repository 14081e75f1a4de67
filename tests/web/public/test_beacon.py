"""The beacon: health checks of CDNs and DNS learn when to send readers to the mirror."""

from datetime import timedelta
from pathlib import Path

from statuspage.db import db
from tests.conftest import on_sqlite
from tests.helpers import site

pytestmark = on_sqlite


def test_beacon_is_up_and_shows_the_revision(client, committed, at):
    with committed():
        site.a_page(at)
    answer = client.get("/beacon.json")
    assert answer.status_code == 200
    assert answer.json == {"status": "fresh", "revision": 1, "verified_at": "2026-03-10T12:00:00Z"}
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_beacon_goes_down_after_five_minutes_without_database_and_returns(
    app, client, committed, at, traveller
):
    with committed():
        site.a_page(at)
    assert client.get("/beacon.json").status_code == 200
    with app.app_context():
        path = Path(db.engine.url.database)
        db.engine.dispose()
    path.rename(path.with_suffix(".away"))
    path.mkdir()
    traveller.shift(timedelta(minutes=4))
    assert client.get("/beacon.json").status_code == 200
    traveller.shift(timedelta(minutes=2))
    answer = client.get("/beacon.json")
    assert answer.status_code == 503
    assert answer.json["status"] == "stale"
    assert answer.json["verified_at"] == "2026-03-10T12:00:00Z"
    path.rmdir()
    path.with_suffix(".away").rename(path)
    assert client.get("/beacon.json").status_code == 200
