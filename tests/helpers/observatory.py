"""The rules of Mozilla's HTTP Observatory that such a page can win or lose by.

https://developer.mozilla.org/en-US/observatory/docs/tests_and_scoring
"""

import re

GUARDS = {
    "Content-Security-Policy",
    "X-Content-Type-Options",
    "Referrer-Policy",
    "Cross-Origin-Resource-Policy",
}
HALF_A_YEAR_S = 15_768_000
STRICT_REFERRER = {
    "no-referrer",
    "same-origin",
    "strict-origin",
    "strict-origin-when-cross-origin",
}


META = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
META_REFERRER = re.compile(r'<meta name="referrer" content="([^"]*)">')


def directives(policy):
    parts = (part.split() for part in policy.split(";") if part.strip())
    return {name: set(values) for name, *values in parts}


def all_of(policies):
    """What several policies allow together: where two speak of the same, what both allow."""
    together = {}
    for policy in policies:
        for name, values in directives(policy).items():
            together[name] = together.get(name, values) & values or {"'none'"}
    return together


def score(answer):
    return points(
        answer.headers, answer.get_data(as_text=True), answer.headers.getlist("Set-Cookie")
    )


def points(headers, text, cookies=()):
    """As the Observatory gives them, cookies and bonuses included."""
    policy = all_of([headers.get("Content-Security-Policy", ""), *META.findall(text)])
    found, bonus = 100, 0
    scripts = policy.get("script-src", policy.get("default-src", {"'unsafe-inline'"}))
    unsafe = {"'unsafe-inline'", "'unsafe-eval'"}
    if not policy:
        found -= 25
    elif scripts & unsafe:
        found -= 20
    else:
        styles = policy.get("style-src", policy.get("default-src", set()))
        is_strict = policy.get("default-src") == {"'none'"} and not styles & unsafe
        bonus += 10 if is_strict and "form-action" in policy else 5
    lifetime = re.search(r"max-age=(\d+)", headers.get("Strict-Transport-Security", ""))
    if lifetime is None:
        found -= 20
    elif int(lifetime[1]) < HALF_A_YEAR_S:
        found -= 10
    if "frame-ancestors" in policy:
        bonus += 5
    elif "X-Frame-Options" not in headers:
        found -= 20
    if headers.get("X-Content-Type-Options") != "nosniff":
        found -= 5
    # The last one counts, and what the page says comes after its headers.
    referrer = [headers.get("Referrer-Policy"), *META_REFERRER.findall(text)][-1]
    if referrer in STRICT_REFERRER:
        bonus += 5
    if headers.get("Cross-Origin-Resource-Policy") in {"same-origin", "same-site"}:
        bonus += 10
    if headers.get("Access-Control-Allow-Credentials"):
        found -= 50
    for cookie in cookies:
        found -= 40 * ("Secure" not in cookie) + 30 * ("HttpOnly" not in cookie)
    if cookies and all("Secure" in one and "SameSite" in one for one in cookies):
        bonus += 5
    if re.search(r'<script[^>]+src="(?:https?:)?//', text):
        found -= 5
    return found + bonus if found >= 90 else found
