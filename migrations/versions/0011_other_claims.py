"""the worst claim of another incident when an update was posted

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade():
    with op.batch_alter_table("update_change", schema=None) as batch_op:
        batch_op.add_column(sa.Column("other_status", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("other_incident_id", sa.Integer(), nullable=True))
        batch_op.create_foreign_key(
            batch_op.f("fk_update_change_other_incident_id_incident"),
            "incident",
            ["other_incident_id"],
            ["id"],
            ondelete="SET NULL",
        )


def downgrade():
    with op.batch_alter_table("update_change", schema=None) as batch_op:
        batch_op.drop_constraint(
            batch_op.f("fk_update_change_other_incident_id_incident"), type_="foreignkey"
        )
        batch_op.drop_column("other_incident_id")
        batch_op.drop_column("other_status")
