"""A status page that people believe.

`create_app` is the one place that knows every part.
"""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.headers import Headers
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from flask import Flask

    from statuspage.config import Settings

MAX_BODY_BYTES = 1_000_000


def create_app(settings: "Settings | None" = None, *, watch: bool = True) -> "Flask":
    """The WSGI application. Raises `SettingsError` when the environment is wrong.

    `watch=False` is for tests: published pages are compared with the rows at every
    request, not by a thread.
    """
    # Imported here, so that whoever needs one small part of this package (the
    # settings, before anything is started) does not load all of it.
    from statuspage import config

    settings = settings or config.load()

    from flask import Flask

    from statuspage.cli import commands
    from statuspage.db import db
    from statuspage.notify import wake_worker  # noqa: F401  it listens from now on
    from statuspage.observability import logging as logs
    from statuspage.observability import requests
    from statuspage.web import admin, api_v1, headers, health, metrics
    from statuspage.web.hooks import alertmanager, bounces
    from statuspage.web.hooks import csp_reports as policy
    from statuspage.web.public import (
        api,
        api_subscribers,
        beacon,
        embeds,
        feeds,
        pages,
        push,
        reference,
        subscriptions,
    )

    logs.configure(settings.log_format)
    app = Flask(
        __name__,
        template_folder=config.PROJECT / "templates",
        static_folder=config.PROJECT / "static",
    )
    app.config.from_mapping(_flask_config(settings))
    # First, so that it sees what the others make of a request.
    requests.init_app(app)
    # Flask calls in reverse what comes after a request: this fills in what is left.
    headers.init_app(app)
    db.init_app(app)
    app.register_blueprint(health.bp)
    app.register_blueprint(metrics.bp)
    app.register_blueprint(api.bp)
    app.register_blueprint(api_subscribers.bp)
    app.register_blueprint(feeds.bp)
    app.register_blueprint(embeds.bp)
    app.register_blueprint(beacon.bp)
    app.register_blueprint(reference.bp)
    app.register_blueprint(subscriptions.bp)
    app.register_blueprint(alertmanager.bp)
    app.register_blueprint(bounces.bp)
    app.register_blueprint(policy.bp)
    app.register_blueprint(push.bp)
    pages.init_app(app)
    admin.init_app(app)
    api_v1.init_app(app)
    commands.init_app(app)
    _wrap(app, settings, watch)
    return app


def create_records_app(settings: "Settings") -> "Flask":
    """An application for whoever needs the records alone: it has no address, and loads a
    third of what `create_app` does."""
    from flask import Flask

    from statuspage.db import db
    from statuspage.observability import logging as logs

    logs.configure(settings.log_format)
    app = Flask(__name__)
    app.config.from_mapping(_records_config(settings))
    db.init_app(app)
    return app


def _records_config(settings: "Settings") -> dict[str, object]:
    return {
        "SETTINGS": settings,
        "SQLALCHEMY_DATABASE_URI": settings.database_url,
        "SQLALCHEMY_ENGINE_OPTIONS": _engine_options(settings),
    }


def _flask_config(settings: "Settings") -> dict[str, object]:
    from statuspage.web import counting, sessions

    is_https = settings.base_url.startswith("https://")
    return {
        **_records_config(settings),
        "SECRET_KEY": settings.secret_key,
        "MAX_CONTENT_LENGTH": MAX_BODY_BYTES,
        "SESSION_COOKIE_NAME": sessions.cookie_name(is_https=is_https),
        "SESSION_COOKIE_PATH": "/",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": is_https,
        "RATELIMIT_STORAGE_URI": counting.storage_uri(settings.redis_url),
        # An incident form may be open for hours.
        "WTF_CSRF_TIME_LIMIT": None,
    }


def _engine_options(settings: "Settings") -> dict[str, object]:
    # An error tells the statement; what it was given may be a password or an address.
    options: dict[str, object] = {"hide_parameters": True}
    if not settings.is_sqlite:
        from statuspage.db import postgresql

        options |= postgresql.ENGINE_OPTIONS
    return options


def _as_typed(headers: "Headers", _path: str, _url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"


def _wrap(app: "Flask", settings: "Settings", watch: bool) -> None:
    """Put what needs no Flask in front of it, the hottest outermost."""
    from werkzeug.middleware.proxy_fix import ProxyFix
    from whitenoise import WhiteNoise

    from statuspage.cli import process_group
    from statuspage.serving import middleware

    if settings.proxy_hops:
        hops = settings.proxy_hops
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops
        )
    app.wsgi_app = WhiteNoise(  # type: ignore[method-assign]
        app.wsgi_app,
        root=app.static_folder,
        prefix="static/",
        max_age=86_400,
        add_headers_function=_as_typed,
    )
    is_behind_front = bool(os.environ.get(process_group.SOCKET))
    middleware.init_app(app, settings.data_dir, watch=watch, is_behind_front=is_behind_front)
    if settings.base_url.startswith("https://"):
        app.wsgi_app = _by_https_only(  # type: ignore[method-assign, assignment]
            app.wsgi_app, with_subdomains=settings.hsts_subdomains
        )


def _by_https_only(application: "WSGIApplication", *, with_subdomains: bool) -> "WSGIApplication":
    """Browsers that were here once come by HTTPS for a year (RFC 6797)."""
    below = "; includeSubDomains" if with_subdomains else ""
    policy = ("Strict-Transport-Security", f"max-age=31536000{below}")

    def wrapped(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*headers, policy], *more)

        return application(environ, start)

    return wrapped
