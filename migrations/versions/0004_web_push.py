"""web push

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "push_key",
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.String(length=88), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_key")),
    )
    # Plain ADD COLUMN: a list of a hundred thousand is not rebuilt for it.
    op.add_column("subscriber", sa.Column("push_p256dh", sa.String(length=88), nullable=True))
    op.add_column("subscriber", sa.Column("push_auth", sa.String(length=24), nullable=True))


def downgrade():
    # Without its keys a browser can not be written to. SQLite cascades nothing here.
    browsers = "SELECT id FROM subscriber WHERE channel = 'web_push'"
    for table in ("delivery", "subscriber_component"):
        op.execute(f"DELETE FROM {table} WHERE subscriber_id IN ({browsers})")
    op.execute("DELETE FROM subscriber WHERE channel = 'web_push'")
    with op.batch_alter_table("subscriber", schema=None) as batch_op:
        batch_op.drop_column("push_auth")
        batch_op.drop_column("push_p256dh")
    op.drop_table("push_key")
