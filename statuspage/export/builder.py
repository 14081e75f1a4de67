"""The maker: asks for what changed and brings it to the stages, the present first.

One at a time; what it could not finish it goes on with. An answer that cannot be made
keeps its last good file; when the front page cannot be made, nothing changes.
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
from statuspage.export.changes import Look, program
from statuspage.export.render import Ask, Reply
from statuspage.export.sitemap import FRONT, MISSING
from statuspage.export.staging import AGE, BEACON, Draft, Stage

log = structlog.get_logger(__name__)

WRITE_EVERY = 500
"""So many answers are held in memory before they are written."""
STALE_AFTER_S = int(portable.OLD_AFTER.total_seconds())


class MirrorError(Exception):
    """A mirror cannot be made now; the text says why."""


LookSince: TypeAlias = Callable[[int, frozenset[int], datetime], Look]
"""See `looking.look`."""


@dataclass
class Stages:
    """`portable` works anywhere; `published` is for nginx on the origin's own addresses."""

    portable: Stage | None = None
    published: Stage | None = None

    @classmethod
    def within(cls, folder: Path, kinds: Collection[bool]) -> "Stages":
        """In `folder`, for targets of these kinds; True is one of published files."""
        return cls(
            Stage(folder / "portable") if False in kinds else None,
            Stage(folder / "published", published.time_of) if True in kinds else None,
        )

    def __iter__(self) -> Iterator[Stage]:
        return iter([one for one in (self.portable, self.published) if one is not None])


@dataclass
class Maker:
    """Makes the stages from `ask`. `look_since(event, seen, at)` reads what there is."""

    ask: Ask
    look_since: LookSince
    stages: Stages
    later: list[str] = field(default_factory=list)
    """What is still to be asked for, in order."""
    _plan: Plan | None = None
    _look: Look | None = None
    _known: set[str] = field(default_factory=set)
    """Addresses whose answer the stages have, or that have none to give."""
    _newest: int = 0
    """The newest event whose changes are made or in `later`."""
    _seen: frozenset[int] = frozenset()
    _rounds: dict[Round, datetime] = field(default_factory=dict)
    """When each was made last."""

    def begin(self, at: datetime) -> None:
        """Make the present again, and what changed since the last time.

        Raises `MirrorError` where the front page cannot be made, and what the database raises.
        """
        held = [stage.manifest for stage in self.stages]
        # A process that begins on files of before looks at all that happened since.
        is_first = self._newest == 0
        since = self._newest or min(one.event for one in held)
        look = self.look_since(since, self._seen, at)
        if is_first:
            self._known = set.intersection(*(set(stage.addresses) for stage in self.stages))
        is_new = is_first and any(one.program != program() for one in held)
        is_new = is_new or any(one.origin != look.origin for one in held)
        rounds = [one for one in Round if clock.is_due(self._rounds.get(one), one.value, at)]
        made = plan(look, self._known, is_new_program=is_new, rounds=rounds)
        urgent = set(made.now)
        waiting = [one for one in self.later if one in made.all and one not in urgent]
        self._plan, self._look = made, look
        replies = self._asked(made.now)
        if FRONT not in replies or replies[FRONT].status != 200:
            raise MirrorError("The front page cannot be rendered.")
        self.later = list(dict.fromkeys([*waiting, *made.later]))
        if not self._is_whole:
            # The present goes out at once, and once more with links to all that will be there.
            self.later += made.now
        self._newest, self._seen = look.newest_event, look.seen
        self._rounds |= dict.fromkeys(rounds, at)
        self._write(replies, at, is_all_there=self._is_whole)

    @property
    def _is_whole(self) -> bool:
        return all(stage.manifest.is_whole for stage in self.stages)

    def go_on(self, at: datetime, *, until: Callable[[], bool] = lambda: False) -> None:
        """Make what is `later`, unless `until` says that something more urgent came up."""
        while self.later and not until():
            replies = self._asked(self.later[:WRITE_EVERY], until=until)
            del self.later[: len(replies)]
            self._write(replies, at)

    def _asked(
        self, addresses: Sequence[str], *, until: Callable[[], bool] = lambda: False
    ) -> dict[str, Reply]:
        return {a: self.ask(a) for a in takewhile(lambda _: not until(), addresses)}

    def _write(
        self, replies: Mapping[str, Reply], at: datetime, *, is_all_there: bool = True
    ) -> None:
        """`is_all_there`: what these pages link to is there by the time that they are shown."""
        assert self._look is not None
        assert self._plan is not None
        for address, reply in replies.items():
            if reply.status >= 500:
                log.error("export.page_failed", address=address, status=reply.status)
        good = {address: one for address, one in replies.items() if one.status < 500}
        self._known |= good.keys()
        if stage := self.stages.portable:
            expected = self._plan.all if is_all_there else frozenset[str]()
            files = _files(self._plan, stage, good, expected)
            self._bring(stage, _portable_files(stage, good, files, self._look, at), good, at)
        if stage := self.stages.published:
            self._bring(stage, _published_files(good, self._look, at), good, at)

    def _bring(
        self, stage: Stage, drafts: list[Draft], replies: Mapping[str, Reply], at: datetime
    ) -> None:
        assert self._look is not None
        assert self._plan is not None
        look, made = self._look, {one.path for one in drafts}
        asked_away = [
            path
            for path, one in stage.manifest.files.items()
            if path not in made
            and one.address is not None
            and (one.address in replies or one.address not in self._plan.all)
        ]
        # Only a stage that holds everything may go on from the newest event.
        is_complete = not self.later
        stage.write(
            drafts,
            gone=asked_away,
            origin=look.origin,
            revision=look.revision,
            event=look.newest_event if is_complete else stage.manifest.event,
            program=program() if is_complete else stage.manifest.program,
            made_at=at,
        )


def _portable_files(
    stage: Stage, replies: Mapping[str, Reply], files: Mapping[str, str], look: Look, at: datetime
) -> list[Draft]:
    drafts = []
    for address, reply in replies.items():
        if not _is_file(address, reply):
            continue
        path = file_of(address, reply.content_type)
        if address == MISSING:
            body = portable.page(reply, portable.Place("", look.origin, {}))
        else:
            body = portable.body_of(reply, portable.Place(path, look.origin, files))
        mark = hashlib.sha256(body).hexdigest()
        before = stage.manifest.files.get(path)
        if before is not None and before.mark == mark and address != FRONT:
            same = stage.read(path)
            if same is not None:
                drafts.append(Draft(path, same, before.content_type, address, mark))
                continue
        body = body.replace(portable.STAMP, portable.stamp(at).encode())
        drafts.append(Draft(path, body, reply.content_type, address, mark))
    drafts.append(Draft(".nojekyll", b"", "text/plain"))
    return [*drafts, *_times(look, at)]


def _published_files(replies: Mapping[str, Reply], look: Look, at: datetime) -> list[Draft]:
    drafts = []
    for address, reply in replies.items():
        if not published.is_file(address, reply):
            continue
        path = file_of(address, reply.content_type)
        drafts += _with_packed(Draft(path, published.body_of(reply), reply.content_type, address))
    return [*drafts, *(one for draft in _times(look, at) for one in _with_packed(draft))]


def _with_packed(draft: Draft) -> list[Draft]:
    forms = published.packed(draft.body, draft.content_type)
    return [
        draft,
        *(
            Draft(draft.path + ending, form, "application/octet-stream", draft.address)
            for ending, form in forms.items()
        ),
    ]


def _times(look: Look, at: datetime) -> list[Draft]:
    """The files that tell the age of all others."""
    told = {
        "status": "copy",
        "origin": look.origin,
        "restored_at": look.restored_at and look.restored_at.isoformat(),
        "revision": look.revision,
        "made_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "old_after_s": STALE_AFTER_S,
    }
    body = (json.dumps(told) + "\n").encode()
    return [
        Draft(portable.SCRIPT, portable.script(at), "text/javascript; charset=utf-8"),
        Draft(AGE, body, "application/json"),
        Draft(BEACON, body, "application/json"),
    ]


def _is_file(address: str, reply: Reply) -> bool:
    """A withdrawn incident goes on saying so; a feed of it is not there."""
    if address == MISSING:
        return reply.status == 404 and reply.is_html
    return reply.status in (200, 302) or (reply.status == 410 and reply.is_html)


def _files(
    made: Plan, stage: Stage, replies: Mapping[str, Reply], expected: Collection[str]
) -> dict[str, str]:
    """The file of each address that is there or is `expected`, by which links are made."""
    files = {address: _expected(address) for address in expected if address != MISSING}
    files |= {a: path for a, path in stage.addresses.items() if a in made.all}
    for address, reply in replies.items():
        if _is_file(address, reply) and address != MISSING:
            files[address] = file_of(address, reply.content_type)
        else:
            files.pop(address, None)
    return files


def _expected(address: str) -> str:
    return file_of(address, "text/html")
