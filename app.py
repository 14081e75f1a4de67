"""WSGI entry: `app`. The `flask` command finds it here too."""

import os
import sys

from statuspage.cli import commands, processes
from statuspage.config import SettingsError
from statuspage.factory import create_app

try:
    app = create_app()
except SettingsError as error:
    sys.exit(f"The status page cannot start: {error}")

commands.init_app(app)
# A server prepares the database; a command of `flask` decides for itself.
if "FLASK_RUN_FROM_CLI" not in os.environ:
    processes.prepare(app)
    processes.begin_web(app)
