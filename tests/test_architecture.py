"""Imports point one way, and a few promises that hold for the whole source."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from statuspage.config import PROJECT

PACKAGE = PROJECT / "statuspage"

TOP = {"__init__", "__main__", "factory", "config", "clock", "errors"}
"""The only modules that do not live in a room."""

LIB = {"lib", "errors", "clock"}
BASE = {"observability", "config"} | LIB
RULES = {"domain", "db"} | BASE

# What each room may import beside itself.
ARROW = {
    "errors": set(),
    "clock": set(),
    "lib": {"errors", "clock"},
    "config": LIB,
    "observability": BASE,
    "db": BASE,
    "domain": {"db"} | BASE,
    "serving": BASE,
    "proxy": {"serving"} | BASE,
    "page": {"serving"} | RULES,
    "notify": {"page", "serving"} | RULES,
    "web": {"notify", "page", "serving"} | RULES,
    "export": {"page", "serving"} | RULES,
    "importers": {"page", "notify"} | RULES,
    "backup": {"page", "notify", "factory", "export"} | RULES,
    "checks": {"page", "notify", "backup", "export"} | RULES,
    "demo": {"page", "notify"} | RULES,
    "factory": {"web", "notify", "page", "serving", "cli"} | RULES,
}
"""`cli` and `__main__` put rooms together and may import every one."""

NEVER_FLASK = ("domain", "page", "proxy", "lib", "clock", "errors", "config")

OPTIONAL_EXTRAS = {"obstore", "sentry_sdk", "opentelemetry"}
"""Imported inside functions: they are installed only where an operator asks for them."""


def _modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _name(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _names(node: ast.AST) -> set[str]:
    """Dotted names that one import statement loads."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {f"{node.module}.{alias.name}" for alias in node.names}
    return set()


def _imports(path: Path) -> set[str]:
    """Dotted names of everything that a file imports, inside functions too."""
    return {name for node in ast.walk(_tree(path)) for name in _names(node)}


def test_no_module_lies_loose_on_top():
    assert {path.stem for path in PACKAGE.glob("*.py")} == TOP


def test_importing_a_room_loads_that_room_only():
    assert not _imports(PACKAGE / "__init__.py")


def test_nothing_imports_relatively():
    for path in _modules():
        for node in ast.walk(_tree(path)):
            assert not (isinstance(node, ast.ImportFrom) and node.level), path


@pytest.mark.parametrize("path", _modules(), ids=_name)
def test_imports_follow_the_arrow(path):
    room = _room(path)
    if room not in ARROW:
        assert room in {"cli", "__main__", "__init__"}
        return
    allowed = ARROW[room] | {room}
    ours = {name.split(".")[1] for name in _imports(path) if name.startswith("statuspage.")}
    assert ours <= allowed, f"{_name(path)} must not import {sorted(ours - allowed)}"


def test_no_audience_of_the_web_imports_another():
    audiences = {
        path.name for path in (PACKAGE / "web").iterdir() if (path / "__init__.py").exists()
    }
    assert audiences == {"admin", "api_v1", "hooks", "public"}
    for path in (PACKAGE / "web").rglob("*.py"):
        audience = path.relative_to(PACKAGE / "web").parts[0]
        others = {f"statuspage.web.{name}." for name in audiences - {audience}}
        for name in _imports(path):
            assert not any(f"{name}.".startswith(other) for other in others), (_name(path), name)


def test_the_proxy_knows_http_only():
    pure = {"conditional", "response", "error_page"}
    allowed = {f"statuspage.serving.{name}" for name in pure} | {
        "statuspage.lib.client_network",
        "statuspage.observability.logging",
        "statuspage.observability.request_ids",
    }
    for path in (PACKAGE / "proxy").iterdir():
        if path.suffix == ".py":
            names = {name for name in _imports(path) if name.startswith("statuspage.")}
            outside = {name for name in names if not name.startswith("statuspage.proxy")}
            foreign = {name for name in outside if name.rpartition(".")[0] not in allowed}
            assert not foreign, f"{_name(path)} must not import {sorted(foreign)}"


def test_no_two_files_import_each_other():
    by_module = {
        ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in _modules()
    }
    graph = {}
    for module, path in by_module.items():
        names = _imports(path)
        graph[module] = {
            name if name in by_module else name.rpartition(".")[0] for name in names
        } & set(by_module) - {module}
    assert _circles(graph) == []


def _circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Remove modules that import nothing left in the graph; what remains is in a circle."""
    graph = {module: set(imports) for module, imports in graph.items()}
    while leaves := {module for module, imports in graph.items() if not imports & set(graph)}:
        for leaf in leaves:
            del graph[leaf]
    while roots := set(graph) - {name for imports in graph.values() for name in imports}:
        for root in roots:
            del graph[root]
    return [sorted(graph)] if graph else []


def test_imports_stand_at_the_top():
    lazy = set()
    for path in _modules():
        for function in ast.walk(_tree(path)):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    lazy |= {f"{_name(path)}: {name}" for name in _modules_of(node)}
    assert not {line for line in lazy if _top(line.partition(": ")[2]) not in OPTIONAL_EXTRAS}


def _top(module: str) -> str:
    return module.partition(".")[0]


def _modules_of(node: ast.AST) -> set[str]:
    if isinstance(node, ast.ImportFrom):
        return {str(node.module)}
    return _names(node)


@pytest.mark.parametrize("room", NEVER_FLASK)
def test_rules_and_renderings_know_no_web_framework(room):
    for path in _modules():
        if _room(path) == room:
            tops = {name.split(".")[0] for name in _imports(path)}
            forbidden = {"flask", "werkzeug", "flask_login", "flask_wtf"} & tops
            assert not forbidden, f"{_name(path)} imports {forbidden}"


def test_rules_never_commit():
    for path in _modules():
        if _room(path) == "domain":
            assert not re.search(r"session\.(commit|rollback)\(", path.read_text()), path


def test_only_the_clock_asks_what_time_it_is():
    asks = re.compile(r"datetime\.(now|utcnow)\(|date\.today\(")
    asking = {_room(path) for path in _modules() if asks.search(path.read_text())}
    assert asking == {"clock"}


def test_only_the_markdown_module_makes_markup():
    making = {
        _name(path) for path in _modules() if re.search(r"\bMarkup\((?!\"\"\))", path.read_text())
    }
    assert making <= {"lib/markdown.py"}


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
        match = bad.search(path.read_text(errors="replace"))
        assert not match, f"{name}: {match.group()}"


MAX_ARGUMENTS = 6
"""Beside `self`, and `by` and `at`, which every verb takes. More of them are a frozen dataclass."""

LONG_ARGUMENT_LISTS = {
    "domain/events.py:record",  # The columns of one row of the audit log.
    "export/staging.py:write",
    "export/worker.py:__init__",
    "importers/statuspage/feed.py:incident_of",
    "lib/http_client.py:_exchange",
    "notify/chat_message.py:_plain",
    "page/feeds/updates.py:_feed",
    "page/html/layout.py:document",
    "page/html/subscription_pages.py:_asking",
    "page/html/subscription_pages.py:_notice",
    "page/html/subscription_pages.py:manage",
    "serving/cache.py:__init__",
    "web/api_v1/components.py:_tell",
    "web/api_v1/operations.py:operation",
}


def test_long_argument_lists_are_dataclasses():
    long = set()
    for path in _modules():
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                arguments = node.args
                every = arguments.posonlyargs + arguments.args + arguments.kwonlyargs
                names = {argument.arg for argument in every} - {"self", "cls", "by", "at"}
                if len(names) > MAX_ARGUMENTS:
                    long.add(f"{_name(path)}:{node.name}")
    assert long <= LONG_ARGUMENT_LISTS, f"pass a dataclass: {sorted(long - LONG_ARGUMENT_LISTS)}"
