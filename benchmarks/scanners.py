"""Programs that open every link of a mail: `python -m benchmarks.faults scanners`.

Each link of a hundred mails is asked for with GET and with HEAD, as filters of mail do, and
nobody may be gone for it. Then half of the readers unsubscribe by one POST (RFC 8058), and the
next incident is published at once.
"""

import re
import time
from urllib.parse import urlsplit

from benchmarks import engines
from benchmarks.drills import Group
from benchmarks.mails import Mail, MailServer, mail_server
from benchmarks.pressure import ask, bar, write
from benchmarks.several import prepare

READERS = 100
LOOKS = 1_000
ARRIVED_S = 60.0
SETTLED_S = 5.0


def scanners() -> None:
    people = [f"well-{number}@example.com" for number in range(READERS)]
    with (
        mail_server() as (server, smtp),
        engines.sqlite() as settings,
        engines.known({**settings, "STATUSPAGE_SMTP_URL": smtp}) as settings,
    ):
        _, token = prepare((), mails=people)
        group = Group(settings)
        group.start()
        try:
            first = _told(server, group.url, token, "First")
            looks = _look_at_all(group.url, first)
            second = _told(server, group.url, token, "Second")
            leaving = first[: READERS // 2]
            took = [_unsubscribe(group.url, one) for one in leaving]
            third = _told(server, group.url, token, "Third", wanted=READERS - len(leaving))
        finally:
            group.stop()
    gone = {one.to for one in leaving}
    later = [one.to for one in third if one.to in gone]
    print(
        f"scanners: {looks} looks at links of {len(first)} mails, {READERS - len(second)} gone for"
        f" it; {len(took)} unsubscribed by a POST each, slowest {max(took):.2f} s; the next"
        f" incident went to {len(third)}, {len(later)} of them had left"
    )
    bar("scanners", looks >= LOOKS and len(second) == READERS, "looking unsubscribes nobody")
    bar("scanners", max(took) <= 1, "gone within 1 s of a POST")
    bar("scanners", not later and len(third) == READERS - len(gone), "no later mail")


def _told(
    server: MailServer, url: str, token: str, name: str, *, wanted: int = READERS
) -> list[Mail]:
    """The mails of a new incident, once as many have come, and then for a while longer."""
    began = time.monotonic()
    status, _, _ = write(url, token, name)
    assert status == 201
    until = began + ARRIVED_S
    while len(_since(server, began)) < wanted and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(SETTLED_S)
    return _since(server, began)


def _since(server: MailServer, began: float) -> list[Mail]:
    return [one for one in server.taken if one.at > began]


def _look_at_all(url: str, mails: list[Mail]) -> int:
    """How many answers there were, whatever they said."""
    looks = 0
    while looks < LOOKS:
        for mail in mails:
            for link in {*_links(mail), _one_click(mail)}:
                for method in ("GET", "HEAD"):
                    status, _, _ = ask(_here(url, link), method=method)
                    looks += status != 0
    return looks


def _unsubscribe(url: str, mail: Mail) -> float:
    """Seconds until the reader's program is answered, by when it has happened."""
    began = time.monotonic()
    status, _, _ = ask(_here(url, _one_click(mail)), data=b"List-Unsubscribe=One-Click")
    assert status == 200, status
    return time.monotonic() - began


def _links(mail: Mail) -> set[str]:
    text = mail.text.replace("=\n", "").replace("=3D", "=")
    return set(re.findall(r"https?://[^\s\"<>]+", text))


def _one_click(mail: Mail) -> str:
    head = re.sub(r"\n[ \t]+", " ", mail.text.partition("\n\n")[0])
    found = re.search(r"^List-Unsubscribe:.*<(https?://[^>]+)>", head, re.MULTILINE)
    assert found is not None
    return found[1].replace(" ", "")


def _here(url: str, link: str) -> str:
    parts = urlsplit(link)
    return url + parts._replace(scheme="", netloc="").geturl()
