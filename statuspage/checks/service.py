"""Settings, web process, queue, worker, deliveries, mail, mirror."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from flask import Flask

from statuspage.checks.findings import Finding, ok, problem, warn
from statuspage.config import Settings
from statuspage.db import read_only
from statuspage.export import runner as export
from statuspage.export.uploads import target_states
from statuspage.notify import deliveries as ledger
from statuspage.notify import health, heartbeat
from statuspage.notify.channels.email import Server
from statuspage.notify.deliveries import DeliveryState
from statuspage.notify.queue import queue_of

SHORT_SECRET = 32
WEB_TIMEOUT_S = 5
LATE = timedelta(minutes=1)
VERY_LATE = timedelta(minutes=10)
MIRROR_LATE = timedelta(minutes=20)
"""Targets get a copy every 5 minutes, a branch every 15."""
INNER = ("localhost", "127.0.0.1", "::1", "0.0.0.0")  # noqa: S104  compared with, not bound


def settings(app: Flask, _at: datetime) -> Iterator[Finding]:
    """What works, and yet is seldom meant."""
    chosen: Settings = app.config["SETTINGS"]
    doubts = list(_doubts(chosen))
    yield from doubts or [ok("settings", f"the page is {chosen.base_url}")]


def _doubts(chosen: Settings) -> Iterator[Finding]:
    address = urlsplit(chosen.base_url)
    if address.hostname in INNER:
        yield warn(
            "settings",
            f"the page's address is {chosen.base_url}, which customers cannot open. Set"
            " STATUSPAGE_BASE_URL to the address they use.",
        )
    elif address.scheme != "https":
        yield warn(
            "settings",
            f"{chosen.base_url} is not encrypted. Put TLS in front and use https:// in"
            " STATUSPAGE_BASE_URL.",
        )
    elif chosen.proxy_hops == 0:
        yield warn(
            "settings",
            "the address is https, so there is a proxy in front, but STATUSPAGE_PROXY_HOPS is 0:"
            " all readers look like one client. Set it to the number of your proxies.",
        )
    if len(chosen.secret_key) < SHORT_SECRET:
        yield warn(
            "settings",
            f"the secret key has {len(chosen.secret_key)} characters. Use at least {SHORT_SECRET}"
            " random ones, for example from: openssl rand -base64 36",
        )
    if not chosen.is_sqlite and chosen.redis_url is None:
        yield warn(
            "settings",
            "without STATUSPAGE_REDIS_URL, web and worker must run on this one machine.",
        )


def web(app: Flask, _at: datetime) -> Iterator[Finding]:
    """Whether the page at HOST and PORT responds; nothing if no page runs there."""
    chosen: Settings = app.config["SETTINGS"]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(chosen.host, chosen.host)  # noqa: S104
    connection = HTTPConnection(host, chosen.port, timeout=WEB_TIMEOUT_S)
    with closing(connection):
        try:
            connection.connect()
        except OSError:
            return
        try:
            connection.request("GET", "/healthz")
            status = connection.getresponse().status
        except (OSError, HTTPException):
            status = None
    if status == HTTPStatus.OK:
        yield ok("web", "it responds")
    elif status in (None, HTTPStatus.SERVICE_UNAVAILABLE):
        yield problem(
            "web",
            f"{host}:{chosen.port} accepts connections, but the web process does not respond."
            " A stopped one is replaced within a minute. If this stays, restart it.",
        )


def queue(app: Flask, _at: datetime) -> Iterator[Finding]:
    redis_url = app.config["SETTINGS"].redis_url
    try:
        number = queue_of(app).pending_count()
    except Exception as error:
        if redis_url is None:
            raise
        host = urlsplit(redis_url)
        yield problem(
            "queue",
            f"Redis at {host.hostname}:{host.port or 6379} cannot be used"
            f" ({str(error).rstrip('.')}). Messages leave later, and each process counts"
            " sign-ins by itself. Check that it runs and that STATUSPAGE_REDIS_URL is right.",
        )
    else:
        yield ok("queue", f"it responds, {number} jobs waiting")


def worker(app: Flask, at: datetime) -> Iterator[Finding]:
    """When it last showed that it lives: it writes that down every ten seconds."""
    with app.app_context():
        read_only()
        signs = heartbeat.latest()
    last = signs.get(heartbeat.HeartbeatKind.TICK)
    if last is None:
        yield warn("worker", "none has run yet, so no messages are sent. Start `flask work`.")
    elif at - last > health.SILENT_AFTER:
        yield problem(
            "worker",
            f"silent since {last:%Y-%m-%d %H:%M} UTC, so no messages are sent and no maintenance"
            " starts. Check its log and restart it.",
        )
    else:
        yield ok("worker", f"running, last heartbeat {int((at - last).total_seconds())} s ago")
    if health.is_canary_lost(signs, at=at):
        yield warn(
            "worker",
            "jobs put into the queue do not reach the worker, so messages leave a second late."
            " Check the worker's log and Redis.",
        )


def mirror(app: Flask, at: datetime) -> Iterator[Finding]:
    """How old the copy is that each target of the worker holds."""
    chosen: Settings = app.config["SETTINGS"]
    if not chosen.mirror:
        yield ok("mirror", "no export is set up (STATUSPAGE_MIRROR)")
        return
    states = target_states(export.folder_of(chosen))
    if not states:
        yield warn(
            "mirror",
            "the worker of this data folder has not exported yet. Restart it with"
            " STATUSPAGE_MIRROR set.",
        )
    for standing in states:
        copy = f"an export of {standing.made_at}" if standing.made_at else "no export of this page"
        is_late = (
            not standing.made_at or at - datetime.fromisoformat(standing.made_at) > MIRROR_LATE
        )
        if standing.error is not None:
            advice = _advised(standing.error)
            words = f"{standing.name} has {copy}. Since {standing.failing_since}: {advice}"
            yield problem("mirror", words) if is_late else warn("mirror", words)
        elif is_late:
            yield problem(
                "mirror",
                f"{standing.name} has {copy}. Check that the worker runs, and its log.",
            )
        else:
            yield ok("mirror", f"{standing.name} has {copy}")


def _advised(error: str) -> str:
    """With what to do, where the error itself does not say so."""
    if "--take-over" in error:
        return error
    return (
        f"{error.rstrip('.')}. Check that the target is reachable and writable; the worker"
        " retries every five minutes."
    )


def deliveries(app: Flask, at: datetime) -> Iterator[Finding]:
    """Since when the oldest message waits that should be on its way, and what was given up."""
    with app.app_context():
        read_only()
        oldest = ledger.oldest_due(at=at)
        counts = ledger.counts()
    late = at - oldest if oldest is not None else timedelta(0)
    if late > LATE:
        words = (
            f"the oldest message has waited for {late // timedelta(minutes=1)} minutes. Is the"
            " worker running, and is its channel (mail server, chat) set up?"
        )
        yield problem("deliveries", words) if late > VERY_LATE else warn("deliveries", words)
    else:
        yield ok("deliveries", "no message is late")
    for state, words in (
        (DeliveryState.FAILED, "failed after the last attempt"),
        (DeliveryState.HELD, "are held until staff release them"),
    ):
        number = sum(count for (_, of), count in counts.items() if of is state)
        if number:
            yield warn("deliveries", f"{number} {words}: see Deliveries in the admin.")


def mail(app: Flask, _at: datetime) -> Iterator[Finding]:
    """Connect, secure the connection, sign in; no message is sent."""
    chosen: Settings = app.config["SETTINGS"]
    if chosen.smtp_url is None:
        yield warn("mail", "STATUSPAGE_SMTP_URL is not set: no e-mail is sent.")
        return
    host = urlsplit(chosen.smtp_url).hostname
    failed = Server(chosen.smtp_url).try_out()
    if failed is None:
        yield ok("mail", f"{host} accepts mail from us")
    else:
        yield problem("mail", f"{host}: {failed}. Check STATUSPAGE_SMTP_URL.")
