"""Reports as mail servers write them: RFC 3464 (not delivered), RFC 5965 (called junk).

Pure. What comes in may be anything, from anybody.
"""

import re
from email import message_from_bytes, message_from_string
from email.message import Message

from statuspage.notify.bounces import Bounce, Verdict, key_in

_STATUS = re.compile(r"\b([245])\.([0-9]{1,3})\.([0-9]{1,3})\b")
_HARD = re.compile(r"5\.(0\.|1\.(?![78]$)|2\.[01]$|4\.4$)")
"""RFC 3463: the address is wrong or the mailbox is gone. Others are about a full mailbox,
the network, this one text, or what a filter thinks of us: that passes."""
_WORDS = {
    "5.1.1": "the mailbox does not exist",
    "5.1.2": "the domain does not exist",
    "5.1.10": "the domain accepts no mail",
    "5.2.1": "the mailbox is disabled",
    "5.2.2": "the mailbox is full",
    "4.2.2": "the mailbox is full",
    "5.4.4": "the domain does not exist",
}
MAX_PARTS = 50


def read(raw: bytes) -> list[Bounce]:
    """What a mail reports; nothing where it is no report, or says that it goes on trying."""
    try:
        mail = message_from_bytes(raw)
    except RecursionError:
        return []  # Parts within parts, by the thousand.
    parts = _parts(mail)
    key = _key(mail, parts)
    bounces: list[Bounce] = []
    for part in parts:
        match part.get_content_type():
            case "message/delivery-status":
                bounces += [verdict_on(_status(block), key) for block in _failed(part)]
            case "message/feedback-report":
                bounces.append(Bounce(Verdict.COMPLAINT, key, "Its reader marked it as spam."))
    return [bounce for bounce in bounces if bounce.key]


def verdict_on(status: str, key: str | None, address: str | None = None) -> Bounce:
    """By the enhanced status code (`5.1.1`); an empty one is taken for something that passes."""
    verdict = Verdict.HARD if _HARD.match(status) else Verdict.SOFT
    words = _WORDS.get(status)
    if words is None and status.startswith("5.7."):
        words = "the receiver's policy rejected it"
    if words is None:
        words = "it could not be delivered"
    code = f" ({status})" if status else ""
    return Bounce(verdict, key, f"Bounced: {words}{code}.", address)


def status_in(text: str) -> str:
    """The enhanced status code in a line of a mail server; empty where there is none."""
    match = _STATUS.search(text)
    return match[0] if match else ""


def _parts(mail: Message) -> list[Message]:
    if mail.get_content_type() != "multipart/report":
        return []
    return _within(mail)


def _failed(part: Message) -> list[Message]:
    """A block of fields for each recipient that was given up."""
    return [
        block for block in _within(part) if str(block.get("Action", "")).strip().lower() == "failed"
    ]


def _status(block: Message) -> str:
    status = status_in(str(block.get("Status", "")))
    # `5.0.0` says no more than "failed"; what the other server said may.
    code = status_in(str(block.get("Diagnostic-Code", "")))
    return code if code and status in ("", "5.0.0") else status


def _key(mail: Message, parts: list[Message]) -> str | None:
    """By the returned mail's own Message-ID, else by the address that the report went to."""
    for part in parts:
        returned = _returned(part)
        if returned is not None:
            key = key_in(str(returned.get("Message-ID", "")))
            if key:
                return key
    for name in ("Delivered-To", "X-Original-To", "To"):
        key = key_in(str(mail.get(name, "")))
        if key:
            return key
    return None


def _returned(part: Message) -> Message | None:
    match part.get_content_type():
        case "message/rfc822" | "message/global":
            return next(iter(_within(part)), None)
        case "text/rfc822-headers":
            decoded = part.get_payload(decode=True)
            text = decoded if isinstance(decoded, bytes) else b""
            return message_from_string(text.decode("utf-8", "replace"))
    return None


def _within(part: Message) -> list[Message]:
    payload = part.get_payload()
    parts = payload if isinstance(payload, list) else []
    return [part for part in parts[:MAX_PARTS] if isinstance(part, Message)]
