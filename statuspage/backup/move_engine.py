"""The move from one database to another: SQLite to PostgreSQL, or back.

Rows are copied as they are, so ids, addresses and entries of feeds stay the same. Both
databases are then read again, and the public site is made from both and compared.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from flask import Flask

from statuspage import clock, config
from statuspage.backup import rows
from statuspage.backup.second_app import application_on
from statuspage.db import db, migrate, read_only
from statuspage.domain import page_settings
from statuspage.export.sitemap import Sitemap
from statuspage.page.snapshot import build as snapshot

NEWEST_INCIDENTS = 50
"""So many are read from both databases, beside all else that is public."""


class RefusedError(Exception):
    """Nothing was moved; a sentence for the operator."""


@dataclass(frozen=True)
class Moved:
    """What was copied and compared."""

    tables: int
    rows: int
    addresses: int


def move(app: Flask, url: str, *, at: datetime, tell: Callable[[str], None]) -> Moved:
    """Copy all of the database of `app` to the empty database `url`; progress goes to `tell`.

    The source is only read. Raises `RefusedError` before anything is done, and
    `rows.DifferentError` when something changed meanwhile or is not the same there.
    """
    target_url = _checked(app, url)
    with application_on(app, target_url) as other:
        _prepare(other)
        with app.app_context():
            source_engine = db.engine
        with other.app_context():
            target_engine = db.engine
        with rows.snapshot(source_engine) as source:
            before = rows.contents(source)
            _copy(source, target_engine, before, tell)
        addresses = _compare_pages(app, other, at, tell)
        with rows.snapshot(source_engine) as source:
            if rows.contents(source) != before:
                raise rows.DifferentError(
                    "The data changed during the move. Stop the status page, empty the new"
                    " database and move again."
                )
    return Moved(len(before), sum(content.rows for content in before.values()), addresses)


def _checked(app: Flask, url: str) -> str:
    settings: config.Settings = app.config["SETTINGS"]
    try:
        target = config.read_database_url(url)
    except ValueError as error:
        raise RefusedError(f"The new database {error}.") from error
    if target == settings.database_url:
        raise RefusedError("This is the database that the page already uses.")
    with app.app_context():
        if migrate.revision() != migrate.head_revision():
            raise RefusedError(
                "The current database is not up to date: start this release on it once,"
                " or run flask db upgrade."
            )
    return target


def _prepare(other: Flask) -> None:
    """Give the target the schema. Raises `RefusedError` when it holds something."""
    try:
        with other.app_context():
            with rows.snapshot(db.engine) as connection:
                if not rows.is_empty(connection):
                    raise RefusedError("The new database is not empty; it was not changed.")
            db.engine.dispose()
        migrate.bring_up_to_date(other)
    except sa.exc.OperationalError as error:
        reason = str(error.orig).splitlines()[0]
        raise RefusedError(f"The new database cannot be used: {reason}") from error


def _copy(
    source: sa.Connection,
    target_engine: sa.Engine,
    before: dict[str, rows.Content],
    tell: Callable[[str], None],
) -> None:
    """All or nothing: a copy that was broken off leaves the target empty."""
    with target_engine.connect() as target:
        if target.dialect.name == "sqlite":
            # Tables that point to each other are filled one after the other.
            raw = target.connection.dbapi_connection
            assert raw is not None
            raw.cursor().execute("PRAGMA foreign_keys=OFF")
        rows.copy(source, target, lambda name, number: tell(f"copied    {name}: {number:,}"))
        after = rows.contents(
            target,
            lambda name, content: (
                tell(f"the same  {name}")
                if content == before.get(name)
                else tell(f"DIFFERENT {name}")
            ),
        )
        rows.compare(before, after)
        target.commit()
        if target.dialect.name == "sqlite":
            broken = target.exec_driver_sql("PRAGMA foreign_key_check").all()
            if broken:
                raise rows.DifferentError(f"{broken[0][0]} has rows with broken references.")


def _compare_pages(app: Flask, other: Flask, at: datetime, tell: Callable[[str], None]) -> int:
    """Read both sites at the same moment; raises `rows.DifferentError` for the first difference."""
    addresses = _addresses(app, at)
    # Not `app` itself: nothing of this may be kept as the last good copy of readers.
    with application_on(app, app.config["SETTINGS"].database_url) as same, clock.stopped(at):
        mine, its = same.test_client(), other.test_client()
        for address in addresses:
            one, two = (client.get(address, buffered=True) for client in (mine, its))
            if one.status_code >= 500 or (one.status_code, one.data) != (two.status_code, two.data):
                raise rows.DifferentError(f"{address} differs when served from the new database.")
    tell(f"the same  {len(addresses)} public addresses")
    return len(addresses)


def _addresses(app: Flask, at: datetime) -> list[str]:
    with app.app_context():
        read_only()
        if page_settings.get() is None:
            return []
        site = snapshot.listing(at=at)
    sitemap = Sitemap.of(app)
    addresses = [*sitemap.after_changes(), *sitemap.after_releases()]
    for component in site.components:
        addresses += sitemap.of_component(component)
    for incident in site.incidents[:NEWEST_INCIDENTS]:
        addresses += sitemap.of_incident(incident)
    for number in range(2, site.history_pages + 1):
        addresses += sitemap.numbered(number)
    # Its forms carry the key of web push, which the first reader of one makes.
    return [address for address in addresses if not address.endswith("/subscribe")]
