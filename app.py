"""WSGI entry: `app`. The `flask` command finds it here too."""

import os
import sys

from statuspage import create_app, parts
from statuspage.config import SettingsError

try:
    app = create_app()
except SettingsError as error:
    sys.exit(f"The status page cannot start: {error}")

# A server prepares the database; a command of `flask` decides for itself.
if "FLASK_RUN_FROM_CLI" not in os.environ:
    parts.prepare(app)
    parts.begin_web(app)
