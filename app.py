"""WSGI entry: `app`. The `flask` command finds it here too."""

import os
import sys

from sqlalchemy.exc import OperationalError

from statuspage import clock, counters, create_app, first_start, group, integrity, schema
from statuspage.config import SettingsError

try:
    app = create_app()
except SettingsError as error:
    sys.exit(f"The status page can not start: {error}")

# A server prepares the database; a command of `flask` decides for itself.
if "FLASK_RUN_FROM_CLI" not in os.environ:
    group.end_with_the_others()
    group.let_readers_go_first()
    counters.share(app.config["SETTINGS"].data_dir / "counters", "web")
    integrity.look_at_start(app)
    try:
        schema.bring_up_to_date(app)
        first_start.fill(app, at=clock.now())
    except OperationalError as error:
        # Readers are served the last good copies even now.
        app.logger.error("The database could not be prepared: %s", str(error).splitlines()[0])
