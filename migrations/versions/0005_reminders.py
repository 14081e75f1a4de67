"""reminders of maintenance

Revision ID: 0005
Revises: 0004
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

moment = sa.DateTime(timezone=True)
incident = sa.table(
    "incident",
    sa.column("id", sa.Integer),
    sa.column("kind", sa.String),
    sa.column("status", sa.String),
    sa.column("details", sa.JSON),
    sa.column("scheduled_for", moment),
    sa.column("reminds", sa.Boolean),
    sa.column("remind_at", moment),
)


def upgrade():
    op.add_column(
        "incident", sa.Column("reminds", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("incident", sa.Column("remind_at", moment, nullable=True))
    op.add_column("incident", sa.Column("reminded_at", moment, nullable=True))
    op.create_index(op.f("ix_incident_remind_at"), "incident", ["remind_at"], unique=False)
    _take_over()


def _take_over():
    """What programs asked for while it was only kept; nothing that is less than an hour ahead."""
    connection = op.get_bind()
    planned = sa.select(incident.c.id, incident.c.details, incident.c.scheduled_for)
    planned = planned.where(incident.c.kind == "maintenance", incident.c.status == "scheduled")
    now = datetime.now(UTC)
    for row_id, details, start in connection.execute(planned).all():
        if not (details or {}).get("scheduled_remind_prior") or start is None:
            continue
        aware = start if start.tzinfo else start.replace(tzinfo=UTC)
        remind_at = aware - timedelta(hours=1)
        written = remind_at if start.tzinfo else remind_at.replace(tzinfo=None)
        due = written if remind_at > now else None
        connection.execute(
            sa.update(incident).where(incident.c.id == row_id).values(reminds=True, remind_at=due)
        )


def downgrade():
    op.drop_index(op.f("ix_incident_remind_at"), table_name="incident")
    with op.batch_alter_table("incident", schema=None) as batch_op:
        batch_op.drop_column("reminded_at")
        batch_op.drop_column("remind_at")
        batch_op.drop_column("reminds")
