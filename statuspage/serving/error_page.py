"""What a reader is told when there is nothing better to say; needs no records, no templates."""

RETRY_AFTER_S = 30
BARE_HEADERS = (
    (
        "Content-Security-Policy",
        "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
"""What guards an answer that loads nothing, sends nothing and is shown nowhere else."""
ERROR_PAGE_HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Retry-After", str(RETRY_AFTER_S)),
    ("Cache-Control", "no-store"),
    *BARE_HEADERS,
)
ERROR_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>This page is not available right now</title>
<main>
<h1>This page is not available right now</h1>
<p>{reason} {advice}</p>
<p><a href="/">Current status</a></p>{reference}
</main>
</html>
"""


NOTHING_LOST = "Nothing is lost. Please try again in half a minute."


def error_page(reason: str, advice: str, reference: str = "") -> str:
    """The page with two sentences of ours, in HTML, and the id of the request.

    Staff find in the log what went wrong by that id, which needs no escaping (`request_ids`).
    """
    note = f"\n<p><small>Reference: {reference}</small></p>" if reference else ""
    return ERROR_PAGE.format(reason=reason, advice=advice, reference=note)
