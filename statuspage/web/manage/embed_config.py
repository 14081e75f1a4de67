"""The look of Statuspage's status embed. Kept for clients; this page's own embeds follow
the reader's light or dark mode instead."""

import re

from statuspage.domain import events
from statuspage.domain.pages import Page
from statuspage.domain.tokens import Scope
from statuspage.errors import Invalid
from statuspage.web.manage.operations import Body, Call, Nothing, operation
from statuspage.web.manage.shapes import Shape

CONFIG = "/pages/{page_id}/status_embed_config"
POSITIONS = ("bottom-left", "bottom-right", "top-left", "top-right")
KEPT = "status_embed_config"


class StatusEmbedConfig(Shape):
    page_id: str
    position: str
    incident_background_color: str
    incident_text_color: str
    maintenance_background_color: str
    maintenance_text_color: str


DEFAULTS = {
    "position": "bottom-left",
    "incident_background_color": "ff0000",
    "incident_text_color": "ffffff",
    "maintenance_background_color": "0000ff",
    "maintenance_text_color": "ffffff",
}


class ConfigFields(Body):
    position: str | None = None
    incident_background_color: str | None = None
    incident_text_color: str | None = None
    maintenance_background_color: str | None = None
    maintenance_text_color: str | None = None


class ConfigBody(Body):
    status_embed_config: ConfigFields


@operation("GET", CONFIG, needs=Scope.READ, returns=StatusEmbedConfig)
def read_config(call: Call[Nothing]) -> StatusEmbedConfig:
    """What was set, or the usual look."""
    return _tell(call.page)


@operation("PATCH", CONFIG, needs=Scope.MANAGE, body=ConfigBody, returns=StatusEmbedConfig)
def update_config(call: Call[ConfigBody]) -> StatusEmbedConfig:
    """Change what is sent."""
    page = call.page
    said = {name: value for name, value in call.body.status_embed_config.said().items() if value}
    _check(said)
    kept = {**page.details.get(KEPT, {}), **said}
    page.details = {**page.details, KEPT: kept}
    events.record(
        "page.embed_configured",
        subject=page.public_id,
        title=page.name,
        by=call.by,
        at=call.at,
        data=said,
        is_public=False,
    )
    return _tell(page)


def _check(said: dict[str, str]) -> None:
    for name, value in said.items():
        if name == "position":
            if value not in POSITIONS:
                raise Invalid(position=f"Choose one of: {', '.join(POSITIONS)}.")
        elif not re.fullmatch(r"#?[0-9a-fA-F]{6}", value):
            raise Invalid(**{name: "Give a colour as six hexadecimal digits."})


def _tell(page: Page) -> StatusEmbedConfig:
    kept = {**DEFAULTS, **page.details.get(KEPT, {})}
    return StatusEmbedConfig(page_id=page.public_id, **kept)
