"""Models whose fields are described by the words below them, for the description of the APIs.

The words are looked up when a JSON Schema is asked for, which is seldom. Pydantic's own
`use_attribute_docstrings` reads the sources of every model while they are loaded: it took a
tenth of a start.
"""

import ast
import inspect
import sys
from functools import cache
from pathlib import Path

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Described(BaseModel):
    """A model at the top of its module."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        told = handler(schema)
        fields = handler.resolve_ref_schema(told).get("properties", {})
        for kind in reversed(cls.__mro__):
            for name, words in _words(kind.__module__).get(kind.__name__, {}).items():
                if name in fields and cls.model_fields[name].description is None:
                    fields[name]["description"] = words
        return told


@cache
def _words(module: str) -> dict[str, dict[str, str]]:
    """Class → field → the words below it, of our own modules."""
    if not module.startswith("statuspage."):
        return {}
    source = Path(sys.modules[module].__file__ or "")
    tree = ast.parse(source.read_bytes())
    return {one.name: _of_fields(one) for one in tree.body if isinstance(one, ast.ClassDef)}


def _of_fields(one: ast.ClassDef) -> dict[str, str]:
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in zip(one.body, one.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }
