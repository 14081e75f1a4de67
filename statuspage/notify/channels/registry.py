"""The channels: one for each file here that is named like a `Channel`."""

import pkgutil
from importlib import import_module

from statuspage.config import Settings
from statuspage.domain.subscribers.addresses import Rule
from statuspage.domain.subscribers.subscriptions import Channel
from statuspage.notify import channels
from statuspage.notify.channels.base import ChannelSender, ChannelType

_FILES = {module.name for module in pkgutil.iter_modules(channels.__path__)}
CHANNELS: dict[Channel, ChannelType] = {
    channel: import_module(f"{channels.__name__}.{channel.value}").CHANNEL
    for channel in Channel
    if channel.value in _FILES
}

MISSING = {
    Channel.EMAIL: ("smtp_url", "No mail server is set up", "STATUSPAGE_SMTP_URL"),
    Channel.SMS: ("sms_url", "No SMS gateway is set up", "STATUSPAGE_SMS_URL"),
    Channel.TELEGRAM: ("telegram_token", "No Telegram bot is set up", "STATUSPAGE_TELEGRAM_TOKEN"),
}


def missing(channel: Channel, settings: Settings) -> str | None:
    """Why a channel cannot send and which setting changes that; None where it can."""
    if channel not in MISSING:
        return None
    field, words, name = MISSING[channel]
    return None if getattr(settings, field) else f"{words}: set {name}."


def channel_senders(settings: Settings) -> dict[Channel, ChannelSender]:
    """Those that can send with these settings: e-mail needs a mail server, SMS a gateway …"""
    return {
        channel: kind.sender(settings)
        for channel, kind in CHANNELS.items()
        if kind.is_set_up(settings)
    }


def address_rules() -> dict[Channel, Rule]:
    return {channel: kind.address for channel, kind in CHANNELS.items() if kind.address}
