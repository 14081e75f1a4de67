"""The page of the Manage API. There is one; its settings take effect where they mean something.

What Statuspage has and this page has not (its own subdomains, eleven of twelve colours)
is checked, kept and given back, so that a client that manages it finds what it wrote.
A setting that would close the page or a channel is refused: the client would rely on it.
"""

import re
from typing import Any

from statuspage.domain import page_settings
from statuspage.domain.tokens import Scope
from statuspage.errors import Invalid
from statuspage.web.api_v1.operations import Call, OrNone, operation
from statuspage.web.api_v1.shapes import Moment, Shape, seconds
from statuspage.web.operations import Body, Nothing

COLOURS = {
    "css_body_background_color": "ffffff",
    "css_font_color": "333333",
    "css_light_font_color": "757575",
    "css_greens": "1e8542",
    "css_yellows": "f1c40f",
    "css_oranges": "b35e14",
    "css_blues": "207ab6",
    "css_reds": "de2f1b",
    "css_border_color": "E0E0E0",
    "css_graph_color": "3498db",
    "css_link_color": "207ab6",
    "css_no_data": "b3bac5",
}
"""Kept and given back; the link colour is the page's own."""
OPEN: dict[str, Any] = {
    "allow_page_subscribers": True,
    "allow_incident_subscribers": True,
    "allow_email_subscribers": True,
    "allow_sms_subscribers": True,
    "allow_rss_atom_feeds": True,
    "allow_webhook_subscribers": True,
    "viewers_must_be_team_members": False,
    "ip_restrictions": None,
}
"""What protects there and is not supported: the page is public, and so is each channel."""
KEPT_TEXTS = ("subdomain", "domain", "branding", "notifications_from_email")
MAX_KEPT = 500
NOT_SUPPORTED = "Not supported: the page, its feeds and every channel are open to everyone."


class SmallLogo(Shape):
    updated_at: Moment | None
    size: int | None
    url: str


class Logo(Shape):
    updated_at: Moment | None
    original_url: str
    size: int | None
    normal_url: str
    retina_url: str


class Page(Shape):
    id: str
    created_at: Moment
    updated_at: Moment
    name: str
    page_description: str | None
    """Markdown, shown above the components."""
    headline: str | None
    branding: str
    subdomain: str | None
    domain: str | None
    url: str | None
    support_url: str | None
    hidden_from_search: bool
    """Ask search engines not to index the page."""
    allow_page_subscribers: bool
    allow_incident_subscribers: bool
    allow_email_subscribers: bool
    allow_sms_subscribers: bool
    allow_rss_atom_feeds: bool
    allow_webhook_subscribers: bool
    notifications_from_email: str | None
    notifications_email_footer: str | None
    activity_score: float
    twitter_username: str | None
    viewers_must_be_team_members: bool
    ip_restrictions: str | None
    city: str | None
    state: str | None
    country: str | None
    time_zone: str
    css_body_background_color: str
    css_font_color: str
    css_light_font_color: str
    css_greens: str
    css_yellows: str
    css_oranges: str
    css_blues: str
    css_reds: str
    css_border_color: str
    css_graph_color: str
    css_link_color: str
    """The colour of links, in light mode."""
    css_no_data: str
    favicon_logo: SmallLogo
    transactional_logo: Logo
    hero_cover: Logo
    email_logo: Logo
    twitter_logo: SmallLogo


class PageFields(Body):
    name: str | None = None
    url: OrNone[str] = None
    time_zone: str | None = None
    support_url: OrNone[str] = None
    page_description: OrNone[str] = None
    hidden_from_search: OrNone[bool] = None
    subdomain: OrNone[str] = None
    domain: OrNone[str] = None
    branding: OrNone[str] = None
    notifications_from_email: OrNone[str] = None
    notifications_email_footer: OrNone[str] = None
    allow_page_subscribers: OrNone[bool] = None
    allow_incident_subscribers: OrNone[bool] = None
    allow_email_subscribers: OrNone[bool] = None
    allow_sms_subscribers: OrNone[bool] = None
    allow_rss_atom_feeds: OrNone[bool] = None
    allow_webhook_subscribers: OrNone[bool] = None
    viewers_must_be_team_members: OrNone[bool] = None
    ip_restrictions: OrNone[str] = None
    css_body_background_color: str | None = None
    css_font_color: str | None = None
    css_light_font_color: str | None = None
    css_greens: str | None = None
    css_yellows: str | None = None
    css_oranges: str | None = None
    css_blues: str | None = None
    css_reds: str | None = None
    css_border_color: str | None = None
    css_graph_color: str | None = None
    css_link_color: str | None = None
    css_no_data: str | None = None


class PageBody(Body):
    page: PageFields


@operation("GET", "/pages", needs=Scope.READ, returns=list[Page])
def list_pages(call: Call[Nothing]) -> list[Page]:
    """A list with the one page."""
    return [_serialize(call.page)]


@operation("GET", "/pages/{page_id}", needs=Scope.READ, returns=Page)
def read_page(call: Call[Nothing]) -> Page:
    """The page's settings."""
    return _serialize(call.page)


@operation("PATCH", "/pages/{page_id}", needs=Scope.MANAGE, body=PageBody, returns=Page)
def update_page(call: Call[PageBody]) -> Page:
    """Update the settings sent."""
    row, fields = call.page, call.body.page.said()
    accent = row.accent
    link_colour = fields.get("css_link_color")
    # Clients send back the default that they read of a page without a colour of its own.
    if link_colour and (accent or link_colour != COLOURS["css_link_color"]):
        accent = f"#{_colour('css_link_color', link_colour)}"
    page_settings.edit(
        row,
        page_settings.PageEdit(
            name=fields.get("name") or row.name,
            time_zone=_zone(fields.get("time_zone") or row.time_zone),
            url=fields.get("url", row.url),
            about=(fields["page_description"] or "") if "page_description" in fields else row.about,
            footer=row.footer,
            support_url=fields.get("support_url", row.support_url),
            accent=accent,
            accent_dark=row.accent_dark,
            details=_stored_fields(fields),
        ),
        by=call.by,
        at=call.at,
    )
    return _serialize(row)


def _zone(name: str) -> str:
    """Statuspage writes `UTC` where the database of zones has `Etc/UTC`, and takes both."""
    return "Etc/UTC" if name == "UTC" else name


def _stored_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """What is given back as it came. Raises `Invalid` for what can be none of it."""
    protecting = [
        name
        for name, value in OPEN.items()
        if fields.get(name) is not None and fields[name] != value
    ]
    if protecting:
        raise Invalid(**dict.fromkeys(protecting, NOT_SUPPORTED))
    details: dict[str, Any] = {}
    for name, value in fields.items():
        if name in COLOURS and name != "css_link_color" and value:
            details[name] = _colour(name, value)
        elif name == "hidden_from_search" and value is not None:
            details[name] = value
        elif name in KEPT_TEXTS or name == "notifications_email_footer":
            if value is not None and len(value) > MAX_KEPT:
                raise Invalid(**{name: f"Use at most {MAX_KEPT} characters."})
            details[name] = value
    return details


def _colour(name: str, text: str) -> str:
    """Six hexadecimal digits, with or without `#`. Raises `Invalid`."""
    match = re.fullmatch(r"#?([0-9a-fA-F]{6})", text)
    if match is None:
        raise Invalid(**{name: "Send a colour as six hexadecimal digits."})
    return match[1]


def _serialize(row: page_settings.Page) -> Page:
    details = row.details
    own_link = {"css_link_color": row.accent[1:]} if row.accent else {}
    return Page(
        id=row.public_id,
        created_at=seconds(row.created_at, row.zone),
        updated_at=seconds(row.updated_at, row.zone),
        name=row.name,
        page_description=row.about or None,
        headline=None,
        branding=details.get("branding") or "basic",
        subdomain=details.get("subdomain"),
        domain=details.get("domain"),
        url=row.url,
        support_url=row.support_url,
        hidden_from_search=details.get("hidden_from_search", False),
        **OPEN,
        notifications_from_email=details.get("notifications_from_email"),
        notifications_email_footer=details.get("notifications_email_footer"),
        activity_score=0,
        twitter_username=None,
        city=None,
        state=None,
        country=None,
        time_zone="UTC" if row.time_zone == "Etc/UTC" else row.time_zone,
        **{name: details.get(name, value) for name, value in COLOURS.items()} | own_link,
        favicon_logo=_NO_SMALL_LOGO,
        transactional_logo=_NO_LOGO,
        hero_cover=_NO_LOGO,
        email_logo=_NO_LOGO,
        twitter_logo=_NO_SMALL_LOGO,
    )


_NO_LOGO = Logo(updated_at=None, original_url="", size=None, normal_url="", retina_url="")
_NO_SMALL_LOGO = SmallLogo(updated_at=None, size=None, url="")
