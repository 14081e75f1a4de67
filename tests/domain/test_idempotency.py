"""Submissions: a form sent twice does its work once."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy.exc import IntegrityError

from statuspage.db import db
from statuspage.domain import idempotency
from tests.helpers.domain import AT


def test_the_second_sending_is_led_to_the_answer_of_the_first(session):
    assert idempotency.location_of("a1") is None
    idempotency.remember("a1", "/admin/incidents/1", at=AT)
    assert idempotency.location_of("a1") == "/admin/incidents/1"
    assert idempotency.location_of("a2") is None


def test_answers_are_forgotten_after_two_days(session):
    idempotency.remember("a1", "/1", at=AT)
    idempotency.remember("a2", "/2", at=AT + timedelta(days=2))
    assert idempotency.location_of("a1") == "/1"
    idempotency.remember("a3", "/3", at=AT + timedelta(days=2, seconds=1))
    assert idempotency.location_of("a1") is None
    assert idempotency.location_of("a2") == "/2"


def test_of_two_sent_at_once_one_is_done(app):
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


def test_a_twin_is_seen_before_anything_is_kept(session):
    idempotency.remember("a1", "/1", at=AT)
    with pytest.raises(IntegrityError):
        idempotency.remember("a1", "/2", at=AT)
