"""Signatures of deliveries, as Standard Webhooks has them: any of its libraries verifies ours.

    webhook-id         the delivery, the same at every try
    webhook-timestamp  when it was sent, in Unix seconds
    webhook-signature  v1,BASE64 of HMAC-SHA256 over "ID.TIMESTAMP.BODY"

A secret is text: `whsec_` and base64 stands for the bytes, anything else for itself in UTF-8.

Source: the Standard Webhooks specification 1.0.0, https://www.standardwebhooks.com.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Final

__all__ = ["SECRET_PREFIX", "signature"]

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what secrets begin with


def signature(secret: str, *, delivery_id: str, timestamp: int, body: bytes) -> str:
    """Return the `webhook-signature` of a delivery."""
    message = f"{delivery_id}.{timestamp}.".encode() + body
    digest = hmac.new(_key(secret), message, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _key(secret: str) -> bytes:
    if secret.startswith(SECRET_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
        except binascii.Error:
            pass
    return secret.encode()
