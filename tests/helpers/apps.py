"""The application as `app.py` has it, with the commands."""

from typing import Any, ClassVar

from flask import Flask
from werkzeug.routing import Rule

from statuspage import factory
from statuspage.cli import commands
from statuspage.config import Settings


class SharedRule(Rule):
    """Compiles an address once per run: its 400 addresses cost each application 0.2 s."""

    compiled: ClassVar[dict[tuple[object, ...], dict[str, Any]]] = {}

    def compile(self) -> None:
        key = (self.rule, self.host, self.subdomain, self.merge_slashes, repr(self.defaults))
        if key not in self.compiled:
            super().compile()
            self.compiled[key] = {name: vars(self)[name] for name in _COMPILED}
        vars(self).update(self.compiled[key])


_COMPILED = ("_parts", "_trace", "_converters", "_build", "_build_unknown", "arguments")
Flask.url_rule_class = SharedRule


def create_app(settings: Settings, *, watch: bool = False) -> Flask:
    app = factory.create_app(settings, watch=watch)
    commands.init_app(app)
    return app
