"""What the fields of a subscription form ask for: a contact, and what they want to hear.

Of the form itself, of a subscriber's own page and of the browser that subscribes by script.
"""

import re
from http import HTTPStatus

from flask import abort, current_app, request
from limits import RateLimitItemPerDay
from werkzeug.datastructures import MultiDict

from statuspage import clock
from statuspage.domain.components import verbs as components
from statuspage.domain.components.models import Component
from statuspage.domain.incidents import verbs as incidents
from statuspage.domain.subscribers.subscriptions import Choice, Contact, NotifyOn
from statuspage.errors import Invalid
from statuspage.notify.channels import registry
from statuspage.page.html.subscription_pages import FormValues, OfferedChannel
from statuspage.page.snapshot.values import IncidentView
from statuspage.web.security import limiter

PER_CONTACT = RateLimitItemPerDay(6)


def offered() -> list[OfferedChannel]:
    """The channels with fields in the form that can send with these settings."""
    settings = current_app.config["SETTINGS"]
    return [
        OfferedChannel(channel, kind.fields, kind.help)
        for channel, kind in registry.CHANNELS.items()
        if kind.fields and kind.is_set_up(settings)
    ]


def choice_of(sent: MultiDict[str, str], incident: IncidentView | None) -> Choice:
    """What the fields of the form ask for. Raises `Invalid`."""
    return Choice(
        components=() if incident else chosen(sent),
        incident=incidents.get(incident.id) if incident else None,
        wants=wants(sent),
        language=_language(),
        time_zone=time_zone(sent),
    )


def contact() -> Contact:
    """Whom to tell, and by what. Raises `Invalid`."""
    sent = request.form
    value = sent.get("channel")
    choice = next((choice for choice in offered() if choice.channel.value == value), None)
    if choice is None:
        raise Invalid(channel="Choose how we should notify you.")
    field = choice.fields[0]
    address = sent.get(field, "")
    if field == "email" and not address.strip():
        raise Invalid(email="Enter your e-mail address.")
    owner = sent.get("owner", "").strip() if "owner" in choice.fields else ""
    country = sent.get("phone_country")
    try:
        return Contact.of(choice.channel, address, email=owner or None, country=country)
    except Invalid as invalid:
        names = {"address": field, "email": "email" if field == "email" else "owner"}
        raise Invalid(
            **{names.get(name, name): words for name, words in invalid.errors.items()}
        ) from None


def limit(contact: Contact) -> None:
    """Six requests a day for one contact, however it is spelled and whatever it is about: nobody
    fills a stranger's mailbox from many networks. Answers 429 beyond that."""
    if not limiter.limiter.hit(PER_CONTACT, "contact", contact.key(None)):
        abort(HTTPStatus.TOO_MANY_REQUESTS)


def chosen(sent: MultiDict[str, str]) -> list[Component]:
    """The components that are ticked, those of ticked groups with them. Raises `Invalid`."""
    if sent.get("scope") == "all":
        return []
    groups, ids = set(sent.getlist("group")), set(sent.getlist("component"))
    chosen_rows = [
        component
        for component in components.listed()
        if component.public_id in ids or (component.group and component.group.public_id in groups)
    ]
    if not chosen_rows and sent.get("scope") == "some":
        raise Invalid(scope="Choose at least one component, or choose everything.")
    return chosen_rows


def wants(sent: MultiDict[str, str]) -> NotifyOn:
    """Raises `Invalid`."""
    try:
        return NotifyOn(sent.get("wants", NotifyOn.EVERY.value))
    except ValueError:
        raise Invalid(wants="Choose which updates you want.") from None


def _language() -> str:
    """What the reader's browser asks for first: kept for the day when we speak it."""
    best = request.accept_languages.best or "en"
    return best if re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})?", best) else "en"


def time_zone(sent: MultiDict[str, str]) -> str | None:
    """Its name, where there is such a zone."""
    name = sent.get("time_zone", "")
    return name if name in clock.time_zones() else None


def typed() -> FormValues:
    """What stands in the form, for a refused one to keep."""
    return FormValues(
        channel=request.form.get("channel", ""),
        fields=request.form.to_dict(),
        components=set(request.form.getlist("component")),
        groups=set(request.form.getlist("group")),
        wants=request.form.get("wants", NotifyOn.EVERY.value),
    )
