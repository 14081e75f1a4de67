"""Webhooks: Statuspage's payload, signed by Standard Webhooks.

Payload: https://support.atlassian.com/statuspage/docs/enable-webhook-notifications/
Signature: https://github.com/standard-webhooks/standard-webhooks (`v1`, HMAC-SHA256 of
`id.timestamp.body`); the secret is each subscriber's own, shown on their page.
"""

import base64
import hashlib
import hmac
import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from statuspage import clock
from statuspage.config import Settings
from statuspage.domain.subscribers import addresses
from statuspage.lib.http_client import HttpClient
from statuspage.notify.channels.base import ChannelSender, ChannelType, Failed, Send
from statuspage.notify.channels.http import judge
from statuspage.notify.message import Message, MessageKind, Recipient
from statuspage.page import api_v2
from statuspage.page.api_v2 import moment
from statuspage.page.snapshot.values import IncidentView, Retracted

Json = dict[str, Any]

AGENT = "Statuspage-Webhook/1"


def sender(settings: Settings) -> Send:
    client = HttpClient(settings.outgoing_networks)

    def send(message: Message, to: Recipient) -> None:
        body = json.dumps(payload(message, to), ensure_ascii=False, separators=(",", ":")).encode()
        at = clock.now()
        # While a receiver still has the secret of an earlier key, its signature goes along.
        secrets = (signing_secret(key, to.id) for key in settings.link_keys)
        signature = " ".join(sign(secret, to.key, at, body) for secret in secrets)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": AGENT,
            "webhook-id": to.key,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signature,
        }
        # A receiver under repair answers 404 for a while: only 410 is for good.
        judge(client.post(to.address, body, headers), is_strict=False)

    return send


def signing_secret(secret: str, public_id: str) -> str:
    """`whsec_…` of one subscriber: derived, so that nothing is stored."""
    key = hmac.new(secret.encode(), f"webhook:{public_id}".encode(), hashlib.sha256).digest()
    return f"whsec_{base64.b64encode(key).decode()}"


def sign(signing_secret: str, message_id: str, at: datetime, body: bytes) -> str:
    """The `webhook-signature` of a message."""
    key = base64.b64decode(signing_secret.removeprefix("whsec_"))
    signed = f"{message_id}.{int(at.timestamp())}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def payload(message: Message, to: Recipient) -> Json:
    """What Statuspage sends: `meta`, `page`, then an incident or a component."""
    zone = message.page.zone
    document: Json = {
        "meta": {
            "unsubscribe": to.unsubscribe_url,
            "documentation": f"{message.page.url}/api",
            "generated_at": moment(message.at, zone),
        },
        "page": {
            "id": message.page.id,
            "status_indicator": message.present.status.indicator.value,
            "status_description": message.present.status.description,
        },
    }
    if message.incident is not None:
        return document | {"incident": _incident(message, message.incident)}
    if message.component is not None:
        return document | _component(message)
    if message.retracted is not None:
        return document | {"incident": _retracted(message.retracted, zone)}
    if message.kind is MessageKind.TEST:
        return document | {"test": {"message": "This is a test. Nothing happened."}}
    if message.kind is MessageKind.LINK:
        return document | {"subscription": {"url": to.manage_url}}
    if message.kind is MessageKind.CONFIRMATION:
        return document | {"confirm": {"url": to.confirm_url}}
    raise Failed(f"There is no payload for {message.kind}.", is_final=True)


def _retracted(incident: Retracted, zone: ZoneInfo) -> Json:
    """With an update that gives the reason: receivers read the newest one's body."""
    at = moment(incident.at, zone)
    update = {"status": "retracted", "body": incident.reason, "created_at": at, "updated_at": at}
    return {
        "id": incident.id,
        "name": incident.name,
        "status": "retracted",
        "reason": incident.reason,
        "retracted_at": at,
        "incident_updates": [update | {"display_at": at, "incident_id": incident.id}],
        "components": [],
    }


def _component(message: Message) -> Json:
    change = message.component
    assert change is not None
    row = _row(message, change.id)
    update = {
        "old_status": message.old_status,
        "new_status": change.status.value,
        "created_at": moment(message.at, message.page.zone),
        "component_type": "Component",
        "id": f"{message.event_id}",
        "component_id": change.id,
    }
    return {"component": row, "component_update": update}


def _incident(message: Message, incident: IncidentView) -> Json:
    public = api_v2.incident_document(message.present, incident)
    postmortem = incident.postmortem
    published_at = postmortem.published_at if postmortem else None
    edited_at = (postmortem.edited_at if postmortem else None) or published_at
    same = ("name", "status", "created_at", "updated_at", "monitoring_at", "resolved_at", "impact")
    return {name: public[name] for name in (*same, "shortlink")} | {
        "postmortem_ignored": False,
        "postmortem_body": postmortem.source if postmortem else None,
        "postmortem_body_last_updated_at": _optional(edited_at, message),
        "postmortem_published_at": _optional(published_at, message),
        "postmortem_notified_subscribers": message.kind is MessageKind.POSTMORTEM,
        "postmortem_notified_twitter": False,
        "backfilled": incident.is_backfilled,
        "scheduled_for": public.get("scheduled_for"),
        "scheduled_until": public.get("scheduled_until"),
        "scheduled_remind_prior": incident.reminds,
        "scheduled_reminded_at": _optional(incident.reminded_at, message),
        "impact_override": incident.impact_override.value if incident.impact_override else None,
        "scheduled_auto_in_progress": incident.starts_by_itself,
        "scheduled_auto_completed": incident.ends_by_itself,
        "id": incident.id,
        "page_id": message.page.id,
        "incident_updates": [_update(update) for update in public["incident_updates"]],
        "components": [_row(message, row["id"]) for row in public["components"]],
    }


def _update(public: Json) -> Json:
    """An update of the public API in the order and with the keys of a webhook."""
    return {
        "status": public["status"],
        "body": public["body"],
        "created_at": public["created_at"],
        "wants_twitter_update": False,
        "twitter_updated_at": None,
        "updated_at": public["updated_at"],
        "display_at": public["display_at"],
        "affected_components": public["affected_components"],
        "custom_tweet": public["custom_tweet"],
        "deliver_notifications": public["deliver_notifications"],
        "id": public["id"],
        "incident_id": public["incident_id"],
    }


def _row(message: Message, component_id: str) -> Json:
    component = api_v2.component(message.page, message.present.components[component_id])
    order = (
        "status",
        "name",
        "created_at",
        "updated_at",
        "position",
        "description",
        "showcase",
        "id",
        "page_id",
        "group_id",
    )
    return {name: component[name] for name in order}


def _optional(at: datetime | None, message: Message) -> str | None:
    return None if at is None else moment(at, message.page.zone)


CHANNEL = ChannelType(
    sender=lambda settings: ChannelSender(sender(settings), slots=16),
    fields=("endpoint", "owner"),
    help="We post JSON in Statuspage’s format, signed following Standard Webhooks.",
    address=addresses.url,
)
