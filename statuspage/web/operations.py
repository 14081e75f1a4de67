"""What the two APIs declare about their operations; `openapi` documents them from it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from statuspage.domain.tokens import Scope


class Body(BaseModel):
    """What a client sends. Unknown keys are ignored, as Statuspage does."""

    model_config = ConfigDict(extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, sent: Any) -> Any:
        """Null says nothing of a field that cannot be null: clients send it for what is unset.

        So does the empty text of a form, where the field is neither text nor list.
        """
        if not isinstance(sent, dict):
            return sent
        unset = {
            name
            for name, field in cls.model_fields.items()
            if not field.is_required() and field.get_default(call_default_factory=True) is not None
        }
        scalar = {name for name in unset if isinstance(cls.model_fields[name].default, bool | int)}
        return {
            name: value
            for name, value in sent.items()
            if not ((value is None and name in unset) or (value == "" and name in scalar))
        }

    def said(self) -> dict[str, Any]:
        """Only the fields that were sent, by name."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Nothing(Body):
    """An operation without a body."""


Serve = Callable[..., Any]


@dataclass(frozen=True)
class Operation:
    """One line of the API: `PATCH /pages/{page_id}/components/{component_id}`."""

    method: str
    path: str
    needs: Scope
    success: int
    body: type[Body]
    returns: Any
    """A `Shape`, a list of one, or None where nothing is sent back."""
    query: tuple[str, ...]
    serve: Serve = field(repr=False)
    reason: str | None = None
    """Why it is answered with 405 here; None where it is served."""

    @property
    def id(self) -> str:
        """`patchPagesPageIdComponentsComponentId`, as Statuspage names it."""
        words = re.findall(r"[a-z0-9]+", self.path)
        return self.method.lower() + "".join(word.capitalize() for word in words)

    @property
    def summary(self) -> str:
        """The first sentence of what the function says of itself."""
        return (self.serve.__doc__ or "").strip().partition("\n")[0]


OPERATIONS: list[Operation] = []


@dataclass(frozen=True)
class Reading:
    """One address of the public API."""

    path: str
    summary: str
    returns: Any

    @property
    def id(self) -> str:
        """`readSummary`, `readIncidentsUnresolved`."""
        words = self.path.removeprefix("/api/v2/").removesuffix(".json")
        for mark in "/-{}_":
            words = words.replace(mark, " ")
        return "read" + "".join(word.capitalize() for word in words.split())
