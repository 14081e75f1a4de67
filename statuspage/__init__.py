"""A status page that people believe.

`create_app` is the one place that knows every part.
"""

from flask import Flask
from flask_migrate import Migrate
from werkzeug.middleware.proxy_fix import ProxyFix
from whitenoise import WhiteNoise

from statuspage import cli, config, logs
from statuspage.config import PROJECT, Settings
from statuspage.db import db
from statuspage.notify import jobs
from statuspage.web import health

MAX_BODY_BYTES = 1_000_000


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI application. Raises `SettingsError` when the environment is wrong."""
    settings = settings or config.load()
    logs.configure(settings)
    app = Flask(
        __name__,
        template_folder=PROJECT / "templates",
        static_folder=PROJECT / "static",
    )
    app.config.from_mapping(_flask_config(settings))
    db.init_app(app)
    Migrate(app, db, directory=str(PROJECT / "migrations"), render_item=_render_item)
    app.extensions["queue"] = jobs.make_queue(settings)
    app.register_blueprint(health.bp)
    cli.init_app(app)
    _wrap(app, settings)
    return app


def _flask_config(settings: Settings) -> dict[str, object]:
    is_https = settings.base_url.startswith("https://")
    return {
        "SETTINGS": settings,
        "SECRET_KEY": settings.secret_key,
        "SQLALCHEMY_DATABASE_URI": settings.database_url,
        "SQLALCHEMY_ENGINE_OPTIONS": {} if settings.is_sqlite else _POSTGRESQL,
        "MAX_CONTENT_LENGTH": MAX_BODY_BYTES,
        "SESSION_COOKIE_NAME": "statuspage",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": is_https,
        "RATELIMIT_STORAGE_URI": settings.redis_url or "memory://",
        # An incident form may be open for hours.
        "WTF_CSRF_TIME_LIMIT": None,
    }


_POSTGRESQL = {
    "pool_pre_ping": True,
    "pool_size": 5,
    # A database that hangs is a database that is gone: say so within seconds.
    "pool_timeout": 5,
    "connect_args": {
        "connect_timeout": 3,
        "tcp_user_timeout": 5000,
        "options": "-c statement_timeout=10000 -c timezone=UTC",
    },
}


def _wrap(app: Flask, settings: Settings) -> None:
    """Put what needs no Flask in front of it, the hottest outermost."""
    if settings.proxy_hops:
        hops = settings.proxy_hops
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops
        )
    app.wsgi_app = WhiteNoise(  # type: ignore[method-assign]
        app.wsgi_app, root=str(app.static_folder), prefix="static/", max_age=86_400
    )


def _render_item(kind: str, item: object, context: object) -> str | bool:
    """Name our column types in a migration by what they are in the database."""
    if kind != "type":
        return False
    match type(item).__name__:
        case "UTCDateTime":
            return "sa.DateTime(timezone=True)"
        case "Enum":
            return f"sa.String(length={item.length})"  # type: ignore[attr-defined]
    return False
