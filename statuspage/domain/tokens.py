"""API tokens: how programs prove who they are, and what each may do.

Only a hash of a token is stored; the token itself is shown once. A token stops
working when it is revoked or expires, and its row stays, for the log names it.
"""

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from statuspage.db import Model, PublicId, db
from statuspage.domain import events
from statuspage.domain.events import Actor, ActorKind
from statuspage.errors import Invalid
from statuspage.lib.markdown import clean

MAX_NAME = 100
PREFIX = "sp_"
SHOWN_CHARACTERS = len(PREFIX) + 5
NOTED_EVERY = timedelta(minutes=1)
"""A token's last use is written down at most this often."""


class Scope(StrEnum):
    """What a token may do. Each but those of `HOOKS` may also read what the page is made of."""

    READ = "read"
    """Components, groups, incidents, templates, metrics, the page and its uptime."""
    INCIDENTS = "incidents"
    """Write incidents, maintenance, postmortems and templates."""
    COMPONENTS = "components"
    """Write components, groups, metrics and their data."""
    SUBSCRIBERS = "subscribers"
    """Read and write subscribers and page access: other people's addresses."""
    BOUNCES = "bounces"
    """Report mail that came back, and nothing else: it stands in an address."""
    ALERTS = "alerts"
    """Report alerts, which open drafts of incidents, and nothing else: it stands in an address."""
    ALERTS_PUBLISH = "alerts-publish"
    """The same, but the incidents are published at once."""
    MANAGE = "manage"
    """Everything, the page's settings and the team included."""

    def allows(self, needed: "Scope") -> bool:
        if needed in HOOKS:
            # No other token belongs into an address, which proxies write down.
            return self is needed or (needed, self) == (Scope.ALERTS, Scope.ALERTS_PUBLISH)
        if needed is Scope.READ:
            return self not in HOOKS
        return self in (needed, Scope.MANAGE)


HOOKS = frozenset({Scope.BOUNCES, Scope.ALERTS, Scope.ALERTS_PUBLISH})
"""What a token in the address of a hook may do."""


class ApiToken(Model):
    public_id: Mapped[PublicId]
    name: Mapped[str]
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    shown: Mapped[str] = mapped_column(sa.String(16))
    """Its first characters, by which people tell tokens apart."""
    scopes: Mapped[list[str]] = mapped_column(sa.JSON)
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    @property
    def actor(self) -> Actor:
        return Actor(ActorKind.TOKEN, self.name)

    def may(self, needed: Scope) -> bool:
        return any(Scope(scope).allows(needed) for scope in self.scopes)

    def is_use_due(self, at: datetime) -> bool:
        """Whether its use was not noted within `NOTED_EVERY`."""
        return self.last_used_at is None or self.last_used_at <= at - NOTED_EVERY

    def works(self, at: datetime) -> bool:
        """Neither revoked nor expired at this moment."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > at)


# ── verbs ──────────────────────────────────────────────────────────────────────


def create(
    name: str,
    *,
    scopes: Collection[Scope],
    by: Actor,
    at: datetime,
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """A new token, and its secret text, which nobody can read again. Raises `Invalid`."""
    errors = {}
    name = clean(name).strip()
    if not name or len(name) > MAX_NAME:
        errors["name"] = f"Name the program that will use it, in at most {MAX_NAME} characters."
    elif any(other.name == name for other in working(at=at)):
        errors["name"] = "Another token has this name, and the log could not tell them apart."
    if not scopes:
        errors["scopes"] = "Choose what it may do."
    if expires_at is not None and expires_at <= at:
        errors["expires_at"] = "Choose a day in the future."
    if errors:
        raise Invalid(**errors)
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(
        name=name,
        token_hash=_hash(secret),
        shown=secret[:SHOWN_CHARACTERS],
        scopes=[scope.value for scope in Scope if scope in scopes],
        created_at=at,
        created_by=by.name,
        expires_at=expires_at,
    )
    db.session.add(token)
    _record("token.created", token, by, at)
    return token, secret


def revoke(token: ApiToken, *, by: Actor, at: datetime) -> None:
    """It stops working at once. Does nothing to a revoked one."""
    if token.revoked_at is None:
        token.revoked_at = at
        _record("token.revoked", token, by, at)


def ask_to_open(token: ApiToken, url: str, *, at: datetime) -> None:
    """Whoever uses it has to be confirmed by a person who opens `url`: say so in the log."""
    db.session.flush()
    events.record(
        "token.confirmation_wanted",
        subject=token.public_id,
        title=token.name,
        by=token.actor,
        at=at,
        data={"action": f"open {url}"},
        is_public=False,
    )


def note_use(token: ApiToken, *, at: datetime) -> None:
    """Write down that it was used. No event: it happens all the time."""
    statement = sa.update(ApiToken).where(ApiToken.id == token.id).values(last_used_at=at)
    db.session.execute(statement.execution_options(synchronize_session=False))


# ── finders ────────────────────────────────────────────────────────────────────


def with_secret(secret: str) -> ApiToken | None:
    """The token with this text, working or not."""
    return db.session.scalar(sa.select(ApiToken).where(ApiToken.token_hash == _hash(secret)))


def get(public_id: str) -> ApiToken | None:
    return db.session.scalar(sa.select(ApiToken).where(ApiToken.public_id == public_id))


def listed() -> list[ApiToken]:
    """All tokens, the newest first; revoked and expired ones too."""
    return list(db.session.scalars(sa.select(ApiToken).order_by(ApiToken.id.desc())))


def working(*, at: datetime) -> list[ApiToken]:
    return [token for token in listed() if token.works(at)]


# ── helpers ────────────────────────────────────────────────────────────────────


def _hash(secret: str) -> str:
    # 256 random bits need no slow hash.
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def _record(kind: str, token: ApiToken, by: Actor, at: datetime) -> None:
    db.session.flush()
    events.record(
        kind,
        subject=token.public_id,
        title=token.name,
        by=by,
        at=at,
        data={"scopes": token.scopes},
        is_public=False,
    )
