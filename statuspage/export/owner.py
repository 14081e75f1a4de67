"""Which page's export a target holds, so that a page never overwrites another's.

Another page has another address, or data restored from a backup: a restore drill knows
neither what happened since nor that the export has readers.
"""

import json
from dataclasses import dataclass

from statuspage.export.staging import AGE, StagingFolder
from statuspage.export.targets import Target, TargetError


@dataclass(frozen=True)
class Owner:
    """The page that made an export, by its `copy.json`. None: it does not say."""

    origin: str | None
    restored_at: str | None
    """When its data was last restored from a backup."""


def refuse_foreign_copy(target: Target, stage: StagingFolder) -> None:
    """Raises `TargetError` if `target` holds another page's export than `stage`."""
    theirs, ours = _owner(target.read(AGE)), _owner((stage.site / AGE).read_bytes())
    if theirs.origin is None or theirs == ours:
        return
    if theirs.origin != ours.origin:
        why = f"It holds the export of {theirs.origin}, and this page is {ours.origin}"
    else:
        why = f"It holds an export of {theirs.origin} from before or after a backup was restored"
    raise TargetError(
        f"{why}. Nothing was written. To put this page there, run: flask mirror"
        " --take-over. Otherwise change or unset STATUSPAGE_MIRROR."
    )


def _owner(body: bytes | None) -> Owner:
    try:
        age = json.loads(body or b"{}")
        return Owner(age.get("origin"), age.get("restored_at"))
    except (AttributeError, ValueError):
        return Owner(None, None)
