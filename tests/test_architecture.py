"""Imports point one way, and a few promises that hold for the whole source."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from statuspage.config import PROJECT

PACKAGE = PROJECT / "statuspage"

# Each part may import itself and what stands to the right of it.
ARROW = {
    "web": {"page", "notify", "domain", "db", "schema", "logs"},
    "page": {"domain", "db"},
    "notify": {"page", "domain", "db", "logs"},
    "domain": {"db"},
    "front": {"page", "group", "logs"},
    "mirror": {"page", "domain", "db"},
    "db": set(),
}
LEAVES = {
    "config",
    "counters",
    "rsa_key",
    "clock",
    "text",
    "links",
    "errors",
    "i18n",
    "negotiation",
    "outlet",
    "request_ids",
    "tracing",
}
NEVER_FLASK = (
    "domain",
    "page",
    "front",
    "mirror",
    "negotiation",
    "clock",
    "text",
    "links",
    "errors",
    "config",
)


def _modules():
    return sorted(PACKAGE.rglob("*.py"))


def _part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    """Dotted names of all that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_the_arrow(path):
    part = _part(path)
    if part in ARROW:
        allowed = ARROW[part] | {part} | LEAVES
    elif part in LEAVES:
        allowed = LEAVES
    else:
        return  # The composition: it knows every part.
    ours = {name.split(".")[1] for name in _imports(path) if name.startswith("statuspage.")}
    assert ours <= allowed, f"{part} must not import {sorted(ours - allowed)}"


@pytest.mark.parametrize("part", NEVER_FLASK)
def test_rules_and_renderings_know_no_web_framework(part):
    for path in _modules():
        if _part(path) == part:
            tops = {name.split(".")[0] for name in _imports(path)}
            forbidden = {"flask", "werkzeug", "flask_login", "flask_wtf"} & tops
            assert not forbidden, f"{path.relative_to(PACKAGE)} imports {forbidden}"


def test_rules_never_commit():
    for path in _modules():
        if _part(path) == "domain":
            assert not re.search(r"session\.(commit|rollback)\(", path.read_text()), path


def test_only_the_clock_asks_what_time_it_is():
    asks = re.compile(r"datetime\.(now|utcnow)\(|date\.today\(")
    asking = {_part(path) for path in _modules() if asks.search(path.read_text())}
    assert asking == {"clock"}


def test_only_text_makes_markup():
    making = {
        str(path.relative_to(PACKAGE))
        for path in _modules()
        if re.search(r"\bMarkup\((?!\"\"\))", path.read_text())
    }
    assert making <= {"text.py"}


def test_no_file_names_a_package_index_or_postpones_work():
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    # Put together from halves, so that this file does not find itself.
    words = [
        "files.python" + "hosted",
        "pypi." + "org/simple",
        "--(index|find-links|extra-index)" + "-?",
        r"\bTO" + r"DO\b",
        r"\bFIX" + r"ME\b",
    ]
    bad = re.compile("|".join(words))
    for name in filter(None, tracked):
        path = PROJECT / name
        if path.suffix in {".png", ".jpg", ".gif", ".webp"} or not path.is_file():
            continue
        found = bad.search(path.read_text(errors="replace"))
        assert not found, f"{name}: {found.group()}"
