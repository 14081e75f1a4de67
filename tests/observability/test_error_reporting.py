"""Errors reach a Sentry, and spans a collector, on a real socket, where the settings say so."""

import gzip
import json
import logging
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import brotli
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from statuspage.config import PROJECT
from statuspage.notify import sender
from statuspage.notify.channels import base
from statuspage.notify.channels.base import Failed
from statuspage.notify.deliveries import DeliveryState, LeasedDelivery
from statuspage.observability import error_reporting, tracing
from tests.conftest import on_sqlite
from tests.notify.conftest import *  # noqa: F403  a component, subscribers, an incident

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def receiver():
    """A server that takes everything: `bodies` by path, `url` without a slash."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            elif self.headers.get("Content-Encoding") == "br":
                body = brotli.decompress(body)
            server.bodies.append((self.path, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.bodies = []
    server.url = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def reported(settings, receiver):
    """`reported()`: the events that a Sentry was sent until now."""
    import sentry_sdk

    dsn = f"http://a1b2c3@{receiver.url}/42"
    error_reporting.begin(settings.model_copy(update={"sentry_dsn": dsn}), "web")

    def events():
        sentry_sdk.flush(5)
        found = []
        for path, body in receiver.bodies:
            assert path == "/api/42/envelope/"
            _, kind, event = body.split(b"\n", 2)
            assert json.loads(kind)["type"] == "event"
            found.append(json.loads(event))
        return found

    yield events
    sentry_sdk.get_client().close()
    sentry_sdk.init()


@on_sqlite
def test_error_is_reported_once_with_its_id_and_without_private_data(app, client, reported):
    app.add_url_rule("/broken/<key>", view_func=broken, methods=["POST"])
    sent = {"name": "Bea", "body": "Words of a customer"}
    cookie = {"Cookie": "a=secret-cookie"}
    answer = client.post("/broken/secret-path?q=secret-query", data=sent, headers=cookie)
    assert answer.status_code == 500
    (event,) = reported()
    (failure,) = event["exception"]["values"]
    assert failure["type"] == "LookupError"
    assert failure["value"] == "[address] has 14 at https://a.example/[hidden]"
    assert failure["stacktrace"]["frames"][-1]["function"] == "broken"
    assert event["message"] == "request.unforeseen"
    assert event["tags"]["request_id"] == answer.headers["X-Request-ID"]
    assert event["tags"]["route"] == "/broken/<key>"
    assert event["server_name"] == "web"
    text = json.dumps(event)
    for private in ("secret-", "ada@", "Words of a customer", '"vars"', '"request"', '"user"'):
        assert private not in text


@on_sqlite
def test_log_lines_below_error_are_not_reported(app, reported):
    logging.getLogger("statuspage.x").warning("Not that bad.")
    assert reported() == []


@on_sqlite
def test_error_of_a_library_is_reported_with_its_traceback_and_scrubbed(app, reported):
    try:
        broken("key")
    except LookupError:
        logging.getLogger("some.library").critical("No mail to %s", "ada@b.example", exc_info=True)
    (event,) = reported()
    assert event["message"] == "No mail to [address]"
    assert (event["level"], event["logger"]) == ("fatal", "some.library")
    assert event["exception"]["values"][0]["type"] == "LookupError"
    assert "ada@" not in json.dumps(event)


@on_sqlite
def test_requests_and_deliveries_are_traced(client, receiver, monkeypatch, told):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{receiver.url}")
    assert tracing.is_wanted()
    tracing.begin("web")
    parent = f"00-{TRACE}-00f067aa0ba902b7-01"
    client.get("/admin/sign-in?next=/secret", headers={"traceparent": parent})
    client.get("/nowhere/secret")
    news, to = told()

    def refuse(*_):
        raise Failed("The address was rejected.", is_final=True)

    claimed = LeasedDelivery(7, news.event_id, 1, 1, "lease")
    outcome = sender.attempt(base.ChannelSender(refuse, 1), claimed, news, to)
    assert outcome.state is DeliveryState.FAILED
    tracing.stop()
    spans = []
    for path, body in receiver.bodies:
        assert path == "/v1/traces"
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {
                attribute.key: attribute.value.string_value
                for attribute in group.resource.attributes
            }
            assert named["service.name"] == "statuspage-web"
            spans += [span for scope in group.scope_spans for span in scope.spans]
    desk, missing, sent = spans
    assert (desk.name, missing.name, sent.name) == ("GET /admin/sign-in", "GET ", "send email")
    assert desk.trace_id.hex() == TRACE != missing.trace_id.hex()
    values = {attribute.key: attribute.value for attribute in desk.attributes}
    assert values["http.response.status_code"].int_value == 200
    assert values["statuspage.request_id"].string_value
    values = {attribute.key: attribute.value for attribute in sent.attributes}
    assert values["statuspage.delivery"].int_value == 7
    assert values["statuspage.result"].string_value == "dead"
    assert len(values["statuspage.incident"].string_value) == 12
    assert not any(b"secret" in body or b"ada@" in body for _, body in receiver.bodies)


def test_sentry_and_otel_are_not_loaded_without_settings(tmp_path):
    program = (
        "import sys; from statuspage.observability import error_reporting as reporting, tracing\n"
        "from statuspage.config import Settings\n"
        "settings = Settings(data_dir=sys.argv[1], secret_key='x' * 16)\n"
        "reporting.begin(settings, 'web')\n"
        "tracing.record('x', 0.1, {})\n"
        "assert not [name for name in sys.modules if name.startswith(('sentry', 'opentele'))]\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    subprocess.run(command, cwd=PROJECT, check=True)


def test_tracing_can_be_switched_off(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "TRUE")
    assert not tracing.is_wanted()


def broken(key):
    """A view that fails with a secret at hand."""
    api_token = f"{key}Zx9"
    raise LookupError(f"ada@example.com has {len(api_token)} at https://a.example/very/private")
