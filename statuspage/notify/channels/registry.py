"""The channels that can send with these settings."""

from statuspage.config import Settings
from statuspage.domain.subscribers.subscriptions import Channel
from statuspage.notify.channels import (
    discord,
    email,
    google_chat,
    mattermost,
    slack,
    sms,
    teams,
    telegram,
    web_push,
    webhook,
)
from statuspage.notify.channels.base import ChannelSender


def channel_senders(settings: Settings) -> dict[Channel, ChannelSender]:
    """E-mail needs a mail server, SMS a gateway, Telegram a bot; the others always work."""
    senders = {
        Channel.WEBHOOK: ChannelSender(webhook.sender(settings), slots=16),
        Channel.SLACK: ChannelSender(slack.sender(settings), slots=4),
        Channel.TEAMS: ChannelSender(teams.sender(settings), slots=4),
        Channel.DISCORD: ChannelSender(discord.sender(settings), slots=4),
        Channel.GOOGLE_CHAT: ChannelSender(google_chat.sender(settings), slots=4),
        Channel.MATTERMOST: ChannelSender(mattermost.sender(settings), slots=4),
        Channel.WEB_PUSH: ChannelSender(web_push.sender(settings), slots=16),
    }
    if settings.telegram_token:
        senders[Channel.TELEGRAM] = ChannelSender(telegram.sender(settings), slots=4)
    if settings.sms_url:
        senders[Channel.SMS] = ChannelSender(sms.sender(settings), slots=4)
    if settings.smtp_url:
        senders[Channel.EMAIL] = email.channel_sender(settings, slots=4)
    return senders
