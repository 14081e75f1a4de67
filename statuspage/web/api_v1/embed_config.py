"""The look of Statuspage's status embed. Kept for clients; this page's own embeds follow
the reader's light or dark mode instead."""

from statuspage.domain import page_settings
from statuspage.domain.page_settings import Page
from statuspage.domain.tokens import Scope
from statuspage.web.api_v1.operations import Call, operation
from statuspage.web.api_v1.shapes import Shape
from statuspage.web.operations import Body, Nothing

CONFIG = "/pages/{page_id}/status_embed_config"


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
    """The custom settings, or the defaults."""
    return _serialize(call.page)


@operation("PATCH", CONFIG, needs=Scope.MANAGE, body=ConfigBody, returns=StatusEmbedConfig)
def update_config(call: Call[ConfigBody]) -> StatusEmbedConfig:
    """Update the fields sent."""
    fields = {name: value for name, value in call.body.status_embed_config.said().items() if value}
    page_settings.configure_embed(call.page, by=call.by, at=call.at, **fields)
    return _serialize(call.page)


def _serialize(page: Page) -> StatusEmbedConfig:
    config = {**DEFAULTS, **page_settings.embed_config(page)}
    return StatusEmbedConfig(page_id=page.public_id, **config)
