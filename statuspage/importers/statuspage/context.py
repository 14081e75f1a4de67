"""One import under way: the rows by public id, and what was found so far."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from statuspage.db import Model, db
from statuspage.domain.components import verbs as parts
from statuspage.importers.statuspage import documents, existing
from statuspage.importers.statuspage.documents import Recording, added
from statuspage.importers.statuspage.existing import Earlier

CHANGED_HERE = "changed here since the import; not overwritten"


@dataclass
class Report:
    """Rows by kind: how many there are in the recording, and how many were written.

    `notes` tells what could not be placed: reason → ids.
    """

    page: str
    address: str | None = None
    read: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def note(self, reason: str, place: str) -> None:
        self.notes = added(self.notes, {reason: (place,)})


class ImportContext:
    """What `write` and its parts share; `add` and `set` count what they write."""

    def __init__(
        self, recording: Recording, earlier: Earlier | None, at: datetime, *, is_strict: bool
    ) -> None:
        self.wanted = recording
        self.is_strict = is_strict
        self.is_first = earlier is None
        self.earlier = earlier or Earlier()
        self.at = at
        self.rows = {row.public_id: row for row in parts.listed(archived=True)}
        self.groups = {row.public_id: row for row in parts.groups()}
        self.incident_rows = existing.incidents()
        self.ended_before = {key: row.resolved_at for key, row in self.incident_rows.items()}
        self.claim_rows = existing.claims()
        self.told: dict[str, documents.Incident] = {}
        self.report = Report(page="", address=recording.page.url if recording.page else None)
        self.is_newest_list = recording.components is not None and is_as_new(
            recording.listed_at, self.earlier.listed_at
        )
        self.is_current = is_as_new(recording.summarised_at, self.earlier.summarised_at)
        self.is_newest_summary = recording.open_ids is not None and self.is_current

    @property
    def listed_at(self) -> datetime | None:
        """When components were last listed, in this import or before."""
        return later(self.wanted.listed_at, self.earlier.listed_at)

    @property
    def summarised_at(self) -> datetime | None:
        """When open incidents were last listed, in this import or before."""
        return later(self.wanted.summarised_at, self.earlier.summarised_at)

    def add(self, row: Model, kind: str) -> None:
        db.session.add(row)
        self.report.written[str(kind)] += 1

    def set(self, row: Model, noun: str | None, **values: object) -> None:
        """Write what differs; an existing row that changes counts as written."""
        is_new = row.id is None
        changed = {name: value for name, value in values.items() if getattr(row, name) != value}
        for name, value in changed.items():
            setattr(row, name, value)
        if changed and not is_new and noun is not None:
            self.report.written[str(noun)] += 1


def is_as_new(moment: datetime | None, older: datetime | None) -> bool:
    return older is None or (moment is not None and moment >= older)


def later(first: datetime | None, other: datetime | None) -> datetime | None:
    """The later of two moments, as far as they are known."""
    return max((moment for moment in (first, other) if moment), default=None)
