"""The Manage API, `/v1`: what programs do, in the words of Statuspage's API of that name.

`operations` is the way in for every request, a module per noun says what is done.
Nothing here knows a rule: a body is read, one verb is called, the result is told.
"""

from flask import Blueprint, Flask, current_app, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

# Importing a noun's module declares its operations.
from statuspage.web import json_errors
from statuspage.web.api_v1 import (  # noqa: F401
    component_access,
    components,
    embed_config,
    groups,
    incident_subscribers,
    incident_updates,
    incidents,
    metrics,
    metrics_providers,
    operations,
    page_access_groups,
    page_access_users,
    pages,
    postmortems,
    subscribers,
    team,
    templates,
    uptime,
)

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

bp = Blueprint("manage", __name__, url_prefix="/v1")


def init_app(app: Flask) -> None:
    """Put the Manage API on an application."""
    app.url_map.converters["key"] = operations.KeyConverter
    app.register_blueprint(bp)


@bp.route("", defaults={"rest": ""}, methods=METHODS)
@bp.route("/<path:rest>", methods=METHODS)
def nothing_here(rest: str) -> ResponseReturnValue:
    """What no operation answers: 405 where another method would be answered, else 404."""
    allowed = [method for method in METHODS if _is_answered(request.path, method)]
    if allowed:
        raise MethodNotAllowed(valid_methods=allowed)
    raise NotFound("There is no such address. The operations are listed at /api.")


def _is_answered(path: str, method: str) -> bool:
    try:
        endpoint, _ = current_app.url_map.bind("").match(path, method)
    except HTTPException:
        return False
    return bool(endpoint != f"{bp.name}.{nothing_here.__name__}")


operations.put_on(bp)
json_errors.init(bp)
