"""What other sites put on their pages: a card in a frame, and a script with an element.

Both may be used by any site. The card does nothing there: it has no script and no form, and
its links open pages of their own.
"""

from http import HTTPStatus

from statuspage.page.html import assets, layout
from statuspage.page.html.formatting import Times
from statuspage.page.snapshot.values import Snapshot
from statuspage.serving.response import Rendering, style_source

FOR_EVERYBODY = (("Access-Control-Allow-Origin", "*"),)


def card(snapshot: Snapshot) -> Rendering:
    """`/embed`: the banner, since when, and a link to the page."""
    page = snapshot.page
    css = assets.stylesheet("tokens.css", "embed.css") + layout.accents(page)
    # It has no script; a copy of it has one, which tells how old the copy is (`mirror`).
    policy = (
        f"default-src 'none'; style-src {style_source(css)}; script-src 'self';"
        " connect-src 'self'; form-action 'none'; base-uri 'none'"
    )
    text = (
        layout.environment()
        .get_template("embed.html")
        .render(
            page=page,
            times=Times(page.zone, snapshot.at),
            banner=snapshot.banner,
            css=css,
            policy=policy,
        )
    )
    return Rendering(
        HTTPStatus.OK,
        "text/html; charset=utf-8",
        text.encode(),
        csp=f"{policy}; frame-ancestors *",
        headers=FOR_EVERYBODY,
    )


def script() -> Rendering:
    """`/embed.js`: defines `<status-page>` on the page that loads it."""
    return Rendering(
        HTTPStatus.OK,
        "text/javascript; charset=utf-8",
        assets.script("embed.js").encode(),
        cache_control="public, max-age=3600, stale-while-revalidate=86400",
        headers=FOR_EVERYBODY,
    )
