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
    outgoing = HttpClient(settings.outgoing_networks)

    def send(news: Message, to: Recipient) -> None:
        body = json.dumps(payload(news, to), ensure_ascii=False, separators=(",", ":")).encode()
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
        judge(outgoing.post(to.address, body, headers), is_strict=False)

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


def payload(news: Message, to: Recipient) -> Json:
    """What Statuspage sends: `meta`, `page`, then an incident or a component."""
    zone = news.page.zone
    payload_data: Json = {
        "meta": {
            "unsubscribe": to.unsubscribe_url,
            "documentation": f"{news.page.url}/api",
            "generated_at": moment(news.at, zone),
        },
        "page": {
            "id": news.page.id,
            "status_indicator": news.present.status.indicator.value,
            "status_description": news.present.status.description,
        },
    }
    if news.incident is not None:
        return payload_data | {"incident": _incident(news, news.incident)}
    if news.component is not None:
        return payload_data | _component(news)
    if news.retracted is not None:
        return payload_data | {"incident": _retracted(news.retracted, zone)}
    if news.kind is MessageKind.TEST:
        return payload_data | {"test": {"message": "This is a test. Nothing happened."}}
    if news.kind is MessageKind.LINK:
        return payload_data | {"subscription": {"url": to.manage_url}}
    if news.kind is MessageKind.CONFIRMATION:
        return payload_data | {"confirm": {"url": to.confirm_url}}
    raise Failed(f"There is no payload for {news.kind}.", is_final=True)


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


def _component(news: Message) -> Json:
    change = news.component
    assert change is not None
    row = _row(news, change.id)
    update = {
        "old_status": news.old_status,
        "new_status": change.status.value,
        "created_at": moment(news.at, news.page.zone),
        "component_type": "Component",
        "id": f"{news.event_id}",
        "component_id": change.id,
    }
    return {"component": row, "component_update": update}


def _incident(news: Message, incident: IncidentView) -> Json:
    public = api_v2.incident_document(news.present, incident)
    postmortem = incident.postmortem
    published_at = postmortem.published_at if postmortem else None
    edited_at = (postmortem.edited_at if postmortem else None) or published_at
    same = ("name", "status", "created_at", "updated_at", "monitoring_at", "resolved_at", "impact")
    return {name: public[name] for name in (*same, "shortlink")} | {
        "postmortem_ignored": False,
        "postmortem_body": postmortem.source if postmortem else None,
        "postmortem_body_last_updated_at": _optional(edited_at, news),
        "postmortem_published_at": _optional(published_at, news),
        "postmortem_notified_subscribers": news.kind is MessageKind.POSTMORTEM,
        "postmortem_notified_twitter": False,
        "backfilled": incident.is_backfilled,
        "scheduled_for": public.get("scheduled_for"),
        "scheduled_until": public.get("scheduled_until"),
        "scheduled_remind_prior": incident.reminds,
        "scheduled_reminded_at": _optional(incident.reminded_at, news),
        "impact_override": incident.impact_override.value if incident.impact_override else None,
        "scheduled_auto_in_progress": incident.starts_by_itself,
        "scheduled_auto_completed": incident.ends_by_itself,
        "id": incident.id,
        "page_id": news.page.id,
        "incident_updates": [_update(update) for update in public["incident_updates"]],
        "components": [_row(news, row["id"]) for row in public["components"]],
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


def _row(news: Message, component_id: str) -> Json:
    component = api_v2.component(news.page, news.present.components[component_id])
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


def _optional(at: datetime | None, news: Message) -> str | None:
    return None if at is None else moment(at, news.page.zone)


CHANNEL = ChannelType(
    sender=lambda settings: ChannelSender(sender(settings), slots=16),
    fields=("endpoint", "owner"),
    help="We post JSON in Statuspage’s format, signed following Standard Webhooks.",
    address=addresses.url,
)
