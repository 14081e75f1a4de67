"""What every answer of the Manage API is made of: models whose field order is the wire's.

Times have no fraction and carry the page zone's offset, `Z` for UTC; those of incident
updates have three decimals.
"""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from statuspage.page import api_v2

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Date = Annotated[str, Field(json_schema_extra={"format": "date"})]


class Shape(BaseModel):
    """An object of an answer: every key is always there, in this order."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


def seconds(moment: datetime, zone: ZoneInfo) -> str:
    """`2024-06-07T01:12:00Z`."""
    text = milliseconds(moment, zone)
    return text[: len("2024-06-07T01:12:00")] + text[len("2024-06-07T01:12:00.309") :]


def milliseconds(moment: datetime, zone: ZoneInfo) -> str:
    """`2024-06-07T01:12:00.309Z`, as the public API has it."""
    return api_v2.moment(moment, zone)


def seconds_or_none(moment: datetime | None, zone: ZoneInfo) -> str | None:
    return None if moment is None else seconds(moment, zone)
