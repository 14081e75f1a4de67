"""Metrics: figures over time that programs send and the public may read.

Owns the tables of providers, metrics and points, and every rule about them.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from statuspage.db import Model, PublicId


class MetricsProvider(Model):
    """Where figures come from. Ours never fetches: programs send, `type` is `Self`."""

    public_id: Mapped[PublicId]
    type: Mapped[str] = mapped_column(sa.String(32))
    metric_base_uri: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Metric(Model):
    public_id: Mapped[PublicId]
    provider_id: Mapped[int] = mapped_column(
        sa.ForeignKey("metrics_provider.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str]
    metric_identifier: Mapped[str | None]
    transform: Mapped[str | None]
    suffix: Mapped[str | None]
    tooltip_description: Mapped[str | None]
    y_axis_min: Mapped[float | None]
    y_axis_max: Mapped[float | None]
    y_axis_hidden: Mapped[bool] = mapped_column(default=False)
    display: Mapped[bool] = mapped_column(default=True)
    decimal_places: Mapped[int] = mapped_column(default=0)
    position: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    provider: Mapped[MetricsProvider] = relationship(lazy="joined")


class MetricPoint(Model):
    """One value at one second; a later value for the same second replaces it."""

    __table_args__ = (sa.UniqueConstraint("metric_id", "at"),)

    metric_id: Mapped[int] = mapped_column(sa.ForeignKey("metric.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    value: Mapped[float]
