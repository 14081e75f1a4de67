"""Real browsers on the real application, on SQLite, both at the pinned moment."""

import shutil

import pytest

from tests.helpers import site


@pytest.fixture(scope="session")
def base_url() -> None:
    """No common address: each test has a server of its own."""


@pytest.fixture
def database_url(request, tmp_path) -> str:
    """What a browser sees does not depend on the engine."""
    path = tmp_path / "statuspage.db"
    shutil.copyfile(request.getfixturevalue("_sqlite_template"), path)
    return f"sqlite:///{path}"


@pytest.fixture
def northwind(committed, at) -> site.World:
    """A status page with an incident in progress, a past one and a maintenance ahead."""
    return site.northwind(committed, at)


@pytest.fixture
def open_page(new_context, at):
    """`open_page(width=…, dark=…, script=…)`: a new browser window with these habits.

    Its `Date` stands at the pinned moment; its timers run.
    """

    def opened(*, width=1280, height=900, dark=False, script=True, **more):
        context = new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            **more,
        )
        context.clock.set_fixed_time(at)
        return context.new_page()

    return opened
