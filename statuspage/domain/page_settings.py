"""The page itself: its name, zone, words and looks. One row."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, deferred, mapped_column

from statuspage import clock
from statuspage.db import Model, PublicId, db
from statuspage.domain import events
from statuspage.domain.events import Actor
from statuspage.errors import Invalid
from statuspage.lib import email_address, image_size
from statuspage.lib.markdown import clean, to_html

MAX_LOGO_BYTES = 100_000
MAX_LOGO_SIDE = 4000
"""In pixels: what a browser unpacks of it is then 64 MB at most."""

UNNAMED = "Status"
"""The name of a new page until its owner gives it another."""

EMBED = "status_embed_config"
EMBED_POSITIONS = ("bottom-left", "bottom-right", "top-left", "top-right")


class Page(Model):
    public_id: Mapped[PublicId]
    name: Mapped[str]
    url: Mapped[str | None]
    """Public address without a trailing slash; None: the configured base address."""
    time_zone: Mapped[str] = mapped_column(default="Etc/UTC")
    about: Mapped[str] = mapped_column(default="")
    about_html: Mapped[str] = mapped_column(default="")
    footer: Mapped[str] = mapped_column(default="")
    footer_html: Mapped[str] = mapped_column(default="")
    support_url: Mapped[str | None]
    accent: Mapped[str | None] = mapped_column(sa.String(7))
    """`#rrggbb` for links in light mode; None: the built-in blue."""
    accent_dark: Mapped[str | None] = mapped_column(sa.String(7))
    logo: Mapped[bytes | None] = deferred(mapped_column(sa.LargeBinary))
    logo_type: Mapped[str | None]
    details: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    """Settings of Statuspage's that mean nothing here, given back to API clients as they came."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


@dataclass(frozen=True)
class PageEdit:
    """Everything that an edit of the page's settings changes."""

    name: str
    time_zone: str
    url: str | None = None
    about: str = ""
    footer: str = ""
    support_url: str | None = None
    accent: str | None = None
    accent_dark: str | None = None
    details: Mapping[str, Any] | None = None
    """Kept beside those there are."""


LINK_BACKGROUNDS = {
    "accent": ("light", "darker", "#fbfbfa"),
    "accent_dark": ("dark", "lighter", "#1b1d20"),
}
"""Of each link colour: its mode, the way to more contrast, the worst background in `tokens.css`."""
MIN_CONTRAST = 4.5
"""WCAG 2.2, 1.4.3 Contrast (Minimum), level AA."""


def _unreadable(field: str, colour: str) -> str | None:
    mode, way, background = LINK_BACKGROUNDS[field]
    ratio = contrast(colour, background)
    if ratio >= MIN_CONTRAST:
        return None
    # Down, so that a colour just below the limit never reads as if it met it.
    shown = math.floor(ratio * 100) / 100
    return (
        f"Links in this colour are hard to read: its contrast in {mode} mode is {shown:.2f}:1."
        f" Choose a {way} one, with at least {MIN_CONTRAST}:1."
    )


def contrast(colour: str, other: str) -> float:
    """The contrast ratio of two colours `#rrggbb`, 1 to 21.

    https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
    """
    lighter, darker = sorted((_luminance(colour), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def get() -> Page | None:
    """The page; None before the first set-up."""
    return db.session.scalar(sa.select(Page).order_by(Page.id).limit(1))


def create(name: str, *, by: Actor, at: datetime, time_zone: str = "Etc/UTC") -> Page:
    """Set the page up. Raises `Invalid` on an empty name or an unknown zone."""
    page = Page(name="", time_zone="Etc/UTC", created_at=at, updated_at=at)
    edit(page, PageEdit(name, time_zone), by=by, at=at)
    return page


def edit(page: Page, settings: PageEdit, *, by: Actor, at: datetime) -> None:
    """Change the page's settings. Raises `Invalid` naming each wrong field."""
    errors = {}
    name = clean(settings.name).strip()
    if not name or len(name) > 100:
        errors["name"] = "Enter a name of 1 to 100 characters for the page."
    if settings.time_zone not in clock.time_zones():
        errors["time_zone"] = "Choose a time zone such as Europe/Vienna."
    for field, schemes in (("url", r"https?://"), ("support_url", r"(https?://|mailto:)")):
        value = getattr(settings, field)
        if value and not re.fullmatch(schemes + r"[^\s\"'<>\ud800-\udfff]{1,500}", value):
            errors[field] = "Enter a full address that starts with https://."
    support_url = settings.support_url
    if support_url and support_url.startswith("mailto:") and support_url != page.support_url:
        try:
            settings = replace(settings, support_url=_mail_link(support_url))
        except ValueError:
            errors["support_url"] = "Enter an e-mail address after mailto:."
    for field in ("accent", "accent_dark"):
        value = getattr(settings, field)
        if value and not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
            errors[field] = "Enter a colour as # and six hexadecimal digits."
        elif value and value != getattr(page, field) and (words := _unreadable(field, value)):
            errors[field] = words
    html = {}
    for field in ("about", "footer"):
        try:
            html[field] = str(to_html(getattr(settings, field)))
        except Invalid as invalid:
            errors[field] = str(invalid)
    if errors:
        raise Invalid(**errors)

    page.name, page.time_zone = name, settings.time_zone
    page.url = settings.url.rstrip("/") if settings.url else None
    page.about, page.about_html = clean(settings.about), html["about"]
    page.footer, page.footer_html = clean(settings.footer), html["footer"]
    page.support_url = settings.support_url or None
    page.accent, page.accent_dark = settings.accent or None, settings.accent_dark or None
    page.details = {**(page.details or {}), **(settings.details or {})}
    page.updated_at = at
    page.version = (page.version or 0) + 1
    db.session.add(page)
    db.session.flush()
    events.record("page.edited", subject=page.public_id, title=page.name, by=by, at=at)


def configure_embed(page: Page, *, by: Actor, at: datetime, **config: str) -> None:
    """Keep how Statuspage's embed is to look, for clients that ask. Raises `Invalid`.

    `config` holds `position` and colours by their names, each or none of them.
    """
    errors = {}
    for name, value in config.items():
        if name == "position":
            if value not in EMBED_POSITIONS:
                errors[name] = f"Choose one of: {', '.join(EMBED_POSITIONS)}."
        elif not re.fullmatch(r"#?[0-9a-fA-F]{6}", value):
            errors[name] = "Enter a colour as six hexadecimal digits."
    if errors:
        raise Invalid(**errors)
    page.details = {**page.details, EMBED: {**embed_config(page), **config}}
    events.record(
        "page.embed_configured",
        subject=page.public_id,
        title=page.name,
        by=by,
        at=at,
        data=config,
        is_public=False,
    )


def embed_config(page: Page) -> dict[str, str]:
    """What was set of it; the rest looks as usual."""
    return dict(page.details.get(EMBED, {}))


def set_logo(page: Page, image: bytes | None, *, by: Actor, at: datetime) -> None:
    """Store or remove the logo. Raises `Invalid` unless it is a small PNG, JPEG, GIF or WebP."""
    if image is not None:
        if len(image) > MAX_LOGO_BYTES:
            raise Invalid(logo=f"The logo may be at most {MAX_LOGO_BYTES // 1000} kB.")
        if image_size.type_of(image) is None:
            raise Invalid(logo="The logo must be a PNG, JPEG, GIF or WebP image.")
        if max(image_size.sides(image)) > MAX_LOGO_SIDE:
            raise Invalid(logo=f"The logo may be at most {MAX_LOGO_SIDE} pixels wide and high.")
    page.logo_type = image_size.type_of(image) if image is not None else None
    page.logo = image
    page.updated_at = at
    events.record("page.logo_changed", subject=page.public_id, title=page.name, by=by, at=at)


def _mail_link(url: str) -> str:
    """A `mailto:` link (RFC 6068) with its addresses in their normal form. Raises `ValueError`."""
    recipients, mark, fields = url.removeprefix("mailto:").partition("?")
    addresses = [email_address.normalized(unquote(text)) for text in recipients.split(",")]
    return (
        "mailto:" + ",".join(quote(text, safe="@+!$'*=^_`~") for text in addresses) + mark + fields
    )
