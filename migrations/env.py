"""How Alembic reaches the database of the running application."""

from importlib import import_module
from pkgutil import walk_packages

from alembic import context
from flask import current_app

from statuspage import domain
from statuspage.db import db, without_limit
from statuspage.notify import deliveries  # noqa: F401

# Tables are known once their modules are loaded.
for module in walk_packages(domain.__path__, "statuspage.domain."):
    import_module(module.name)


def run() -> None:
    with db.engine.connect() as connection:
        without_limit(connection)
        if connection.dialect.name == "sqlite":
            # A batch migration rebuilds the table and drops the old one; with
            # foreign keys on, that deletes the rows that point to it. SQLite
            # heeds the switch only outside a transaction, hence the raw connection.
            connection.connection.dbapi_connection.execute("PRAGMA foreign_keys=OFF")
        try:
            _migrate(connection)
        finally:
            connection.rollback()
            if connection.dialect.name == "sqlite":
                connection.connection.dbapi_connection.execute("PRAGMA foreign_keys=ON")


def _migrate(connection) -> None:
    options = dict(current_app.extensions["migrate"].configure_args)
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        # SQLite can roll DDL back; Alembic only does not expect it to.
        transactional_ddl=True,
        **options,
    )
    with context.begin_transaction():
        context.run_migrations()
        if connection.dialect.name == "sqlite":
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
            if broken:
                raise RuntimeError(f"The migration leaves rows that point nowhere: {broken[:5]}")


run()
