"""Submissions: a form sent twice does its work once."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy.exc import IntegrityError

from statuspage.db import db
from statuspage.domain import idempotency
from tests.helpers.domain import AT


def test_resubmitted_form_gets_the_first_response(session):
    assert idempotency.location_of("a1") is None
    idempotency.remember("a1", "/admin/incidents/1", at=AT)
    assert idempotency.location_of("a1") == "/admin/incidents/1"
    assert idempotency.location_of("a2") is None


def test_stored_responses_expire_after_two_days(session):
    idempotency.remember("a1", "/1", at=AT)
    idempotency.remember("a2", "/2", at=AT + timedelta(days=2))
    assert idempotency.location_of("a1") == "/1"
    idempotency.remember("a3", "/3", at=AT + timedelta(days=2, seconds=1))
    assert idempotency.location_of("a1") is None
    assert idempotency.location_of("a2") == "/2"


def test_concurrent_submissions_run_once(app):
    barrier, answers = Barrier(2), []

    def send():
        with app.app_context():
            barrier.wait()
            try:
                idempotency.remember("a1", "/1", at=AT)
                db.session.commit()
                answers.append("done")
            except IntegrityError:
                db.session.rollback()
                answers.append("twin")

    threads = [Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["done", "twin"]


def test_duplicate_submission_is_found_before_anything_is_stored(session):
    idempotency.remember("a1", "/1", at=AT)
    with pytest.raises(IntegrityError):
        idempotency.remember("a1", "/2", at=AT)
