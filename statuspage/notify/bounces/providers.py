"""Reports of mail providers, in the JSON of each, and a plain one of ours. Pure.

Amazon SES: https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
Postmark: https://postmarkapp.com/developer/webhooks/bounce-webhook
SendGrid: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
Mailgun: https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads
"""

import json
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError

from statuspage.notify.bounces import Bounce, Verdict, key_in, reports

_AMAZON = re.compile(r"sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?")
JUNK = "Its reader marked it as spam."

Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else str(value))]


class UnreadableError(ValueError):
    """A body that is no report that we know; one sentence for whoever set the hook up."""


class ToConfirm(Exception):
    """Amazon SNS asks to confirm a subscription. `url` is what a person has to open.

    It is not fetched: whoever knows this hook could make us call any address.
    """

    def __init__(self, url: str) -> None:
        super().__init__("Amazon SNS asks to confirm the subscription.")
        self.url = url


def read(body: Any) -> list[Bounce]:
    """What a JSON body reports; other news of a provider are nothing.

    Raises `UnreadableError`, and `ToConfirm` for SNS's first message.
    """
    try:
        match body:
            case {"Type": "SubscriptionConfirmation", "SubscribeURL": str(url)}:
                raise ToConfirm(_of_amazon(url))
            case {"Type": "Notification", "Message": str(inner)}:
                return _of_ses(json.loads(inner))
            case {"mail": dict()}:
                return _of_ses(body)
            case {"RecordType": str()}:
                return _of_postmark(_Postmark.model_validate(body))
            case {"event-data": dict(data)}:
                return _of_mailgun(_Mailgun.model_validate(data))
            case {"type": str()}:
                return [_of_ours(_Ours.model_validate(body))]
            case [{"event": str()}, *_]:
                return [
                    bounce
                    for sent in _SENDGRID.validate_python(body)
                    for bounce in _of_sendgrid(sent)
                ]
            case [{"type": str()}, *_]:
                return [_of_ours(event) for event in _OURS.validate_python(body)]
    except (ValidationError, json.JSONDecodeError, RecursionError):
        raise UnreadableError("A field of this report is missing or has the wrong type.") from None
    raise UnreadableError("This is not a report that we know.")


# ── ours ───────────────────────────────────────────────────────────────────────


class _Ours(BaseModel):
    type: Verdict
    message_id: Text = ""
    address: Text = ""
    status: Text = ""


_OURS = TypeAdapter(list[_Ours])


def _of_ours(sent: _Ours) -> Bounce:
    key = key_in(sent.message_id)
    if sent.type is Verdict.COMPLAINT:
        return Bounce(sent.type, key, JUNK, sent.address)
    verdict = reports.verdict_on(reports.status_in(sent.status), key, sent.address)
    return Bounce(sent.type, key, verdict.reason, sent.address)


# ── Amazon SES ─────────────────────────────────────────────────────────────────


class _Header(BaseModel):
    name: Text = ""
    value: Text = ""


class _CommonHeaders(BaseModel):
    message_id: Text = Field("", alias="messageId")


class _SesMail(BaseModel):
    source: Text = ""
    headers: list[_Header] = []
    common_headers: _CommonHeaders | None = Field(None, alias="commonHeaders")

    @property
    def key(self) -> str | None:
        """SES puts a Message-ID of its own on mail; it gives back the headers that we sent."""
        ids = [header.value for header in self.headers if header.name.lower() == "message-id"]
        if self.common_headers is not None:
            ids.append(self.common_headers.message_id)
        for text in (*ids, self.source):
            key = key_in(text)
            if key:
                return key
        return None


class _SesRecipient(BaseModel):
    address: Text = Field("", alias="emailAddress")
    status: Text = ""
    diagnostic: Text = Field("", alias="diagnosticCode")


class _SesBounce(BaseModel):
    type: Text = Field("", alias="bounceType")
    recipients: list[_SesRecipient] = Field([], alias="bouncedRecipients")


class _SesComplaint(BaseModel):
    recipients: list[_SesRecipient] = Field([], alias="complainedRecipients")


class _Ses(BaseModel):
    mail: _SesMail
    bounce: _SesBounce | None = None
    complaint: _SesComplaint | None = None


def _of_ses(body: Any) -> list[Bounce]:
    sent = _Ses.model_validate(body)
    key, bounces = sent.mail.key, []
    if sent.bounce is not None:
        is_hard = sent.bounce.type == "Permanent"
        for recipient in sent.bounce.recipients:
            status = recipient.status or reports.status_in(recipient.diagnostic)
            said = reports.verdict_on(status, key, recipient.address)
            verdict = Verdict.HARD if is_hard else Verdict.SOFT
            bounces.append(Bounce(verdict, key, said.reason, recipient.address))
    if sent.complaint is not None:
        for recipient in sent.complaint.recipients:
            bounces.append(Bounce(Verdict.COMPLAINT, key, JUNK, recipient.address))
    return bounces


def _of_amazon(url: str) -> str:
    """Raises `UnreadableError` for an address that is not Amazon's."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise UnreadableError("The URL to confirm is not valid.") from None
    if parts.scheme != "https" or not _AMAZON.fullmatch(host):
        raise UnreadableError("The URL to confirm is not Amazon's.")
    return url


# ── Postmark ───────────────────────────────────────────────────────────────────


class _Postmark(BaseModel):
    record_type: str = Field(alias="RecordType")
    type: Text = Field("", alias="Type")
    address: Text = Field("", alias="Email")
    details: Text = Field("", alias="Details")


def _of_postmark(sent: _Postmark) -> list[Bounce]:
    """Postmark puts a Message-ID of its own on mail, so the address says whose it was."""
    if sent.record_type == "SpamComplaint" or sent.type == "SpamComplaint":
        return [Bounce(Verdict.COMPLAINT, None, JUNK, sent.address)]
    if sent.record_type != "Bounce":
        return []
    if sent.type not in _POSTMARK_GAVE_UP | _POSTMARK_HARD:
        return []
    verdict = Verdict.HARD if sent.type in _POSTMARK_HARD else Verdict.SOFT
    outcome = reports.verdict_on(reports.status_in(sent.details), None)
    return [Bounce(verdict, None, outcome.reason, sent.address)]


_POSTMARK_HARD = {"HardBounce", "BadEmailAddress"}
_POSTMARK_GAVE_UP = {"SoftBounce", "DnsError", "SpamNotification", "Blocked"}


# ── SendGrid ───────────────────────────────────────────────────────────────────


class _SendGrid(BaseModel):
    event: str
    type: Text = ""
    address: Text = Field("", alias="email")
    message_id: Text = Field("", alias="smtp-id")
    status: Text = ""
    reason: Text = ""


_SENDGRID = TypeAdapter(list[_SendGrid])


def _of_sendgrid(sent: _SendGrid) -> list[Bounce]:
    key = key_in(sent.message_id)
    match sent.event:
        case "spamreport":
            return [Bounce(Verdict.COMPLAINT, key, JUNK, sent.address)]
        case "bounce":
            is_hard = sent.type != "blocked"
        case "dropped":
            is_hard = sent.reason == "Bounced Address"
        case _:
            return []
    status = reports.status_in(sent.status) or reports.status_in(sent.reason)
    outcome = reports.verdict_on(status, key)
    verdict = Verdict.HARD if is_hard else Verdict.SOFT
    return [Bounce(verdict, key, outcome.reason, sent.address)]


# ── Mailgun ────────────────────────────────────────────────────────────────────


class _MailgunHeaders(BaseModel):
    message_id: Text = Field("", alias="message-id")


class _MailgunMessage(BaseModel):
    headers: _MailgunHeaders | None = None


class _MailgunStatus(BaseModel):
    message: Text = ""
    description: Text = ""


class _Mailgun(BaseModel):
    event: str
    severity: Text = ""
    reason: Text = ""
    address: Text = Field("", alias="recipient")
    message: _MailgunMessage = _MailgunMessage()
    status: _MailgunStatus = Field(_MailgunStatus(), alias="delivery-status")


def _of_mailgun(sent: _Mailgun) -> list[Bounce]:
    headers = sent.message.headers
    key = key_in(headers.message_id) if headers else None
    if sent.event == "complained":
        return [Bounce(Verdict.COMPLAINT, key, JUNK, sent.address)]
    if sent.event != "failed" or sent.severity != "permanent":
        return []  # Mailgun goes on trying.
    is_hard = sent.reason in ("bounce", "suppress-bounce")
    status = reports.status_in(f"{sent.status.message} {sent.status.description}")
    outcome = reports.verdict_on(status, key)
    verdict = Verdict.HARD if is_hard else Verdict.SOFT
    return [Bounce(verdict, key, outcome.reason, sent.address)]
