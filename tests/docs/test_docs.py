"""What the documents promise exists: settings, commands, addresses, files."""

import re

import click
import pytest

from statuspage.config import PROJECT, Settings, environment_names
from tests.conftest import on_sqlite

DOCUMENTS = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])
NO_SETTINGS = {
    "STATUSPAGE_NEW_DATABASE_URL",  # of `flask db move`
    "STATUSPAGE_REQUIRE_ALL",
    "STATUSPAGE_TEST_POSTGRES_URL",
    "STATUSPAGE_TEST_REDIS_URL",
}

pytestmark = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT))
)


def spans(document) -> list[str]:
    """What stands in code type: fenced blocks line by line, and words in backticks."""
    text = document.read_text()
    fenced = re.findall(r"^```.*?\n(.*?)^```", text, re.M | re.S)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    return [line for block in fenced for line in block.splitlines()] + inline


def test_named_settings_exist(document):
    known = {name for field in Settings.model_fields for name in environment_names(field)}
    named = set(re.findall(r"\bSTATUSPAGE_[A-Z_]+[A-Z]\b", document.read_text()))
    assert named <= known | NO_SETTINGS


def test_named_make_targets_exist(document):
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.M))
    named = {name for span in spans(document) for name in re.findall(r"\bmake ([a-z-]+)", span)}
    assert named <= targets


@on_sqlite
def test_named_flask_commands_exist(document, app):
    for span in spans(document):
        for words in re.findall(r"\bflask ((?:[a-z][a-z-]* ?)+)", span):
            command: click.Command = app.cli
            for word in words.split():
                if not isinstance(command, click.Group):
                    break
                found = command.get_command(click.Context(command), word)
                assert found is not None, f"flask {words}"
                command = found


@on_sqlite
def test_named_paths_exist(document, app):
    rules = [re.sub(r"<[^>]*>", "<>", rule.rule) for rule in app.url_map.iter_rules()]
    urls = app.url_map.bind("status.example.com")
    for span in spans(document):
        if not re.fullmatch(r"/[a-z][\w./<>? =#…-]*", span):
            continue
        address = re.sub(r"<[^>]*>", "<>", re.split(r"[?#…]", span)[0])
        begins_one = any(rule.startswith(address.rstrip("/")) for rule in rules)
        assert begins_one or urls.test(address.replace("<>", "x")), span


def test_file_links_exist(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if "://" not in target and not target.startswith("#"):
            assert (document.parent / target.partition("#")[0]).exists(), target


def test_named_files_exist(document):
    for span in spans(document):
        if re.fullmatch(r"(?:statuspage|tests|docs|benchmarks|static|templates)/[\w./-]+", span):
            assert (PROJECT / span).exists(), span


def test_named_tests_exist(document):
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", document.read_text()):
        assert f"def {name}(" in (PROJECT / path).read_text(), f"{path}::{name}"
