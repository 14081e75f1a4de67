"""The pages by which readers subscribe, change what they hear, and leave.

The form is the same for everybody and is published. All others belong to one link:
they are made for whoever follows it, and nobody keeps them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from urllib.parse import urlsplit

from statuspage.domain.subscribers.subscriptions import (
    Channel,
    NotifyOn,
    Subscriber,
    SubscriberState,
)
from statuspage.page import push_assets
from statuspage.page.html.formatting import Times
from statuspage.page.html.layout import document
from statuspage.page.snapshot.values import IncidentView, PageView, Snapshot
from statuspage.serving.response import Rendering

STYLE = "subscribing.css"
TRAP = "leave_blank"
"""A field that programs fill, as they do not see that it is hidden. No browser completes it."""

WANTS = {
    NotifyOn.EVERY: "Every update",
    NotifyOn.ENDS: "Only start and end",
}


@dataclass(frozen=True)
class OfferedChannel:
    """A channel of the form, with the fields that it needs."""

    channel: Channel
    fields: tuple[str, ...]
    help: str


@dataclass(frozen=True)
class FormValues:
    """What stands in the form: nothing, or what was sent and refused."""

    channel: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    components: Collection[str] = ()
    groups: Collection[str] = ()
    wants: str = NotifyOn.EVERY.value

    @property
    def is_some(self) -> bool:
        """They want to choose."""
        return bool(self.components) or self["scope"] == "some"

    def __getitem__(self, name: str) -> str:
        return self.fields.get(name, "")


def wording(page: PageView) -> str:
    """What readers agree to. It is stored word for word with the address."""
    return (
        f"{page.name} uses this address only to send these updates. Unsubscribe any time; we then"
        " delete it."
    )


def form(
    snapshot: Snapshot,
    offered: Sequence[OfferedChannel],
    *,
    push_key: str,
    incident: IncidentView | None = None,
    typed: FormValues | None = None,
    errors: Mapping[str, str] | None = None,
) -> Rendering:
    """`/subscribe`, or `/incidents/<id>/subscribe` with an `incident`. 422 with `errors`.

    `push_key` is our public key for browsers, in base64url.
    """
    page = snapshot.page
    typed = typed or FormValues()
    if not typed.channel and Channel.EMAIL in [choice.channel for choice in offered]:
        typed = replace(typed, channel=Channel.EMAIL.value)
    subject = incident.name if incident else f"{page.name} status"
    return document(
        "subscribe.html",
        page,
        Times(page.zone, snapshot.at),
        path=f"{incident.path}/subscribe" if incident else "/subscribe",
        title=f"Subscribe · {subject}",
        description=f"Get updates about {subject}.",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        more_style=STYLE,
        # An iPhone notifies only for what its manifest put on the Home Screen.
        more_policy=["manifest-src 'self'"],
        items=snapshot.items,
        components=snapshot.components,
        incident=incident,
        offered=offered,
        fields={field for choice in offered for field in choice.fields},
        typed=typed,
        errors=errors or {},
        wording=wording(page),
        WANTS=WANTS,
        TRAP=TRAP,
        push_key=push_key,
        push_script_path=push_assets.script_path(),
    )


def confirmation_sent(page: PageView, times: Times) -> Rendering:
    """After the form: the same whoever was typed in."""
    return _notice(
        page,
        times,
        "One more step",
        (
            "We sent you a message. Open the link in it to confirm.",
            "No message after a few minutes? Check your spam folder, or check the address and"
            " subscribe again.",
            "We delete addresses that are not confirmed within two days.",
        ),
    )


def confirm(page: PageView, times: Times, subscriber: Subscriber) -> Rendering:
    """The link in the message: a button, as mail scanners follow links and press none."""
    return _asking(
        page,
        times,
        heading="Confirm your subscription",
        words=f"{masked(subscriber)} will get updates from {page.name}.",
        button="Confirm",
        one=subscriber,
    )


def confirmed(page: PageView, times: Times, manage_path: str) -> Rendering:
    return _notice(
        page,
        times,
        "You’re subscribed",
        ("We’ll notify you when something happens.",),
        more=(manage_path, "Manage subscription"),
    )


def unsubscribe(
    page: PageView, times: Times, subscriber: Subscriber, manage_path: str | None
) -> Rendering:
    """A link to leave: asks first, as programs follow links.

    Without `manage_path` it leads nowhere else.
    """
    return _asking(
        page,
        times,
        heading="Unsubscribe",
        words=f"{masked(subscriber)} will get no more updates from {page.name}."
        " We delete the address.",
        button="Unsubscribe",
        one=subscriber,
        more=(manage_path, "Change it instead") if manage_path else None,
    )


def left(page: PageView, times: Times) -> Rendering:
    """200 also for one who left before: whoever presses twice did nothing wrong."""
    return _notice(
        page,
        times,
        "You’re unsubscribed",
        ("We’ve deleted the address and everything stored with it.",),
        more=("/subscribe", "Subscribe again"),
    )


def ended(page: PageView, times: Times) -> Rendering:
    """404: a link that is wrong, or whose subscription is over."""
    return _notice(
        page,
        times,
        "This link no longer works",
        (
            "The subscription has ended or was not confirmed within two days, or a mail program"
            " cut off part of the link.",
        ),
        more=("/subscribe", "Subscribe"),
        status=HTTPStatus.NOT_FOUND,
    )


def refused(page: PageView, times: Times, heading: str, words: str, status: int) -> Rendering:
    """A form that is not looked at."""
    return _notice(
        page,
        times,
        heading,
        (words,),
        more=("/subscribe", "Back to the form"),
        status=HTTPStatus(status),
    )


def manage(
    snapshot: Snapshot,
    subscriber: Subscriber,
    *,
    link: str,
    signing_secret: str | None,
    zones: Sequence[str],
    said: str | None = None,
    errors: Mapping[str, str] | None = None,
) -> Rendering:
    """`/subscriptions/<token>`: what they hear of; `link` is the address without a slash."""
    page = snapshot.page
    return document(
        "subscription.html",
        page,
        Times(page.zone, snapshot.at),
        path=None,
        title=f"Your subscription · {page.name} status",
        description="Manage your subscription.",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        more_style=STYLE,
        one=subscriber,
        items=snapshot.items,
        typed=FormValues(
            components=[each.public_id for each in subscriber.components],
            wants=subscriber.wants.value,
        ),
        link=link,
        signing_secret=signing_secret,
        zones=zones,
        said=said,
        errors=errors or {},
        WANTS=WANTS,
        State=SubscriberState,
    )


def masked(subscriber: Subscriber) -> str:
    """`j…@example.com`: enough to know oneself, too little for whoever finds the link."""
    address = subscriber.address or ""
    match subscriber.channel:
        case Channel.EMAIL:
            local, _, domain = address.rpartition("@")
            return f"{local[:1]}…@{domain}"
        case Channel.SMS:
            return f"…{address[-3:]}"
        case Channel.WEB_PUSH:
            return f"This browser ({subscriber.reached_at})"
    url = urlsplit(address)
    if url.netloc:
        # Somebody may have several at one host.
        end = f"/…{url.path[-4:]}" if len(url.path) > 12 else ""
        return f"{subscriber.channel.label} at {url.netloc}{end}"
    return f"{subscriber.channel.label} {address[:3]}…"


# ── helpers ────────────────────────────────────────────────────────────────────


def _notice(
    page: PageView,
    times: Times,
    heading: str,
    sentences: Sequence[str],
    *,
    path: str | None = None,
    more: tuple[str, str] | None = None,
    status: HTTPStatus = HTTPStatus.OK,
) -> Rendering:
    return document(
        "subscription_said.html",
        page,
        times,
        path=path,
        title=f"{heading} · {page.name} status",
        description=sentences[0],
        status=status,
        more_style=STYLE,
        heading=heading,
        sentences=sentences,
        more=more,
    )


def _asking(
    page: PageView,
    times: Times,
    *,
    heading: str,
    words: str,
    button: str,
    one: Subscriber,
    more: tuple[str, str] | None = None,
) -> Rendering:
    return document(
        "subscription_ask.html",
        page,
        times,
        path=None,
        title=f"{heading} · {page.name} status",
        description=words,
        more_style=STYLE,
        heading=heading,
        words=words,
        button=button,
        about=one.incident.name if one.incident else None,
        components=[component.full_name for component in one.components],
        more=more,
    )
