"""The wheel holds what an installation needs. `make wheel` builds it."""

import zipfile

import pytest

from statuspage.config import PROJECT


@pytest.fixture
def names():
    wheels = sorted((PROJECT / "build" / "wheel").glob("statuspage-*.whl"))
    if not wheels:
        pytest.skip("`make wheel` builds the wheel")
    with zipfile.ZipFile(wheels[-1]) as wheel:
        return set(wheel.namelist())


@pytest.mark.parametrize("folder", ["templates", "static", "migrations"])
def test_wheel_has_every_file_of_the_top_level_folders(names, folder):
    files = {
        f"statuspage/project/{path.relative_to(PROJECT)}"
        for path in (PROJECT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files
    assert files <= names


def test_the_wheel_holds_the_programs_of_export_targets(names):
    recipes = PROJECT / "statuspage" / "export" / "targets" / "recipes"
    assert {str(path.relative_to(PROJECT)) for path in recipes.iterdir()} <= names


def test_the_wheel_installs_the_command(names):
    assert any(name.endswith("entry_points.txt") for name in names)
