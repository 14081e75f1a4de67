"""when a delivery failed last

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("delivery", sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True))


def downgrade():
    op.drop_column("delivery", "failed_at")
