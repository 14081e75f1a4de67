"""`/api/openapi.json`: both APIs as OpenAPI 3.1, told from the declarations that serve them.

Nothing is written twice: operations bring their method, path, scope, body and answer,
models bring their JSON Schema. The docstring under a field is its description.
"""

import ast
import inspect
import json
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from statuspage.config import PROJECT
from statuspage.web.operations import OPERATIONS, Nothing, Operation, Reading

Json = dict[str, Any]

KEY = {"type": "string", "pattern": "^[0-9A-Za-z_-]{1,64}$"}
NUMBER = {"type": "integer", "minimum": 1}
QUERY: dict[str, Json] = {
    "page": NUMBER | {"default": 1},
    "per_page": NUMBER | {"default": 100},
    "limit": NUMBER | {"default": 100},
}
"""Parameters that are no plain text. Sizes above 100 are taken as 100."""

PUBLIC = "public"
"""The noun of all that anybody may read."""

REFUSALS = {
    "400": "The request cannot be read.",
    "401": "No token, or an unknown, revoked or expired one.",
    "403": "The token lacks the scope.",
    "404": "Not found.",
    "405": "This address does not support the method.",
    "409": "Another request changed the same thing.",
    "413": "The body is larger than 1 MB.",
    "420": "Too many requests; `Retry-After` says when to continue.",
    "422": "A value is invalid.",
    "503": "The database is unavailable. Unless the error says otherwise, nothing was changed.",
}


class Error(BaseModel):
    """Why a request was refused: a sentence or a list of sentences, and all of them as one text."""

    error: str | list[str]
    message: str


def document(base_url: str, readings: Sequence[Reading]) -> Json:
    """The whole document, as JSON-ready values."""
    schemas = _Schemas()
    schemas.add(Error, "serialization")
    for reading in readings:
        schemas.add(reading.returns, "serialization")
    for operation in OPERATIONS:
        schemas.add(operation.body, "validation")
        if operation.returns is not None:
            schemas.add(operation.returns, "serialization")
    schemas_made, definitions = schemas.made()
    paths: dict[str, Json] = {
        reading.path: {"get": _reading(reading, schemas_made)} for reading in readings
    }
    for operation in OPERATIONS:
        paths.setdefault(f"/v1{operation.path}", {})[operation.method.lower()] = _operation(
            operation, schemas_made
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Status page",
            "version": version_of_this(),
            "description": "Read the page at `/api/v2`, change it at `/v1`. Both are"
            " compatible with Statuspage's APIs.",
        },
        "servers": [{"url": base_url}],
        "tags": [{"name": tag} for tag in nouns()],
        "paths": paths,
        "components": {
            "schemas": definitions,
            "responses": _refusals(schemas_made[Error, "serialization"]),
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`OAuth sp_…`",
                },
                "api_key": {"type": "apiKey", "in": "query", "name": "api_key"},
            },
        },
    }


def nouns() -> list[str]:
    """What the operations are about, reading first."""
    return [PUBLIC, *dict.fromkeys(tag_of(operation.path) for operation in OPERATIONS)]


def tag_of(path: str) -> str:
    """The noun that an operation is about: `/pages/{page_id}/metrics/data` is of `metrics`."""
    nouns = [part for part in path.strip("/").split("/") if not part.startswith("{")]
    return nouns[1] if len(nouns) > 1 and nouns[0] in ("pages", "organizations") else nouns[0]


def version_of_this() -> str:
    match = re.search(r'^version = "([^"]+)"', (PROJECT / "pyproject.toml").read_text(), re.M)
    assert match is not None
    return match[1]


def _reading(reading: Reading, schemas: dict[Any, Json]) -> Json:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": KEY}
        for name in re.findall(r"\{(\w+)\}", reading.path)
    ]
    content = {"application/json": {"schema": schemas[reading.returns, "serialization"]}}
    return {
        "operationId": reading.id,
        "tags": [PUBLIC],
        "summary": reading.summary,
        "security": [],
        "parameters": parameters,
        "responses": {"200": {"description": "Its current state.", "content": content}}
        | {code: {"$ref": f"#/components/responses/{code}"} for code in ("404", "405", "503")},
    }


def _operation(operation: Operation, schemas: dict[Any, Json]) -> Json:
    described_operation: Json = {
        "operationId": operation.id,
        "tags": [tag_of(operation.path)],
        "summary": operation.summary,
        "x-scope": operation.needs.value,
        "security": [{"token": []}, {"api_key": []}],
        "parameters": [
            *_path_parameters(operation),
            *_query_parameters(operation),
            *_headers(operation),
        ],
        "responses": _answers(operation, schemas),
    }
    if operation.body is not Nothing:
        schema = schemas[operation.body, "validation"]
        described_operation["requestBody"] = {
            "required": any(field.is_required() for field in operation.body.model_fields.values()),
            "content": {"application/json": {"schema": schema}},
        }
    if operation.reason:
        described_operation["deprecated"] = True
    return described_operation


def _path_parameters(operation: Operation) -> Iterable[Json]:
    for name in re.findall(r"\{(\w+)\}", operation.path):
        words = _taken(operation.path.partition(f"{{{name}}}")[0])
        schema = KEY | {"not": {"enum": words}} if words else KEY
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _taken(start: str) -> list[str]:
    """Reserved words at this place of a path, so that no key there is one of them."""
    rests = (
        operation.path.removeprefix(start)
        for operation in OPERATIONS
        if operation.path.startswith(start)
    )
    return sorted({rest.partition("/")[0] for rest in rests if not rest.startswith("{")})


def _query_parameters(operation: Operation) -> Iterable[Json]:
    for name in operation.query:
        yield {"name": name, "in": "query", "schema": QUERY.get(name, {"type": "string"})}


def _headers(operation: Operation) -> Iterable[Json]:
    if operation.method == "POST":
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
            "description": "A request repeated with the same key gets the first response again.",
        }


def _answers(operation: Operation, schemas: dict[Any, Json]) -> Json:
    answers: Json = {}
    if operation.reason is None:
        answers[str(operation.success)] = {"description": "Done."}
        if operation.success != 204:
            schema = (
                {"type": "object"}
                if operation.returns is None
                else schemas[operation.returns, "serialization"]
            )
            answers[str(operation.success)]["content"] = {"application/json": {"schema": schema}}
    return answers | {code: {"$ref": f"#/components/responses/{code}"} for code in REFUSALS}


def _refusals(schema: Json) -> Json:
    content = {"application/json": {"schema": schema}}
    return {code: {"description": words, "content": content} for code, words in REFUSALS.items()}


class _Schemas:
    """Collects types and makes one set of definitions of all of them."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[Any, str], TypeAdapter[Any]] = {}

    def add(self, kind: Any, mode: str) -> None:
        self._kinds.setdefault((kind, mode), TypeAdapter(kind))

    def made(self) -> tuple[dict[Any, Json], Json]:
        """(schema of each (type, mode), definitions by name)."""
        inputs = [
            (number, mode, adapter)
            for number, ((_, mode), adapter) in enumerate(self._kinds.items())
        ]
        schemas, rest = TypeAdapter.json_schemas(
            inputs,  # type: ignore[arg-type]
            ref_template="#/components/schemas/{model}",
            schema_generator=_WithDocstrings,
        )
        by_kind = {
            kind: _with_published_names(schemas[number, kind[1]])  # type: ignore[index]
            for number, kind in enumerate(self._kinds)
        }
        return by_kind, _with_published_names(rest.get("$defs", {}))


class _WithDocstrings(GenerateJsonSchema):
    """Reads the docstrings of fields only here: pydantic's `use_attribute_docstrings` parses
    each class when it is made, a tenth of the start of every process."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        json_schema = super().model_schema(schema)
        for name, text in _field_docstrings(schema["cls"]).items():
            json_schema["properties"][name].setdefault("description", text)
        return json_schema


def _field_docstrings(model: type[BaseModel]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for base in reversed(model.__mro__[: model.__mro__.index(BaseModel)]):
        (tree,) = ast.parse(inspect.getsource(base)).body
        assert isinstance(tree, ast.ClassDef)
        for field, docstring in pairwise(tree.body):
            match field, docstring:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    texts[name] = inspect.cleandoc(text)
    return texts


def _with_published_names(schema: Any) -> Json:
    """Two classes of one name are told apart by their module. Generated clients have those
    names, so they stay as they were published first."""
    text = json.dumps(schema).replace("statuspage__web__api_v1__", "statuspage__web__manage__")
    renamed: Json = json.loads(text)
    return renamed
