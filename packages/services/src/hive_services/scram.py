"""What Postgres keeps of a password, made here, so that the password itself is never sent to it.

Source: RFC 5802, section 3; the form is that of `pg_authid.rolpassword` in Postgres' manual.
"""

import base64
import hashlib
import hmac
import secrets
from typing import Final

__all__ = ["scram_verifier"]

ITERATIONS: Final = 4096
"""Postgres' own number. A password of 192 random bits needs none to be safe from guessing."""

SALT_BYTES: Final = 16


def scram_verifier(password: str) -> str:
    """Return the SCRAM-SHA-256 verifier of an ASCII password, with a salt of its own."""
    salt = secrets.token_bytes(SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    keys = f"{_text(stored_key)}:{_text(server_key)}"
    return f"SCRAM-SHA-256${ITERATIONS}:{_text(salt)}${keys}"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
