"""What a client sent, as one nested value: JSON, forms and query strings alike.

Nested names are written as Rails does: `incident[components][abc]=operational`,
`component_ids[]=abc`. Real clients send even a POST that way, in the query string.
"""

import json
import math
import re
from collections.abc import Iterable
from typing import Any

from flask import Request

from statuspage.web.json_errors import Refused

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
MAX_DEPTH = 20
MAX_PAIRS = 5_000

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_KEY = re.compile(r"\[([^\[\]]*)\]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def fields_of(request: Request) -> dict[str, Any]:
    """Everything that a request says; its body wins over its query string.

    Raises `Refused` (400) for what cannot be read.
    """
    fields = nested(request.args.items(multi=True))
    sent = request.get_data(cache=True)
    if request.mimetype in FORMS and not sent.lstrip().startswith(b"{"):
        fields |= nested(request.form.items(multi=True))
    elif sent.strip():
        # Also where the type says form: `curl --data '{…}'` sends JSON that way.
        fields |= _object(sent)
    _refuse_what_can_not_be_kept(fields)
    return fields


def nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """`[("a[b][]", "1"), ("a[b][]", "2")]` as `{"a": {"b": ["1", "2"]}}`.

    A name that cannot be read that way stands for itself. Raises `Refused` (400)
    when one name is used as two kinds of thing, or too much is sent.
    """
    fields: dict[str, Any] = {}
    for number, (name, value) in enumerate(pairs):
        if number >= MAX_PAIRS:
            raise Refused(400, f"Send at most {MAX_PAIRS} fields.")
        match = _NAME.fullmatch(name)
        keys = [match[1], *_KEY.findall(match[2])] if match else [name]
        if len(keys) > MAX_DEPTH:
            raise Refused(400, "The names are nested too deeply.")
        _put(fields, keys, value, name)
    return fields


def wrapped(sent: Any, name: str, *others: str) -> Any:
    """With everything below `name`, where a client left that name out or wrote another."""
    if not isinstance(sent, dict):
        return sent
    for key in (name, *others):
        if key in sent:
            return sent | {name: sent[key]}
    return sent | {name: sent}


def _put(into: dict[str, Any], keys: list[str], value: str, name: str) -> None:
    *groups, last = keys
    is_list = last == "" and bool(groups)
    if is_list:
        last = groups.pop()
    here = into
    for key in groups:
        here = here.setdefault(key, {})
        if not isinstance(here, dict) or key == "":
            raise Refused(400, f"Cannot read the name {name!r}; send JSON instead.")
    if not is_list:
        here[last] = value
        return
    values = here.setdefault(last, [])
    if not isinstance(values, list):
        raise Refused(400, f"{name!r} is used both as a list and as something else.")
    values.append(value)


def _object(sent: bytes) -> dict[str, Any]:
    try:
        value = json.loads(sent.decode("utf-8"), parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise Refused(400, "The body is not UTF-8.") from error
    except RecursionError as error:
        raise Refused(400, "The body is nested too deeply.") from error
    except ValueError as error:
        raise Refused(400, f"The body is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise Refused(400, 'The body must be a JSON object, such as {"component": {…}}.')
    return value


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is not a number")


def _refuse_what_can_not_be_kept(fields: dict[str, Any]) -> None:
    """Raise `Refused` for NUL and halves of characters, in any name or text, at any depth."""
    waiting: list[tuple[Any, int]] = [(fields, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise Refused(400, f"The body is nested more than {MAX_DEPTH} deep.")
        if isinstance(value, str) and _UNSTORABLE.search(value):
            raise Refused(400, "A text contains NUL or an unpaired surrogate.")
        if isinstance(value, float) and not math.isfinite(value):
            raise Refused(400, "A number is too large.")
        if isinstance(value, dict):
            waiting += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, list):
            waiting += [(part, depth + 1) for part in value]
