"""Whose copy a target holds, so that a page never overwrites the mirror of another one.

Another page is one with another address, or with the same but restored from a backup: a copy
for a drill knows neither what happened since nor that its mirror is read.
"""

import json
from dataclasses import dataclass

from statuspage.export.staging import AGE, Stage
from statuspage.export.targets import Target, TargetError


@dataclass(frozen=True)
class Owner:
    """The page that made a copy, as its `copy.json` says. None: it does not say."""

    origin: str | None
    restored_at: str | None
    """When its records were restored from a backup the last time."""


def refuse_anothers(target: Target, stage: Stage) -> None:
    """Raises `TargetError` where `target` holds the copy of another page than `stage` does."""
    there, ours = _owner(target.read(AGE)), _owner((stage.site / AGE).read_bytes())
    if there.origin is None or there == ours:
        return
    if there.origin != ours.origin:
        why = f"It holds the export of {there.origin}, and this page is {ours.origin}"
    else:
        why = f"It holds an export of {there.origin} from before or after a backup was restored"
    raise TargetError(
        f"{why}. Nothing was written. To put this page there, run: flask mirror"
        " --take-over. Otherwise change or unset STATUSPAGE_MIRROR."
    )


def _owner(body: bytes | None) -> Owner:
    try:
        told = json.loads(body or b"{}")
        return Owner(told.get("origin"), told.get("restored_at"))
    except (AttributeError, ValueError):
        return Owner(None, None)
