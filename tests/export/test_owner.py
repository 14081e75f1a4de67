"""A mirror belongs to one page: no other one writes there by chance."""

import shutil
import subprocess

import pytest

from statuspage.domain import page_settings
from statuspage.domain.events import SYSTEM
from statuspage.export.staging import StagingFolder
from statuspage.export.uploads import target_states
from tests.export.conftest import a_mirror, bring
from tests.export.test_targets import SMALL, files_in, target_at, write
from tests.helpers.s3_server import bucket

ORIGIN = b'{"origin": "https://status.example.com"}'


@pytest.fixture
def begun(committed, at) -> None:
    with committed():
        page_settings.create("Example", by=SYSTEM, at=at)


def flask(app, *words):
    return app.test_cli_runner().invoke(args=[str(word) for word in words])


def test_another_installation_does_not_overwrite_the_export(
    begun, app, another, mirror_to, tmp_path, caplog
):
    folder = tmp_path / "mirror"
    assert bring(mirror_to(f"file:{folder}")) == [True]
    before = files_in(folder)
    drill = another(base_url="http://127.0.0.1:8001")
    assert bring(a_mirror(drill, tmp_path / "drill", f"file:{folder}")) == [False]
    refused = flask(drill, "mirror", folder)
    assert refused.exit_code == 1
    assert files_in(folder) == before
    (state,) = target_states(tmp_path / "drill")
    for said in (refused.output, caplog.text, state.error):
        assert "this page is http://127.0.0.1:8001. Nothing was written." in said
        assert "flask mirror --take-over" in said


def test_restored_copy_leaves_the_export_alone_until_taken_over(
    begun, app, another, mirror_to, tmp_path, traveller
):
    target = f"file:{tmp_path}/mirror"
    original = mirror_to(target)
    assert bring(original) == [True]
    before = files_in(tmp_path / "mirror")
    assert flask(app, "backup", tmp_path / "b").exit_code == 0
    copy = another(
        data_dir=tmp_path / "copy", database_url=f"sqlite:///{tmp_path}/copy.db", mirror=target
    )
    restored = flask(copy, "restore", tmp_path / "b")
    assert "flask mirror --take-over" in restored.output
    worker = a_mirror(copy, tmp_path / "copy" / "mirror", target)
    assert bring(worker) == [False]
    assert files_in(tmp_path / "mirror") == before
    taken = flask(copy, "mirror", "--take-over")
    assert taken.exit_code == 0, taken.output
    assert bring(worker) == [True]
    traveller.shift(original.uploaders[0].target.every)
    assert original.uploaders[0].deliver() is False


@pytest.fixture
def stage(tmp_path) -> StagingFolder:
    made = StagingFolder(tmp_path / "stage")
    write(made, {**SMALL, "copy.json": (ORIGIN, "application/json")})
    return made


def test_every_target_names_its_owner(stage, tmp_path):
    """And a bucket that another wrote to meanwhile is made equal again."""
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "pages.git"], check=True)
    places = [f"git:{tmp_path}/pages.git#pages", f"file:{tmp_path}/there"]
    if shutil.which("rsync"):
        places.append(f"rsync:{tmp_path}/elsewhere")
    with bucket() as (held, endpoint):
        places.append(f"s3://pages?endpoint={endpoint}")
        for place in places:
            first, second = (target_at(place, tmp_path / one) for one in ("a", "b"))
            assert first.read("copy.json") is None
            first.publish(stage)
            assert second.read("copy.json") == ORIGIN
            assert second.read("not-there.json") is None
        front = {"index.html": SMALL["index.html"], "copy.json": (ORIGIN, "application/json")}
        write(stage, dict.fromkeys(front, (b"{}", "text/plain")))
        second.publish(stage)
        write(stage, front)
        assert first.read("copy.json") == b"{}"
        first.publish(stage)
        assert held.objects["/pages/index.html"] == SMALL["index.html"]
