"""What `hive webhook` does. Secrets are read from files and written to files, and never shown."""

import base64
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final
from uuid import uuid4

from hive.durations import show_seconds
from hive.moments import show_moment
from hive.printing import say, show, show_json, show_table
from hive.private_files import is_seen_by_others, replace_private
from hive.settings import Settings
from hive.urls import find_urls
from hive_contracts.errors import ConfigurationError, UsageError
from hive_contracts.signing import SECRET_PREFIX
from hive_contracts.wire import encode_json
from hive_queen.posting import check_url, deliver
from hive_store import EventFilter, open_line
from hive_store.deeds import myself
from hive_store.delivery_store import Delivery
from hive_store.webhook_reports import WebhookReports, WebhookSummary
from hive_store.webhook_store import Target, WebhookStore

__all__ = [
    "add_webhook",
    "pause_webhook",
    "remove_webhook",
    "resume_webhook",
    "show_deliveries",
    "show_webhooks",
    "try_webhook",
]

SECRET_BYTES: Final = 32
SHORTEST_SECRET: Final = 16
LONGEST_SECRET: Final = 1000


async def add_webhook(
    settings: Settings, url: str, wanted: EventFilter, secret_file: Path | None, *, is_json: bool
) -> None:
    """Add a webhook and print its id.

    Raises:
        UsageError: `url` is no address to deliver to.
        ConfigurationError: the file holds no secret.
    """
    check_url(url)
    secret = None if secret_file is None else _secret_in(secret_file)
    if secret is None:
        say("hive: its deliveries are not signed: nobody can tell them from others'")
    async with _store(settings) as store:
        webhook_id = await store.add(Target(url=url, secret=secret), wanted, actor=myself())
    if is_json:
        show_json({"id": webhook_id})
    else:
        show(str(webhook_id))


async def show_webhooks(settings: Settings, *, is_json: bool) -> None:
    """Print every webhook."""
    async with _reports(settings) as reports:
        webhooks = await reports.all()
    if is_json:
        show_json([{**asdict(webhook), "state": webhook.state} for webhook in webhooks])
        return
    heads = ("id", "state", "signed", "events", "url", "last error")
    show_table(heads, [_row(webhook) for webhook in webhooks])


def _row(webhook: WebhookSummary) -> tuple[str, ...]:
    named = {"group": webhook.group, "queue": webhook.queue, "kind": webhook.kind}
    wanted = [",".join(webhook.types)] + [f"{what} {name}" for what, name in named.items() if name]
    state = webhook.state
    if webhook.pending_seconds is not None and state != "active":
        state = f"{state}, pending for {show_seconds(webhook.pending_seconds)}"
    why = "; ".join(filter(None, (webhook.pause_reason, webhook.last_error)))
    return (
        str(webhook.id),
        state,
        "yes" if webhook.is_signed else "no",
        " ".join(filter(None, wanted)) or "all",
        webhook.url,
        why,
    )


async def show_deliveries(
    settings: Settings, webhook_id: int, *, limit: int, is_json: bool
) -> None:
    """Print the last deliveries to a webhook.

    Raises:
        UsageError: there is no such webhook.
    """
    async with _reports(settings) as reports:
        known = {webhook.id for webhook in await reports.all()}
        _refuse_unknown(webhook_id, is_known=webhook_id in known)
        found = await reports.deliveries(webhook_id, limit=limit)
    if is_json:
        show_json([{**asdict(each), "state": each.state} for each in found])
        return
    rows = [
        (
            str(each.id),
            show_moment(each.created_at),
            str(each.events),
            each.state,
            str(each.tries),
            each.error or str(each.status or ""),
        )
        for each in found
    ]
    show_table(("id", "made", "events", "state", "tries", "last answer"), rows)


async def remove_webhook(settings: Settings, webhook_id: int) -> None:
    """Remove a webhook. Raises UsageError if there is none."""
    async with _store(settings) as store:
        _refuse_unknown(webhook_id, is_known=await store.remove(webhook_id, actor=myself()))


async def pause_webhook(settings: Settings, webhook_id: int) -> None:
    """Deliver nothing more to a webhook. Raises UsageError if there is none."""
    async with _store(settings) as store:
        _refuse_unknown(webhook_id, is_known=await store.pause(webhook_id, actor=myself()))


async def resume_webhook(settings: Settings, webhook_id: int, *, skips: bool) -> None:
    """Deliver to a webhook again. Raises UsageError if there is none."""
    async with _store(settings) as store:
        _refuse_unknown(
            webhook_id, is_known=await store.resume(webhook_id, skips=skips, actor=myself())
        )


async def try_webhook(settings: Settings, webhook_id: int) -> bool:
    """Send a webhook a delivery without events; print what came of it, return whether it was taken.

    Raises:
        UsageError: there is no such webhook.
    """
    async with _store(settings) as store:
        found = await store.target_of(webhook_id)
    if found is None:
        raise _unknown(webhook_id)
    target, now = found
    delivery_id = uuid4()
    body: dict[str, object] = {"delivery": str(delivery_id), "webhook": webhook_id, "events": []}
    answer = await deliver(target, Delivery(delivery_id, encode_json(body)), now=now)
    show(f"{target.url}: {answer.error or f'answered {answer.status}'}")
    return answer.error is None


@asynccontextmanager
async def _store(settings: Settings) -> AsyncGenerator[WebhookStore]:
    async with open_line(find_urls(settings)[0]) as line:
        yield WebhookStore(line)


@asynccontextmanager
async def _reports(settings: Settings) -> AsyncGenerator[WebhookReports]:
    async with open_line(find_urls(settings)[0]) as line:
        yield WebhookReports(line)


def _secret_in(path: Path) -> str:
    """Return the secret in a file; make one if there is no file."""
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return _new_secret_in(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the secret in {path} cannot be read: {error}") from error
    if not SHORTEST_SECRET <= len(secret) <= LONGEST_SECRET or not secret.isprintable():
        raise ConfigurationError(
            f"{path} holds no secret: {SHORTEST_SECRET} printable characters or more, on one line"
        )
    if is_seen_by_others(path):
        say(f"hive: others may read {path}, which holds a secret: chmod 600 {path}")
    return secret


def _new_secret_in(path: Path) -> str:
    secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    try:
        replace_private(path, f"{secret}\n")
    except OSError as error:
        raise ConfigurationError(f"no secret can be written to {path}: {error}") from error
    say(f"hive: {path} was made, with a new secret; its receiver needs it")
    return secret


def _refuse_unknown(webhook_id: int, *, is_known: bool) -> None:
    if not is_known:
        raise _unknown(webhook_id)


def _unknown(webhook_id: int) -> UsageError:
    return UsageError(
        f"there is no webhook {webhook_id}; `hive webhook list` shows those there are"
    )
