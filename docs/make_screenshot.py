"""Makes `docs/screenshot.png`: the demo page, light and dark, as Chromium shows it.

`make screenshot` runs it. The page is a fresh one in a folder that is thrown away.
"""

import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from playwright.sync_api import sync_playwright  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

from statuspage import clock  # noqa: E402
from statuspage.config import Settings  # noqa: E402
from statuspage.db import db, migrate  # noqa: E402
from statuspage.demo import seed as demo  # noqa: E402
from statuspage.factory import create_app  # noqa: E402

WIDTH, HEIGHT = 900, 1180
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
]
SIDE_BY_SIDE = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; display: flex } img { width: 50%; display: block }
</style><img src="light.png"><img src="dark.png">"""


def main() -> None:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        sys.exit("Chromium is not installed (Debian: apt-get install chromium).")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with demo_page(folder) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
            for theme in ("light", "dark"):
                page = browser.new_page(
                    viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=theme
                )
                page.goto(url)
                page.screenshot(path=folder / f"{theme}.png")
            (folder / "both.html").write_text(SIDE_BY_SIDE)
            page = browser.new_page(viewport={"width": 2 * WIDTH, "height": HEIGHT})
            page.goto((folder / "both.html").as_uri())
            page.screenshot(path=DOCS / "screenshot.png")
            browser.close()
    print("docs/screenshot.png")


@contextmanager
def demo_page(folder: Path):
    """The demo page behind a socket; its address."""
    app = create_app(Settings(data_dir=folder / "data", secret_key="x" * 32), watch=False)
    migrate.bring_up_to_date(app)
    with app.app_context():
        demo.seed(at=clock.now())
        db.session.commit()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()
    with app.app_context():
        db.engine.dispose()


if __name__ == "__main__":
    main()
