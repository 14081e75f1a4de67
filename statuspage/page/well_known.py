"""`/.well-known/`: the addresses of all that a program can take from the page, and whom to tell
of a vulnerability."""

import json
from datetime import UTC, datetime
from http import HTTPStatus

from statuspage.page.snapshot.values import PageView
from statuspage.serving.response import Rendering

# RFC 8631: how a Web service names its description, its documentation and its status.
LINKS = (
    '</api/openapi.json>; rel="service-desc"; type="application/json",'
    ' </api>; rel="service-doc"; type="text/html",'
    ' </api/v2/status.json>; rel="status"; type="application/json"'
)


def render(page: PageView) -> Rendering:
    return Rendering(
        HTTPStatus.OK,
        "application/json",
        (json.dumps(_addresses(page), ensure_ascii=False, indent=1) + "\n").encode(),
        headers=(("Access-Control-Allow-Origin", "*"), ("Link", LINKS)),
    )


def security_txt(page: PageView, at: datetime) -> Rendering | None:
    """RFC 9116: vulnerabilities are reported to the page's support address; None without one.

    It expires at the beginning of a month, seven months ahead: within the year that the RFC
    asks for, and the same text for a month.
    """
    if not (page.support_url or "").startswith(("https://", "mailto:")):
        return None
    years, month = divmod(at.month + 6, 12)
    expires = datetime(at.year + years, month + 1, 1, tzinfo=UTC)
    lines = (
        f"Contact: {page.support_url}",
        f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}",
        f"Canonical: {page.url}/.well-known/security.txt",
    )
    return Rendering(
        HTTPStatus.OK, "text/plain; charset=utf-8", "".join(f"{line}\n" for line in lines).encode()
    )


def _addresses(page: PageView) -> dict[str, object]:
    """`{id}` stands for the id of a component, as in the summary (RFC 6570)."""
    url = page.url
    return {
        "name": page.name,
        "page": f"{url}/",
        "time_zone": page.time_zone,
        "status": f"{url}/api/v2/status.json",
        "summary": f"{url}/api/v2/summary.json",
        "api": {"description": f"{url}/api/openapi.json", "documentation": f"{url}/api"},
        "feeds": {
            "updates": [f"{url}/feeds/updates.{form}" for form in ("atom", "rss", "json")],
            "incidents": [f"{url}/history.{form}" for form in ("atom", "rss")],
        },
        "calendar": f"{url}/maintenance.ics",
        "badge": f"{url}/badge.svg",
        "card": f"{url}/embed",
        "script": f"{url}/embed.js",
        "subscribe": f"{url}/subscribe",
        "component": {
            "page": f"{url}/components/{{id}}",
            "feeds": [f"{url}/components/{{id}}.{form}" for form in ("atom", "rss", "json")],
            "calendar": f"{url}/components/{{id}}.ics",
            "badge": f"{url}/components/{{id}}/badge.svg",
        },
    }
