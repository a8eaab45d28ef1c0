"""Send a delivery by HTTP: one request over one connection, and what became of it as a value.

A POST and a status are all that is needed, so this is asyncio's streams and no library. Redirects
are not followed: where events go is for who added the webhook to say, and for nobody who answers.
Certificates are verified. Nothing that is answered is kept but the status.
"""

import asyncio
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import SplitResult, urlsplit

from hive_contracts.errors import UsageError
from hive_contracts.signing import signature
from hive_store.delivery_store import Delivery
from hive_store.webhook_store import Target

__all__ = ["Answer", "check_url", "deliver"]

TIMEOUT_SECONDS: Final = 10.0
"""For all of it: the name, the connection, the request and its answer."""

MOST_HEAD_BYTES: Final = 64 * 1024
GONE: Final = 410
STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: .*)?\r?\n")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request."""

    status: int | None
    """None if there was no answer."""

    error: str | None
    """Why it is not delivered; None if it is."""

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants no more, for good."""
        return self.status == GONE


def check_url(url: str) -> None:
    """Do nothing for an address that deliveries can go to.

    Raises:
        UsageError: it is none; the message says why.
    """
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_whole, parts = False, SplitResult("", "", "", "", "")
    if not is_whole or not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(f"a webhook leads to an address like https://example.com/in, not {url!r}")
    if parts.username is not None or parts.password is not None:
        raise UsageError("a webhook's address has no user and no password: it is shown to people")


async def deliver(target: Target, delivery: Delivery, *, now: int) -> Answer:
    """Send a delivery once; return what became of it.

    Args:
        target: where to.
        delivery: what.
        now: Unix time in seconds, which is signed with it.
    """
    try:
        # Who has added it with plain SQL has not been told.
        check_url(target.url)
    except UsageError as error:
        return Answer(None, str(error))
    body = delivery.body.encode()
    headers = {
        "content-type": "application/json",
        "user-agent": "hive-webhook",
        "webhook-id": str(delivery.id),
        "webhook-timestamp": str(now),
    }
    if target.secret is not None:
        headers["webhook-signature"] = signature(
            target.secret, delivery_id=str(delivery.id), timestamp=now, body=body
        )
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            status = await _post(urlsplit(target.url), headers, body)
    except TimeoutError:
        return Answer(None, f"no answer within {TIMEOUT_SECONDS:g} s")
    except (OSError, EOFError, ValueError) as error:
        return Answer(None, _said(error))
    return Answer(status, _refusal(status))


def _refusal(status: int) -> str | None:
    if status // 100 == 2:  # noqa: PLR2004 - the class of success in HTTP
        return None
    if status // 100 == 3:  # noqa: PLR2004 - the class of redirects
        return f"answered {status}: redirects are not followed, name the last address"
    return f"answered {status}"


async def _post(url: SplitResult, headers: Mapping[str, str], body: bytes) -> int:
    is_safe = url.scheme == "https"
    port = url.port or (443 if is_safe else 80)
    reader, writer = await asyncio.open_connection(
        url.hostname, port, ssl=_tls() if is_safe else None, limit=MOST_HEAD_BYTES
    )
    try:
        path = url._replace(scheme="", netloc="", fragment="").geturl() or "/"
        lines = [
            f"POST {path} HTTP/1.1",
            f"host: {url.netloc}",
            f"content-length: {len(body)}",
            "connection: close",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()
        return await _status(reader)
    finally:
        # Not waited for: who keeps a connection open after the answer keeps nobody here.
        writer.close()


async def _status(reader: asyncio.StreamReader) -> int:
    while True:
        line = await reader.readline()
        found = STATUS_LINE.fullmatch(line)
        if found is None:
            raise ValueError("closed the connection without an answer" if not line else "no HTTP")
        while (await reader.readline()).strip():
            pass
        status = int(found[1])
        # An interim answer is followed by the one that counts.
        if status // 100 != 1:
            return status


def _said(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip()


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
