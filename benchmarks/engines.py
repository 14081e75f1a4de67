"""Where the group keeps its rows and its queue, for drills that several processes share.

Each is a context that gives the settings: SQLite in a folder, or a PostgreSQL and a Redis
of its own on loopback.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks import servers
from benchmarks.away import Cluster

Engine = Callable[[], AbstractContextManager[dict[str, str]]]

ALWAYS = {"STATUSPAGE_DEMO": "0", "STATUSPAGE_OUTGOING_ALLOW": "127.0.0.1"}


@contextmanager
def sqlite() -> Iterator[dict[str, str]]:
    with (
        tempfile.TemporaryDirectory(prefix="statuspage-drill-") as folder,
        known({**ALWAYS, "STATUSPAGE_DATA_DIR": folder}) as settings,
    ):
        yield settings


@contextmanager
def postgresql_and_redis() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="statuspage-drill-") as name:
        folder, port = Path(name), servers.free_port()
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
        redis = subprocess.Popen([*command, "--dir", name], stdout=subprocess.DEVNULL)
        cluster = Cluster(folder / "postgresql")
        try:
            cluster.create("statuspage")
            settings = {
                **ALWAYS,
                "STATUSPAGE_DATA_DIR": str(folder / "data"),
                "STATUSPAGE_DATABASE_URL": f"postgresql://postgres@127.0.0.1:{cluster.port}/statuspage",
                "STATUSPAGE_REDIS_URL": f"redis://127.0.0.1:{port}/0",
            }
            with known(settings):
                yield settings
        finally:
            cluster.stop()
            redis.terminate()
            redis.wait()


BOTH: tuple[tuple[str, Engine], ...] = (
    ("SQLite", sqlite),
    ("PostgreSQL and Redis", postgresql_and_redis),
)


@contextmanager
def known(settings: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """These settings hold in this process too, which prepares the rows and judges them."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield dict(settings)
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
