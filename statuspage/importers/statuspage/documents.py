"""Recordings of a Statuspage page: what its JSON says, as checked values.

Pure: no database, no network. One document becomes one `Recording`; `merged`
makes one of several. The keys are those of Statuspage's public API v2.

What of a document cannot be read is left out and noted, because nobody can mend a
live page's JSON: a value that has a default, else the object that holds it.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from statuspage import clock
from statuspage.db import PUBLIC_ID_ALPHABET, PUBLIC_ID_LENGTH
from statuspage.domain.statuses import ComponentStatus, Impact, IncidentKind, IncidentStatus
from statuspage.importers.statuspage.errors import RefusedError
from statuspage.lib.markdown import clean, printable

MAX_INTEGER = 2**31 - 1
MAX_TWEET_ID = 2**63 - 1
MAINTENANCE_WORDS = frozenset({"scheduled", "in_progress", "verifying", "completed"})


# ── checked values ─────────────────────────────────────────────────────────────


def _cleaned(value: object) -> object:
    """Without characters that cannot be stored; `\\r\\n` stays, as pages give it back."""
    if not isinstance(value, str):
        return value
    return "\r\n".join(clean(line) for line in value.split("\r\n"))


def _hours(value: object) -> object:
    """Reminder intervals are a text on the wire; a list says the same."""
    return json.dumps(value) if isinstance(value, list | int) else value


def _without_placeholder(value: object) -> object:
    """Until 2017 an update of no component named one: `No components were affected by …`."""
    if not isinstance(value, list):
        return value
    return [row for row in value if not (isinstance(row, dict) and row.keys() == _PLACEHOLDER_KEYS)]


_PLACEHOLDER_KEYS = {"name"}


def _printable(value: object) -> object:
    return printable(value) if isinstance(value, str) else value


def _named(value: str) -> str:
    if not value.strip():
        raise ValueError("is blank")
    return value


def _written(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("is not a time")  # noqa: TRY004  pydantic tells of ValueError only
    return value


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("has no time zone")
    if not 1970 < value.year < 2200:
        raise ValueError("is outside the years 1971 to 2199")
    return value.astimezone(UTC)


def _known_zone(value: str) -> str:
    if value not in clock.time_zones():
        raise ValueError("is not a known time zone")
    return value


def _day_in_reach(value: date | None) -> date | None:
    if value is not None and not 1970 < value.year < 2200:
        raise ValueError("is outside the years 1971 to 2199")
    return value


Id = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
Text = Annotated[str, BeforeValidator(_cleaned)]
Prose = Annotated[str, BeforeValidator(_printable)]
"""With the line ends that it came with: `/api/v2` gives them back."""
Link = Annotated[str, BeforeValidator(_cleaned), Field(pattern=r"^https?://\S{1,500}$")]
Name = Annotated[str, BeforeValidator(_cleaned), AfterValidator(_named), Field(max_length=1000)]
Moment = Annotated[datetime, BeforeValidator(_written), AfterValidator(_in_utc)]
Zone = Annotated[str, AfterValidator(_known_zone)]
Day = Annotated[date, BeforeValidator(_written), AfterValidator(_day_in_reach)]


class Part(BaseModel):
    """One object of a document; what we have no place for stays in `model_extra`."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Page(Part):
    id: Id | None = None
    name: Name
    url: Text | None = None
    time_zone: Zone = "Etc/UTC"
    updated_at: Moment

    @property
    def host(self) -> str | None:
        return host_of(self.url)


class Component(Part):
    """A component, or a group of components where `group` is set."""

    id: Id
    name: Name
    status: ComponentStatus
    created_at: Moment
    updated_at: Moment
    position: Annotated[int, Field(ge=0, le=MAX_INTEGER)] = 1
    description: Prose | None = None
    showcase: bool = True
    start_date: Day | None = None
    group_id: Id | None = None
    page_id: Id | None = None
    group: bool = False
    only_show_if_degraded: bool = False
    components: tuple[Id, ...] = ()


class Change(Part):
    """What an update says of a component, `code` being the component's id."""

    code: Id
    name: Name
    old_status: ComponentStatus
    new_status: ComponentStatus


class Update(Part):
    id: Id
    status: IncidentStatus
    body: Prose
    incident_id: Id | None = None
    created_at: Moment
    updated_at: Moment
    display_at: Moment
    affected_components: Annotated[
        tuple[Change, ...] | None, BeforeValidator(_without_placeholder)
    ] = None
    deliver_notifications: bool = True
    custom_tweet: Text | None = None
    tweet_id: Annotated[int, Field(ge=0, le=MAX_TWEET_ID)] | None = None

    @property
    def changes(self) -> tuple[Change, ...]:
        return self.affected_components or ()


class Incident(Part):
    """An incident or a scheduled maintenance, its updates newest first.

    `impact` is None and `is_full` false where it comes from a feed or the history,
    which tell less. `components` is None where no document lists them.
    """

    id: Id
    name: Name
    status: IncidentStatus
    created_at: Moment
    updated_at: Moment
    monitoring_at: Moment | None = None
    resolved_at: Moment | None = None
    impact: Impact | None
    shortlink: Link | None = None
    started_at: Moment | None = None
    page_id: Id | None = None
    incident_updates: tuple[Update, ...]
    components: tuple[Component, ...] | None = None
    reminder_intervals: Annotated[str | None, BeforeValidator(_hours)] = None
    scheduled_for: Moment | None = None
    scheduled_until: Moment | None = None
    feed_id: Annotated[str, Field(pattern=r"^tag:\S{1,200}$")] | None = None
    """The id of its entry in `history.atom`."""
    is_full: bool = Field(default=True, init=False)

    @property
    def kind(self) -> IncidentKind:
        planned = self.scheduled_for is not None or self.status.value in MAINTENANCE_WORDS
        return IncidentKind.MAINTENANCE if planned else IncidentKind.INCIDENT

    @property
    def began_at(self) -> datetime:
        """As stated; else when it was created."""
        return self.started_at or self.created_at

    @property
    def last_word_at(self) -> datetime:
        return max((update.display_at for update in self.incident_updates), default=self.created_at)


Kind = TypeVar("Kind", bound=Part)


# ── reading ────────────────────────────────────────────────────────────────────


@dataclass
class Reading:
    """One document as it is read, with notes of what had to be left out.

    If strict, nothing is left out: each method raises `RefusedError` instead.
    """

    name: str
    is_strict: bool = False
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def part(self, kind: type[Kind], value: Any, place: str) -> Kind | None:
        """What `value` describes, as far as it can be read; None when that is too little."""
        left_out: dict[Place, str] = {}
        part = None
        while part is None and () not in left_out:
            try:
                part = kind.model_validate(value)
            except ValidationError as invalid:
                problems = [
                    (problem["loc"], problem["type"] == "missing", problem["msg"])
                    for problem in invalid.errors(include_url=False, include_context=False)
                ]
                if self.is_strict:
                    where = ".".join([place, *map(str, problems[0][0])])
                    raise RefusedError(f"{self.name}: {where}: {problems[0][2]}.") from invalid
                value = _without(value, problems, left_out)
            except (ValueError, OverflowError, RecursionError):
                left_out[()] = "is beyond reach"
        for keys, reason in left_out.items():
            words = [kind.__name__.lower(), *(key for key in keys if not key.startswith("#"))]
            ids = [_id_of(value, place), *(key[1:] for key in keys if key.startswith("#"))]
            self.leave_out(f"{'.'.join(words)}: {reason}", "/".join(ids))
        return part

    def leave_out(self, reason: str, place: str) -> None:
        if self.is_strict:
            raise RefusedError(f"{self.name}: {place}: {reason}.")
        self.notes = added(self.notes, {f"{LEFT_OUT}: {reason}": (place,)})


Place = tuple[str, ...]
"""Keys that lead to a value; `#id` is the element with that id of a list."""


def _without(
    value: Any,
    problems: list[tuple[tuple[int | str, ...], bool, str]],
    left_out: dict[Place, str],
) -> Any:
    """A copy of `value` without what each problem names; `left_out` takes the reasons.

    A problem is a place, whether the value there is missing, and a reason. Where it is
    missing, what needs it goes; the empty place means all of it.
    """
    removed: dict[tuple[int | str, ...], str] = {}
    for keys, is_missing, reason in problems:
        if is_missing:
            reason = f"{keys[-1]}: {left_out.pop(_path(value, keys), reason)}"
            keys = keys[:-1]
        removed.setdefault(keys, reason)
    outermost = [
        keys for keys in removed if not any(keys[:length] in removed for length in range(len(keys)))
    ]
    left_out |= {_path(value, keys): removed[keys] for keys in outermost}
    for keys in sorted(filter(None, outermost), reverse=True):
        value = _without_place(value, keys)
    return value


def _without_place(value: Any, keys: tuple[int | str, ...]) -> Any:
    """A copy without what stands there; what stands beside the way is shared."""
    key, *rest = keys
    copy = value.copy()
    if rest:
        copy[key] = _without_place(value[key], tuple(rest))
    else:
        del copy[key]
    return copy


def _path(value: Any, keys: tuple[int | str, ...]) -> Place:
    names = []
    for key in keys:
        is_there = isinstance(value, list) or (isinstance(value, dict) and key in value)
        value = value[key] if is_there else None
        names.append(key if isinstance(key, str) else f"#{_id_of(value, str(key))}")
    return tuple(names)


def _id_of(value: Any, otherwise: str) -> str:
    public_id = (value.get("id") or value.get("code")) if isinstance(value, dict) else None
    return public_id if isinstance(public_id, str) else otherwise


LEFT_OUT = "cannot be read and is left out"


# ── a recording ────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Recording:
    """What one document, or several of one page, tell.

    `components` is None where no document lists them; `listed_at` is when the list
    was made. `open_ids` are the incidents a summary shows as not over, made at
    `summarised_at`; what is not among them was over then. `seen_open_at` tells when
    a summary last showed an incident as not over. `unreadable_ids` are components that
    are listed and could not be read. `notes` tells what has no place here: reason →
    where it stood.
    """

    page: Page | None = None
    page_id: str | None = None
    host: str | None = None
    components: tuple[Component, ...] | None = None
    older_components: tuple[Component, ...] = ()
    listed_at: datetime | None = None
    open_ids: frozenset[str] | None = None
    summarised_at: datetime | None = None
    seen_open_at: dict[str, datetime] = field(default_factory=dict)
    unreadable_ids: frozenset[str] = frozenset()
    incidents: tuple[Incident, ...] = ()
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)


def parse(document: Any, reading: Reading) -> Recording | None:
    """The recording that a JSON document holds; None when it is of no known kind.

    Raises `RefusedError` with one sentence that names the document and the place.
    """
    if not isinstance(document, dict) or not _KINDS & document.keys():
        return None
    page = None
    if isinstance(document.get("page"), dict):
        page = reading.part(Page, document["page"], "page")
        if page is None:
            raise RefusedError(f"{reading.name}: the page has no name or no time.")
    listed = _once(_many(Component, document, "components", reading), reading)
    incidents = _many(Incident, document, "incidents", reading)
    incidents += _many(Incident, document, "scheduled_maintenances", reading)
    if "incident" in document and page is not None:
        incident = reading.part(Incident, document["incident"], "incident")
        incidents += [incident] if incident else []
    has_list = page is not None and isinstance(document.get("components"), list)
    is_summary = has_list and isinstance(document.get("incidents"), list)
    ids = {page.id} if page else {incident.page_id for incident in incidents}
    open_ids = _ids(document, "incidents") | _ids(document, "scheduled_maintenances")
    return Recording(
        page=page,
        page_id=min((page_id for page_id in ids if page_id), default=None),
        host=page.host if page else None,
        components=tuple(listed) if has_list else None,
        listed_at=page.updated_at if page and has_list else None,
        open_ids=open_ids if is_summary else None,
        summarised_at=page.updated_at if page and is_summary else None,
        seen_open_at=dict.fromkeys(open_ids, page.updated_at) if page and is_summary else {},
        unreadable_ids=_ids(document, "components") - {component.id for component in listed},
        incidents=tuple(incidents),
        notes=added(reading.notes, _unplaced(page, listed, incidents)),
    )


_KINDS = {"page", "components", "incidents", "scheduled_maintenances"}


def merged(recordings: Iterable[Recording]) -> Recording:
    """All of them as one: of page and components the newest, of incidents everything.

    Raises `RefusedError` when they are of two pages.
    """
    result = Recording()
    incidents: dict[str, Incident] = {}
    older: dict[str, Component] = {}
    for recording in sorted(recordings, key=_made_at):
        _refuse_another_page(result, recording)
        for incident in recording.incidents:
            known = incidents.get(incident.id)
            incidents[incident.id] = merge_incident(known, incident) if known else incident
        older |= {component.id: component for component in recording.components or ()}
        is_list = recording.components is not None
        is_summary = recording.open_ids is not None
        result = Recording(
            page=recording.page
            if recording.page and (recording.page.id or not result.page)
            else result.page,
            page_id=recording.page_id or result.page_id,
            host=recording.host or result.host,
            components=recording.components if is_list else result.components,
            listed_at=recording.listed_at if is_list else result.listed_at,
            open_ids=recording.open_ids if is_summary else result.open_ids,
            summarised_at=recording.summarised_at if is_summary else result.summarised_at,
            seen_open_at=result.seen_open_at | recording.seen_open_at,
            unreadable_ids=recording.unreadable_ids if is_list else result.unreadable_ids,
            notes=added(result.notes, recording.notes),
        )
    for incident in incidents.values():
        for component in incident.components or ():
            if component.id not in older:
                older[component.id] = component
    present = {component.id for component in result.components or ()}
    return replace(
        result,
        incidents=tuple(sorted(incidents.values(), key=lambda item: (item.created_at, item.id))),
        older_components=tuple(
            component for component in older.values() if component.id not in present
        ),
    )


def merge_incident(older: Incident, newer: Incident) -> Incident:
    """Both accounts of one incident as one; where they differ the later one is believed.

    Updates are put together by id. One that a feed told is dropped when the JSON
    tells the same one under its real id. `newer` wins between equals.
    """
    first, second = sorted((older, newer), key=_standing)
    fields = second.model_dump(exclude_none=True, exclude={"incident_updates", "components"})
    updates = _merge_updates(older, newer)
    same = {name: getattr(first, name) for name in Incident.model_fields} | {
        name: getattr(second, name) for name in fields if name in Incident.model_fields
    }
    newest = max(first, second, key=lambda item: (item.last_word_at, item.is_full, item is second))
    same |= {
        "status": newest.status,
        "resolved_at": newest.resolved_at,
        "updated_at": max(first.updated_at, second.updated_at),
        "created_at": _full(first, second).created_at,
        "started_at": _full(first, second).started_at,
        "name": newest.name,
        "impact": second.impact or first.impact,
        "incident_updates": updates,
        "components": first.components if second.components is None else second.components,
        "is_full": first.is_full or second.is_full,
    }
    return Incident.model_construct(**same)


def derived_id(incident_id: str, status: IncidentStatus, at: datetime, number: int = 0) -> str:
    """An id for an update that came without one: the same for the same update.

    `number` counts updates of one status in the same minute, the oldest being 0.
    """
    words = f"{incident_id} {at.astimezone(UTC):%Y-%m-%dT%H:%M} {status.value} {number}"
    value = int.from_bytes(hashlib.sha256(words.encode()).digest(), "big")
    letters = []
    for _ in range(PUBLIC_ID_LENGTH):
        value, letter = divmod(value, len(PUBLIC_ID_ALPHABET))
        letters.append(PUBLIC_ID_ALPHABET[letter])
    return "".join(letters)


def is_derived(incident_id: str, update: Update) -> bool:
    return any(
        update.id == derived_id(incident_id, update.status, update.display_at, number)
        for number in range(_SAME_MINUTE)
    )


_SAME_MINUTE = 5


def host_of(url: str | None) -> str | None:
    """The host of an address in lower case; None when there is none."""
    try:
        return urlsplit(url or "").hostname
    except ValueError:
        return None


def added(
    notes: dict[str, tuple[str, ...]], more: dict[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """The notes of both, each place once."""
    both = dict(notes)
    for reason, places in more.items():
        both[reason] = tuple(dict.fromkeys((*both.get(reason, ()), *places)))
    return both


# ── helpers ────────────────────────────────────────────────────────────────────


def _many(kind: type[Kind], document: Any, key: str, reading: Reading) -> list[Kind]:
    rows = document.get(key, [])
    if not isinstance(rows, list):
        reading.leave_out(f"{key} is not a list", key)
        return []
    parts = [reading.part(kind, row, f"{key}.{number}") for number, row in enumerate(rows)]
    return [part for part in parts if part is not None]


def _ids(document: dict[str, Any], key: str) -> frozenset[str]:
    """The ids that a list names, readable or not."""
    rows = document.get(key)
    ids = [row.get("id") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return frozenset(row_id for row_id in ids if isinstance(row_id, str))


def _once(components: list[Component], reading: Reading) -> list[Component]:
    by_id: dict[str, Component] = {}
    for component in components:
        if component.id in by_id:
            reading.leave_out("components name an id twice", component.id)
        by_id.setdefault(component.id, component)
    return list(by_id.values())


def _refuse_another_page(merged: Recording, recording: Recording) -> None:
    pairs = [(merged.page_id, recording.page_id)]
    if not (merged.page_id and recording.page_id):
        pairs.append((merged.host, recording.host))
    for ours, theirs in pairs:
        if ours and theirs and ours != theirs:
            raise RefusedError(f"These files belong to two pages: {ours} and {theirs}.")


def _made_at(recording: Recording) -> datetime:
    if recording.page is not None:
        return recording.page.updated_at
    return max(
        (incident.updated_at for incident in recording.incidents),
        default=_LONG_AGO,
    )


_LONG_AGO = datetime(1971, 1, 1, tzinfo=UTC)


def _standing(incident: Incident) -> tuple[datetime, bool]:
    # Feeds tell times to the second: a full account of the same second is worth more.
    return (incident.updated_at.replace(microsecond=0), incident.is_full)


def _full(first: Incident, second: Incident) -> Incident:
    return second if second.is_full or not first.is_full else first


def _merge_updates(older: Incident, newer: Incident) -> tuple[Update, ...]:
    by_id: dict[str, Update] = {}
    for update in (*older.incident_updates, *newer.incident_updates):
        older_update = by_id.get(update.id)
        if older_update is None or (older_update.updated_at, older_update.display_at) <= (
            update.updated_at,
            update.display_at,
        ):
            by_id[update.id] = update
    derived = {update.id for update in by_id.values() if is_derived(newer.id, update)}
    recorded = {
        (_minute(update), update.status) for update in by_id.values() if update.id not in derived
    }
    # A feed tells every update there is: one older than what the JSON tells is one of those.
    newest = max((minute for minute, _ in recorded), default=None)
    remaining = [
        update
        for update in by_id.values()
        if update.id not in derived
        or newest is None
        or ((_minute(update), update.status) not in recorded and _minute(update) >= newest)
    ]
    return newest_first(remaining)


def newest_first(updates: Iterable[Update]) -> tuple[Update, ...]:
    """By `display_at`; what stood first stays first among equals."""
    return tuple(sorted(updates, key=lambda item: item.display_at, reverse=True))


def _minute(update: Update) -> datetime:
    return update.display_at.replace(second=0, microsecond=0)


def _unplaced(
    page: Page | None, components: list[Component], incidents: list[Incident]
) -> dict[str, tuple[str, ...]]:
    """Keys that we have no place for, and what of a group has none: reason → ids."""
    notes: dict[str, list[str]] = {}
    for place, one_id, part in _parts(page, components, incidents):
        for key, value in (part.model_extra or {}).items():
            if value not in (None, "", [], {}):
                notes.setdefault(f"{place} field {clean(key)!r} is not imported", []).append(one_id)
    for component in components:
        if component.group and (component.start_date or component.only_show_if_degraded):
            notes.setdefault("a group has no start date and is always shown", []).append(
                component.id
            )
    return {reason: tuple(ids) for reason, ids in notes.items()}


def _parts(
    page: Page | None, components: list[Component], incidents: list[Incident]
) -> Iterator[tuple[str, str, Part]]:
    if page is not None:
        yield "page", page.id or "-", page
    for component in components:
        yield "component", component.id, component
    for incident in incidents:
        yield "incident", incident.id, incident
        for update in incident.incident_updates:
            yield "update", update.id, update
