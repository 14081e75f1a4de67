"""The mirror beside a worker: its own threads, the real clock."""

import time

from statuspage.db import db
from statuspage.domain import page_settings
from statuspage.domain.components import verbs as components
from statuspage.domain.events import SYSTEM
from statuspage.export import runner
from statuspage.export.uploads import target_states
from tests.helpers.apps import create_app


def until(is_so, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_target_without_its_keys_does_not_stop_the_worker_or_the_other_targets(
    app, committed, at, mirror_to, brought, tmp_path
):
    with committed():
        page_settings.create("Example", by=SYSTEM, at=at)
    copy = tmp_path / "copy"
    targets = ("s3://only-a-user:@pages/status", "git:https://me:hidden@host/x", f"file:{copy}")
    assert brought(mirror_to(*targets)) == [True]
    assert (copy / "index.html").exists()
    assert [(one.name, one.error) for one in target_states(tmp_path / "work")] == [
        ("s3://pages/status", "S3 needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."),
        ("git:https://host/x", "A Git target is git:<remote>#<branch>."),
        (f"file:{copy}", None),
    ]


def test_a_change_is_in_the_mirror_of_a_worker_within_five_seconds(
    settings, committed, at, tmp_path
):
    with committed():
        page_settings.create("Example", by=SYSTEM, at=at)
    copy = tmp_path / "copy"
    app = create_app(settings.model_copy(update={"mirror": f"file:{copy}"}), watch=False)
    unused = settings.data_dir / "mirror" / "git-0123456789ab"
    unused.mkdir(parents=True)
    with runner.exporting(app):
        until((copy / "index.html").exists, seconds=30)
        assert not unused.exists()
        with committed():
            components.add_component("Checkout", by=SYSTEM, at=at)
        until(lambda: "Checkout" in (copy / "index.html").read_text(), seconds=5)
        until(lambda: "Checkout" in (copy / "api/v2/summary.json").read_text(), seconds=5)
    with app.app_context():
        db.engine.dispose()
