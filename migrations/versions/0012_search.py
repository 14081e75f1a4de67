"""full-text search in updates

Revision ID: 0012
Revises: 0011
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SQLITE = (
    "CREATE VIRTUAL TABLE incident_update_search USING fts5("
    "body, tokenize='unicode61 remove_diacritics 0')",
    "INSERT INTO incident_update_search(rowid, body) SELECT id, body FROM incident_update",
)
POSTGRESQL = (
    "CREATE INDEX incident_update_search ON incident_update USING gin ("
    "to_tsvector('simple', regexp_replace(left(body, 100000), '[^[:alnum:]]+', ' ', 'g')))",
)


def upgrade():
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in SQLITE if is_sqlite else POSTGRESQL:
        op.execute(statement)


def downgrade():
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute(f"DROP {'TABLE' if is_sqlite else 'INDEX'} incident_update_search")
