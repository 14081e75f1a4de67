"""`create_app`: the one place that puts the rooms together."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from wsgiref.headers import Headers

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix
from whitenoise import WhiteNoise

from statuspage import config
from statuspage.config import PROJECT, Settings
from statuspage.db import db, postgresql, read_only
from statuspage.domain import events
from statuspage.domain.subscribers import subscriptions
from statuspage.notify import wake_worker, worker
from statuspage.notify.channels import registry
from statuspage.observability import logging, requests
from statuspage.serving import middleware
from statuspage.serving.cache import ResponseCache
from statuspage.web import admin, api_v1, headers, health, metrics, rate_limits, sessions
from statuspage.web.hooks import alerts, bounces, csp_reports
from statuspage.web.public import (
    api,
    api_subscribers,
    beacon,
    embeds,
    feeds,
    pages,
    push,
    reference,
)
from statuspage.web.public import subscriptions as subscription_pages

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_BODY_BYTES = 1_000_000

WEB_SOCKET = "STATUSPAGE_SOCKET"
"""In the environment: where the web process listens, if our proxy stands in front of it."""

BLUEPRINTS = (
    health.bp,
    metrics.bp,
    api.bp,
    api_subscribers.bp,
    feeds.bp,
    embeds.bp,
    beacon.bp,
    reference.bp,
    subscription_pages.bp,
    alerts.bp,
    bounces.bp,
    csp_reports.bp,
    push.bp,
)


def create_app(settings: Settings | None = None, *, watch: bool = True) -> Flask:
    """The WSGI application. Raises `SettingsError` when the environment is wrong.

    `watch=False` is for tests: the cache compares its revision with the database at every
    request, not in a thread.
    """
    settings = settings or config.load()
    logging.configure(settings.log_format)
    app = Flask(
        "statuspage",
        root_path=str(PROJECT),
        template_folder=PROJECT / "templates",
        static_folder=PROJECT / "static",
    )
    app.config.from_mapping(_flask_config(settings))
    # First, so that it sees what the others make of a request.
    requests.init_app(app)
    # Flask runs after-request functions in reverse order: this one fills in what is missing.
    headers.init_app(app)
    db.init_app(app)
    worker.init_app(app)
    wake_worker.init_app()
    subscriptions.ADDRESS_RULES.update(registry.address_rules())
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    pages.init_app(app)
    admin.init_app(app)
    api_v1.init_app(app)
    app.session_interface = sessions.AdminSessionInterface()
    _wrap(app, settings, watch)
    return app


def _flask_config(settings: Settings) -> dict[str, object]:
    is_https = settings.origin.is_https
    return {
        "SETTINGS": settings,
        "SQLALCHEMY_DATABASE_URI": settings.sqlalchemy_url,
        "SQLALCHEMY_ENGINE_OPTIONS": _engine_options(settings),
        "SECRET_KEY": settings.secret_key,
        "MAX_CONTENT_LENGTH": MAX_BODY_BYTES,
        "SESSION_COOKIE_NAME": sessions.cookie_name(is_https=is_https),
        "SESSION_COOKIE_PATH": "/",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": is_https,
        "RATELIMIT_STORAGE_URI": rate_limits.storage_uri(settings.redis_url),
        # An incident form may be open for hours.
        "WTF_CSRF_TIME_LIMIT": None,
    }


def _engine_options(settings: Settings) -> dict[str, object]:
    # Errors show the statement, not its parameters: one may be a password or an address.
    options: dict[str, object] = {"hide_parameters": True}
    if not settings.is_sqlite:
        options |= postgresql.engine_options(settings.database_url)
    return options


def _wrap(app: Flask, settings: Settings, watch: bool) -> None:
    """Put WSGI middleware in front of Flask, the hottest outermost."""
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
        add_headers_function=_no_sniffing,
    )
    is_behind_proxy = bool(os.environ.get(WEB_SOCKET))
    middleware.init_app(app, _published(app, settings, watch), is_behind_proxy=is_behind_proxy)
    if settings.origin.is_https:
        app.wsgi_app = _by_https_only(  # type: ignore[method-assign, assignment]
            app.wsgi_app, with_subdomains=settings.hsts_subdomains
        )


def _published(app: Flask, settings: Settings, watch: bool) -> ResponseCache:
    @contextmanager
    def within() -> Iterator[None]:
        with app.app_context():
            read_only()
            yield

    return ResponseCache(
        events.revision,
        within=within,
        folder=settings.data_dir / "published",
        watch=watch,
    )


def _no_sniffing(headers: Headers, _path: str, _url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"


def _by_https_only(application: "WSGIApplication", *, with_subdomains: bool) -> "WSGIApplication":
    """Send HSTS for a year (RFC 6797)."""
    subdomains = "; includeSubDomains" if with_subdomains else ""
    policy = ("Strict-Transport-Security", f"max-age=31536000{subdomains}")

    def wrapped(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*headers, policy], *more)

        return application(environ, start)

    return wrapped
