"""What programmers read: `/api/openapi.json`, and the same as a page, `/api/reference`."""

import json
from dataclasses import dataclass, replace
from functools import cache
from http import HTTPStatus

from flask import Blueprint, current_app
from flask.typing import ResponseReturnValue

from statuspage import clock
from statuspage.page.exported import Exported, exported
from statuspage.page.html import pages as pages_html
from statuspage.page.html.formatting import Times
from statuspage.page.snapshot import build as snapshot
from statuspage.page.snapshot.build import NoPageError
from statuspage.serving.middleware import publish
from statuspage.serving.response import Rendering
from statuspage.web import openapi
from statuspage.web.openapi import Json
from statuspage.web.public.api_v2_schemas import READINGS

ADDRESS = "/api/openapi.json"

bp = Blueprint("reference", __name__)


@bp.get(ADDRESS)
@exported(Exported.AFTER_RELEASES)
def document() -> ResponseReturnValue:
    def render() -> Rendering:
        return Rendering(
            HTTPStatus.OK,
            "application/json",
            _document(_base_url()),
            headers=(("Access-Control-Allow-Origin", "*"),),
        )

    return publish(ADDRESS, render)


@bp.get("/api/reference")
@exported(Exported.AFTER_RELEASES)
def reference() -> ResponseReturnValue:
    def render() -> Rendering:
        try:
            page = snapshot.describe(base_url=_base_url())
        except NoPageError:
            return pages_html.not_ready()
        groups = sections(json.loads(_document(_base_url())))
        return pages_html.reference(page, Times(page.zone, clock.now()), groups)

    return publish("/api/reference", render)


@cache
def _document(base_url: str) -> bytes:
    """It changes with the program only, and takes a while to make. As JSON, a tenth of its size."""
    return json.dumps(openapi.document(base_url, READINGS), ensure_ascii=False).encode()


@dataclass(frozen=True)
class Field:
    """One line of a body or an answer: `incident.name`, its type in words, what it is."""

    name: str
    kind: str
    words: str
    is_required: bool


@dataclass(frozen=True)
class Entry:
    """One operation as the page shows it."""

    id: str
    method: str
    path: str
    summary: str
    scope: str | None
    """None: anybody may."""
    query: tuple[str, ...]
    body: tuple[Field, ...]
    success: str
    answer: tuple[Field, ...]
    """Nothing is marked as required: every key is always there."""
    answer_heading: str


def sections(document: Json) -> list[tuple[str, list[Entry]]]:
    """The operations by noun, in the order of the document."""
    by_tag: dict[str, list[Entry]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag[operation["tags"][0]].append(_entry(document, path, method, operation))
    return list(by_tag.items())


def _entry(document: Json, path: str, method: str, described: Json) -> Entry:
    code, answer = next(iter(described["responses"].items()))
    schema = _schema(answer)
    return Entry(
        id=described["operationId"],
        method=method.upper(),
        path=path,
        summary=described["summary"],
        scope=described.get("x-scope"),
        query=tuple(
            parameter["name"] for parameter in described["parameters"] if parameter["in"] == "query"
        ),
        body=_fields(document, _schema(described.get("requestBody", {}))),
        success=code,
        answer=tuple(replace(field, is_required=False) for field in _fields(document, schema)),
        answer_heading="Response: a list of" if schema.get("type") == "array" else "Response",
    )


def _schema(described: Json) -> Json:
    schema: Json = described.get("content", {}).get("application/json", {}).get("schema", {})
    return schema


def _fields(document: Json, schema: Json, prefix: str = "") -> tuple[Field, ...]:
    """The keys of an object, those of objects within it by `outer.inner`, two levels deep."""
    schema = _resolved(document, schema)
    if schema.get("type") == "array":
        schema = _resolved(document, schema["items"])
    fields: list[Field] = []
    for name, property_schema in schema.get("properties", {}).items():
        inner = _resolved(document, property_schema)
        if "properties" in inner and not prefix:
            fields += _fields(document, inner, f"{name}.")
            continue
        is_required = name in schema.get("required", ())
        words = property_schema.get("description", "")
        fields.append(Field(prefix + name, _kind(document, property_schema), words, is_required))
    return tuple(fields)


def _resolved(document: Json, schema: Json) -> Json:
    if "$ref" not in schema:
        return schema
    name = schema["$ref"].rpartition("/")[2]
    found: Json = document["components"]["schemas"][name]
    return found


def _kind(document: Json, schema: Json) -> str:
    """`text`, `date-time or null`, `list of text`, or the words that are allowed."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(document, option) for option in schema["anyOf"]))
    schema = _resolved(document, schema)
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    match schema.get("type"):
        case "array":
            return f"list of {_kind(document, schema.get('items', {}))}"
        case "string":
            return str(schema.get("format", "text"))
        case None:
            return "anything"
        case other:
            return str(other)


def _base_url() -> str:
    base_url: str = current_app.config["SETTINGS"].base_url
    return base_url
