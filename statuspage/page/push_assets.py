"""What a browser needs to be notified: a worker, the script of the form, a manifest, an icon."""

import hashlib
import json
from functools import cache
from http import HTTPStatus

from statuspage.config import PROJECT
from statuspage.page.html import assets
from statuspage.page.snapshot.values import PageView
from statuspage.serving.response import Rendering

A_DAY = "public, max-age=86400"


def worker() -> Rendering:
    """`/push-worker.js`: at the top, as it may only act for what lies below its address."""
    return _script("push-worker.js")


def script() -> Rendering:
    """`/subscribe.js`: adds this browser to the ways of the form."""
    return _script("subscribe.js")


@cache
def script_path() -> str:
    """The script's address; it changes with the script."""
    digest = hashlib.sha256(assets.script("subscribe.js").encode()).hexdigest()
    return f"/subscribe.js?v={digest[:8]}"


def manifest(page: PageView) -> Rendering:
    """`/site.webmanifest`: iPhones and iPads notify only for a page on the Home Screen."""
    fields = {
        "id": "/",
        "name": f"{page.name} status",
        "short_name": page.name,
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": "#fbfbfa",
        "theme_color": "#fbfbfa",
        "icons": [
            {"src": "/icon.png", "sizes": "192x192", "type": "image/png"},
            {"src": "/favicon.svg", "sizes": "any", "type": "image/svg+xml"},
        ],
    }
    body = json.dumps(fields, ensure_ascii=False).encode()
    return Rendering(HTTPStatus.OK, "application/manifest+json", body)


def icon() -> Rendering:
    """`/icon.png`: what stands on a Home Screen and beside a notification."""
    body = (PROJECT / "static" / "icon.png").read_bytes()
    return Rendering(HTTPStatus.OK, "image/png", body, cache_control=A_DAY)


def _script(name: str) -> Rendering:
    body = assets.script(name).encode()
    return Rendering(HTTPStatus.OK, "text/javascript; charset=utf-8", body, cache_control=A_DAY)
