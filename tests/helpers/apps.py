"""The application as `app.py` has it: with the commands."""

from flask import Flask

from statuspage import factory
from statuspage.cli import commands
from statuspage.config import Settings


def create_app(settings: Settings, *, watch: bool = False) -> Flask:
    app = factory.create_app(settings, watch=watch)
    commands.init_app(app)
    return app
