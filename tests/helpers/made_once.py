"""What every application of a run would make anew and alike, made once and shared.

An application is made for each test, as in production. Most of that time went into
parts that depend on the code alone: the map of addresses, the compiled templates and
statements, the headers of static files.
"""

from typing import ClassVar

import sqlalchemy as sa
from flask import Flask
from flask.blueprints import BlueprintSetupState
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy.util import LRUCache
from werkzeug.routing import Map, Rule
from whitenoise import WhiteNoise

from statuspage.db import db


class Templates(BytecodeCache):
    """Each template of the desk is compiled once a run."""

    def __init__(self) -> None:
        self.compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.compiled:
            bucket.bytecode_from_string(self.compiled[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.compiled[bucket.key] = bucket.bytecode_to_string()


class _MadeOnce(Map):
    """Flask's map of addresses: the same rules give the same map."""

    _made: ClassVar[dict[tuple, dict[str, object]]] = {}

    def __init__(self, *arguments, **named) -> None:
        self.waiting: list[Rule] = []
        super().__init__(*arguments, **named)

    def add(self, rulefactory) -> None:
        self.waiting.append(rulefactory)

    def update(self) -> None:
        if self.waiting:
            waiting, self.waiting = self.waiting, []
            rules = tuple(map(id, waiting))
            if rules not in self._made:
                for rule in waiting:
                    # One that is bound to another map serves as its pattern.
                    super().add(rule.empty() if rule.map is not None else rule)
                super().update()
                self._made[rules] = {name: vars(self)[name] for name in _OF_RULES}
            vars(self).update(self._made[rules])
        super().update()


_OF_RULES = ("_matcher", "_rules_by_endpoint", "_remap")


def _rules_once(add_url_rule):
    """A rule that was made before is added as it is."""
    made: dict[tuple, Rule] = {}

    def add(self, rule, endpoint=None, view_func=None, provide_automatic_options=None, **options):
        known = (
            rule,
            endpoint or view_func.__name__,
            frozenset(getattr(view_func, "methods", None) or ()),
            provide_automatic_options,
            repr(options),
        )
        if known not in made:
            add_url_rule(self, rule, endpoint, view_func, provide_automatic_options, **options)
            made[known] = self.url_map.waiting[-1]
            return
        self.url_map.add(made[known])
        if view_func is not None:
            self.view_functions[made[known].endpoint] = view_func

    return add


def _rules_of_blueprints_once(add_url_rule):
    """The same one step before, where the address and the name are put together."""
    made: dict[tuple, Rule] = {}

    def add(self, rule, endpoint=None, view_func=None, **options):
        where = (self.url_prefix, self.name_prefix, self.name)
        known = (where, rule, endpoint, view_func, repr(options))
        if known not in made:
            add_url_rule(self, rule, endpoint, view_func, **options)
            made[known] = self.app.url_map.waiting[-1]
            return
        self.app.url_map.add(made[known])
        if view_func is not None:
            self.app.view_functions[made[known].endpoint] = view_func

    return add


def _files_once(update_files_dictionary):
    """Static files are read and dated once a run."""
    made: dict[tuple[str, str], dict[str, object]] = {}

    def update(self, root, prefix):
        if (root, prefix) not in made:
            update_files_dictionary(self, root, prefix)
            made[root, prefix] = dict(self.files)
        self.files.update(made[root, prefix])

    return update


def _compile_once(make_engine):
    """Engines of one kind share what they made of statements: a quarter of a test's time."""
    shared: dict[str, sa.Dialect] = {}
    compiled = LRUCache(5_000)

    def made(bind_key, options, app):
        engine = make_engine(bind_key, options, app)
        first = shared.get(engine.name)
        if getattr(first, "server_version_info", None) is None:
            # It knows its server from the first connection on.
            shared[engine.name] = engine.dialect
        else:
            engine.dialect = first
        engine._compiled_cache = compiled
        return engine

    return made


def share() -> None:
    """From now on all applications of this process share these parts."""
    Flask.url_map_class = _MadeOnce
    Flask.add_url_rule = _rules_once(Flask.add_url_rule)
    BlueprintSetupState.add_url_rule = _rules_of_blueprints_once(BlueprintSetupState.add_url_rule)
    WhiteNoise.update_files_dictionary = _files_once(WhiteNoise.update_files_dictionary)
    db._make_engine = _compile_once(db._make_engine)
