"""how often the worker of a delivery ended while it was sent

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column(
        "delivery", sa.Column("lost_leases", sa.SmallInteger, server_default="0", nullable=False)
    )


def downgrade():
    op.drop_column("delivery", "lost_leases")
