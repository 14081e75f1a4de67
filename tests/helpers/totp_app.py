"""What an authenticator app shows."""

import base64

import pyotp


def code_at(secret, at):
    return pyotp.TOTP(base64.b32encode(secret).decode()).at(at)


def step_at(at):
    return int(at.timestamp()) // 30
