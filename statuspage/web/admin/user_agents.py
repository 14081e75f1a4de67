"""Browsers by the name they give (`User-Agent`), in words a person knows. Pure.

Nothing is decided by it; it tells one's own sessions apart.
"""

# The order matters: each names those it descends from as well.
_PROGRAMS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def describe(agent: str) -> str:
    """`Firefox on Windows`, `Safari on iPhone`; `Unknown browser` where nothing is known."""
    program = _first(_PROGRAMS, agent)
    system = _first(_SYSTEMS, agent)
    if program and system:
        return f"{program} on {system}"
    return program or (f"A browser on {system}" if system else "Unknown browser")


def _first(names: tuple[tuple[str, str], ...], agent: str) -> str | None:
    return next((name for mark, name in names if mark in agent), None)
