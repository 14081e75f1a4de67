"""A published web component of Statuspage's, pointed at this page from another site."""

from threading import Thread

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from statuspage.config import PROJECT

WIDGET = PROJECT / "tests/clients/node_modules/@statuspage/status-widget/dist/index.js"
PAGE = '<script src="/widget.js"></script><statuspage-widget src="{url}"></statuspage-widget>'


@pytest.fixture
def shop(live_url):
    """The address of a site that shows the widget for our page."""

    @Request.application
    def site(request):
        if request.path == "/widget.js":
            return Response(WIDGET.read_bytes(), mimetype="text/javascript")
        return Response(PAGE.format(url=live_url), mimetype="text/html")

    server = make_server("127.0.0.1", 0, site, threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.skipif(not WIDGET.exists(), reason="`make clients` installs the clients")
def test_widget_shows_the_page_status(live_url, northwind, open_page, shop):
    tab = open_page()
    tab.goto(shop)
    said = tab.request.get(f"{live_url}/api/v2/status.json").json()["status"]["description"]
    tab.locator("statuspage-widget").get_by_text(said).wait_for(timeout=10_000)
