"""Renders what changed into the staging folders, current pages first.

One build at a time; an interrupted one is continued. A response that cannot be rendered
keeps its last good file; if the front page cannot be rendered, nothing changes.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import TypeAlias

import structlog

from statuspage import clock
from statuspage.export import portable, published
from statuspage.export.addresses import Plan, Round, file_of, plan
from statuspage.export.changes import Changes, program
from statuspage.export.render import Fetch, Response
from statuspage.export.sitemap import FRONT, MISSING
from statuspage.export.staging import AGE, BEACON, Draft, StagingFolder

log = structlog.get_logger(__name__)

WRITE_EVERY = 500
"""Responses held in memory before they are written."""
STALE_AFTER_S = int(portable.OLD_AFTER.total_seconds())


class ExportError(Exception):
    """Nothing can be exported now; the text says why."""


ReadChanges: TypeAlias = Callable[[int, frozenset[int], datetime], Changes]
"""See `changes.changes_since`."""


@dataclass
class StagingFolders:
    """`portable` works anywhere; `published` is for nginx on the origin's own addresses."""

    portable: StagingFolder | None = None
    published: StagingFolder | None = None

    @classmethod
    def within(cls, folder: Path, kinds: Collection[bool]) -> "StagingFolders":
        """In `folder`, for targets of these kinds; True stands for published files."""
        return cls(
            StagingFolder(folder / "portable") if False in kinds else None,
            StagingFolder(folder / "published", published.time_of) if True in kinds else None,
        )

    def __iter__(self) -> Iterator[StagingFolder]:
        return iter([stage for stage in (self.portable, self.published) if stage is not None])


@dataclass
class Builder:
    """Fills the staging folders from `fetch`; `read_changes(event, seen, at)` says what changed."""

    fetch: Fetch
    read_changes: ReadChanges
    stages: StagingFolders
    later: list[str] = field(default_factory=list)
    """Addresses that are still to be rendered, in order."""
    _plan: Plan | None = None
    _changes: Changes | None = None
    _known: set[str] = field(default_factory=set)
    """Addresses whose response is staged, or that have no file."""
    _newest: int = 0
    """The newest event whose changes are staged or in `later`."""
    _seen: frozenset[int] = frozenset()
    _rounds: dict[Round, datetime] = field(default_factory=dict)
    """When each was rendered last."""

    def begin(self, at: datetime) -> None:
        """Render the current pages, and plan what else changed since the last time.

        Raises `ExportError` if the front page cannot be rendered, and what the database raises.
        """
        manifests = [stage.manifest for stage in self.stages]
        # A new process continues from the event that its files were made of.
        is_first = self._newest == 0
        since = self._newest or min(manifest.event for manifest in manifests)
        changes = self.read_changes(since, self._seen, at)
        if is_first:
            self._known = set.intersection(*(set(stage.addresses) for stage in self.stages))
        is_new = is_first and any(manifest.program != program() for manifest in manifests)
        is_new = is_new or any(manifest.origin != changes.origin for manifest in manifests)
        rounds = [each for each in Round if clock.is_due(self._rounds.get(each), each.value, at)]
        new_plan = plan(changes, self._known, is_new_program=is_new, rounds=rounds)
        urgent = set(new_plan.now)
        waiting = [
            address for address in self.later if address in new_plan.all and address not in urgent
        ]
        self._plan, self._changes = new_plan, changes
        responses = self._fetched(new_plan.now)
        if FRONT not in responses or responses[FRONT].status != 200:
            raise ExportError("The front page cannot be rendered.")
        self.later = list(dict.fromkeys([*waiting, *new_plan.later]))
        if not self._is_whole:
            # Published at once, and again at the end with links to everything.
            self.later += new_plan.now
        self._newest, self._seen = changes.newest_event, changes.seen
        self._rounds |= dict.fromkeys(rounds, at)
        self._write(responses, at, is_all_there=self._is_whole)

    @property
    def _is_whole(self) -> bool:
        return all(stage.manifest.is_whole for stage in self.stages)

    def go_on(self, at: datetime, *, until: Callable[[], bool] = lambda: False) -> None:
        """Render what is in `later`, until `until` says that something is more urgent."""
        while self.later and not until():
            responses = self._fetched(self.later[:WRITE_EVERY], until=until)
            del self.later[: len(responses)]
            self._write(responses, at)

    def _fetched(
        self, addresses: Sequence[str], *, until: Callable[[], bool] = lambda: False
    ) -> dict[str, Response]:
        in_time = takewhile(lambda _: not until(), addresses)
        return {address: self.fetch(address) for address in in_time}

    def _write(
        self, responses: Mapping[str, Response], at: datetime, *, is_all_there: bool = True
    ) -> None:
        """`is_all_there`: every page that these link to will be published with them."""
        assert self._changes is not None
        assert self._plan is not None
        for address, response in responses.items():
            if response.status >= 500:
                log.error("export.page_failed", address=address, status=response.status)
        good = {address: each for address, each in responses.items() if each.status < 500}
        self._known |= good.keys()
        if stage := self.stages.portable:
            expected = self._plan.all if is_all_there else frozenset[str]()
            files = _files(self._plan, stage, good, expected)
            self._stage(stage, _portable_files(stage, good, files, self._changes, at), good, at)
        if stage := self.stages.published:
            self._stage(stage, _published_files(good, self._changes, at), good, at)

    def _stage(
        self,
        stage: StagingFolder,
        drafts: list[Draft],
        responses: Mapping[str, Response],
        at: datetime,
    ) -> None:
        assert self._changes is not None
        assert self._plan is not None
        changes, written = self._changes, {draft.path for draft in drafts}
        removed = [
            path
            for path, file in stage.manifest.files.items()
            if path not in written
            and file.address is not None
            and (file.address in responses or file.address not in self._plan.all)
        ]
        # Only a complete folder may continue from the newest event.
        is_complete = not self.later
        stage.write(
            drafts,
            gone=removed,
            origin=changes.origin,
            revision=changes.revision,
            event=changes.newest_event if is_complete else stage.manifest.event,
            program=program() if is_complete else stage.manifest.program,
            made_at=at,
        )


def _portable_files(
    stage: StagingFolder,
    responses: Mapping[str, Response],
    files: Mapping[str, str],
    changes: Changes,
    at: datetime,
) -> list[Draft]:
    drafts = []
    for address, response in responses.items():
        if not _is_file(address, response):
            continue
        path = file_of(address, response.content_type)
        if address == MISSING:
            body = portable.page(response, portable.Place("", changes.origin, {}))
        else:
            body = portable.body_of(response, portable.Place(path, changes.origin, files))
        mark = hashlib.sha256(body).hexdigest()
        before = stage.manifest.files.get(path)
        if before is not None and before.mark == mark and address != FRONT:
            same = stage.read(path)
            if same is not None:
                drafts.append(Draft(path, same, before.content_type, address, mark))
                continue
        body = body.replace(portable.STAMP, portable.stamp(at).encode())
        drafts.append(Draft(path, body, response.content_type, address, mark))
    drafts.append(Draft(".nojekyll", b"", "text/plain"))
    return [*drafts, *_age_files(changes, at)]


def _published_files(
    responses: Mapping[str, Response], changes: Changes, at: datetime
) -> list[Draft]:
    drafts: list[Draft] = []
    for address, response in responses.items():
        if not published.is_file(address, response):
            continue
        path = file_of(address, response.content_type)
        drafts += _with_packed(
            Draft(path, published.body_of(response), response.content_type, address)
        )
    for draft in _age_files(changes, at):
        drafts += _with_packed(draft)
    return drafts


def _with_packed(draft: Draft) -> list[Draft]:
    forms = published.packed(draft.body, draft.content_type)
    return [
        draft,
        *(
            Draft(draft.path + ending, form, "application/octet-stream", draft.address)
            for ending, form in forms.items()
        ),
    ]


def _age_files(changes: Changes, at: datetime) -> list[Draft]:
    """The files that say how old all others are."""
    age = {
        "status": "copy",
        "origin": changes.origin,
        "restored_at": changes.restored_at and changes.restored_at.isoformat(),
        "revision": changes.revision,
        "made_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "old_after_s": STALE_AFTER_S,
    }
    body = (json.dumps(age) + "\n").encode()
    return [
        Draft(portable.SCRIPT, portable.script(at), "text/javascript; charset=utf-8"),
        Draft(AGE, body, "application/json"),
        Draft(BEACON, body, "application/json"),
    ]


def _is_file(address: str, response: Response) -> bool:
    """A retracted incident keeps its page, which says so; its feeds go."""
    if address == MISSING:
        return response.status == 404 and response.is_html
    return response.status in (200, 302) or (response.status == 410 and response.is_html)


def _files(
    planned: Plan,
    stage: StagingFolder,
    responses: Mapping[str, Response],
    expected: Collection[str],
) -> dict[str, str]:
    """The file of each address that is staged or `expected`; links lead to these."""
    files = {address: _expected(address) for address in expected if address != MISSING}
    files |= {address: path for address, path in stage.addresses.items() if address in planned.all}
    for address, response in responses.items():
        if _is_file(address, response) and address != MISSING:
            files[address] = file_of(address, response.content_type)
        else:
            files.pop(address, None)
    return files


def _expected(address: str) -> str:
    return file_of(address, "text/html")
