"""Sessions: begun with a key that only the browser has, over when idle or too long."""

import pytest
import sqlalchemy as sa

from statuspage.db import db
from statuspage.domain.events import SYSTEM
from statuspage.domain.staff import members as staff
from statuspage.domain.staff import sessions
from statuspage.domain.staff.members import Role
from statuspage.domain.staff.sessions import AdminSession
from tests.helpers.domain import AT, SECOND


@pytest.fixture
def anna(session):
    person = staff.create(
        "anna@example.com", name="Anna", role=Role.OWNER, password=None, by=SYSTEM, at=AT
    )
    db.session.flush()
    return person


def begun(person, browser="Firefox on Linux", at=AT):
    key = sessions.start(person.id, browser=browser, at=at)
    db.session.flush()
    return key


def test_session_key_is_not_stored_in_the_database(anna):
    key = begun(anna)
    assert sessions.with_key(key, at=AT).staff_id == anna.id
    assert key not in str(db.session.execute(sa.select(AdminSession.__table__)).all())
    for other in ("", key[:-1], "\ud800"):
        assert sessions.with_key(other, at=AT) is None


def test_session_ends_after_a_week_without_requests(anna):
    key = begun(anna)
    assert sessions.with_key(key, at=AT + sessions.IDLE - SECOND)
    assert sessions.with_key(key, at=AT + sessions.IDLE) is None
    assert sessions.of(anna.id, at=AT + sessions.IDLE) == []


def test_session_ends_after_thirty_days_even_if_busy(anna):
    key = begun(anna)
    end = AT + sessions.LONGEST
    sessions.touch(sessions.with_key(key, at=AT).id, at=end - SECOND)
    db.session.expire_all()
    assert sessions.with_key(key, at=end - SECOND)
    assert sessions.with_key(key, at=end) is None


def test_expired_sessions_are_deleted_when_a_new_one_begins(anna):
    begun(anna)
    begun(anna, at=AT + sessions.IDLE)
    assert db.session.scalar(sa.select(sa.func.count()).select_from(AdminSession)) == 1


def test_renewed_session_continues_under_a_new_key(anna):
    key = begun(anna)
    found = sessions.with_key(key, at=AT)
    fresh = sessions.renew(found)
    db.session.flush()
    assert sessions.with_key(key, at=AT) is None
    assert sessions.with_key(fresh, at=AT) is found


def test_new_password_ends_all_other_sessions(anna):
    here, there = begun(anna), begun(anna, "Safari on iPhone")
    kept = sessions.with_key(here, at=AT)
    staff.set_password(anna, "correct horse battery", by=SYSTEM, at=AT, keep=kept)
    assert sessions.of(anna.id, at=AT) == [kept]
    assert sessions.with_key(there, at=AT) is None
    staff.end_sessions(anna, by=SYSTEM, at=AT)
    assert sessions.of(anna.id, at=AT) == []
