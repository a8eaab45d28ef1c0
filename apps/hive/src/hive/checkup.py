"""What Hive needs of this machine and of its servers, what is there, and how to mend the rest."""

import os
import platform
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from hive import up_state
from hive.settings import Settings
from hive.tasks.waiting import command_for
from hive.urls import Urls, resolve_urls
from hive.words import counted
from hive_bus.bus import Bus
from hive_contracts.errors import ConfigurationError, HiveError, UsageError
from hive_process.fences import inspect_fences
from hive_services.inspection import (
    Finding,
    inspect_identity,
    inspect_lifeline,
    inspect_postgres,
    inspect_redis,
)
from hive_store import EventLog, ScheduleStore, open_line
from hive_store.budget import ConnectionBudget, read_budget
from hive_store.connecting import connect, say_farewell, server_version, translated
from hive_store.event_log import OpenTransaction
from hive_store.migrating import LATEST, read_schema
from hive_store.onlooker import Onlooker, UnmetNeeds
from hive_store.schedule_store import TroubledSchedule
from hive_store.schema import Schema
from hive_store.webhook_reports import WebhookReports, WebhookSummary

__all__ = ["Check", "check_up"]

OWNER: Final = "run as its owner, or choose another with --data-dir"

LITTLE_ROOM_BYTES: Final = 256 << 20
"""With less than this an embedded Postgres may soon have no room for its log of changes."""

SEEN_WITHIN: Final = timedelta(minutes=1)
MOST_NAMED: Final = 5
"""Schedules that come to nothing; who mends those sees the next ones."""

LONG_TRANSACTION_SECONDS: Final = 60.0
"""A transaction that is open for so long is named: a report, or a forgotten console."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    is_fine: bool
    found: str
    """What is there, with its version if it has one."""

    remedy: str | None = None
    """How to mend it; None if there is nothing to mend."""


async def check_up(settings: Settings) -> list[Check]:
    """Look at everything; change nothing."""
    checks = [
        _python(),
        _data_dir(settings.services.data_dir),
        *_programs(settings),
        *_fences(settings),
    ]
    try:
        urls = resolve_urls(settings)
    except ConfigurationError as error:
        return [*checks, Check(name="hive", is_fine=False, found=str(error), remedy=OWNER)]
    except UsageError:
        return [*checks, Check(name="hive", is_fine=True, found="not running; start: hive up -d")]
    state = up_state.read(settings.services.data_dir)
    kept = [] if state is None else [_process(process) for process in state.processes]
    return [*checks, *kept, *await _database(urls), await _redis(urls)]


def _python() -> Check:
    return Check(name="python", is_fine=True, found=platform.python_version())


def _data_dir(path: Path) -> Check:
    name = "data directory"
    try:
        status = path.stat()
    except FileNotFoundError:
        return Check(name=name, is_fine=True, found=f"{path}, to be made")
    except OSError as error:
        return Check(
            name=name,
            is_fine=False,
            found=f"{path}: {error.strerror}",
            remedy="choose another with --data-dir",
        )
    if not stat.S_ISDIR(status.st_mode) or not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return Check(
            name=name,
            is_fine=False,
            found=f"{path} is not a directory that user id {os.geteuid()} may write to",
            remedy=OWNER,
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o022:
        return Check(
            name=name,
            is_fine=False,
            found=f"others may write to {path} (mode {mode:o})",
            remedy=f"chmod 700 {path}",
        )
    free_bytes = shutil.disk_usage(path).free
    if free_bytes < LITTLE_ROOM_BYTES:
        return Check(
            name=name,
            is_fine=False,
            found=f"{path}: {free_bytes / 2**20:.0f} MiB of room are left",
            remedy="make room on its disk, or choose another with --data-dir;"
            " work goes on by itself when there is some",
        )
    return Check(name=name, is_fine=True, found=str(path))


def _programs(settings: Settings) -> Iterable[Check]:
    findings: list[Finding] = []
    if settings.database.url is None:
        findings += [inspect_postgres(), inspect_identity()]
    if settings.redis.url is None:
        findings += [inspect_redis()]
    if findings:
        findings += [inspect_lifeline()]
    for finding in findings:
        parts = [finding.version, str(finding.path or ""), finding.detail]
        yield Check(
            name=f"embedded {finding.name}",
            is_fine=finding.is_usable,
            found="  ".join(part for part in parts if part) or "missing",
            remedy=finding.remedy,
        )


def _fences(settings: Settings) -> Iterable[Check]:
    """Say what holds commands here; only what a promise stands on has to be mended."""
    for fence in inspect_fences(settings.command.control_group):
        is_fine = fence.holds or fence.remedy is None
        yield Check(name=fence.name, is_fine=is_fine, found=fence.found, remedy=fence.remedy)


def _process(process: up_state.ProcessState) -> Check:
    if process.pid is not None:
        condition = "ready" if process.is_ready else "has not said that it is ready"
        found = f"process {process.pid}, {condition}"
    else:
        found = process.last_exit or "not started"
    return Check(
        name=process.name,
        is_fine=process.pid is not None,
        found=found,
        remedy=None if process.pid is not None else f"see {process.log}",
    )


async def _database(urls: Urls) -> list[Check]:
    try:
        connection = await connect(urls.database)
    except HiveError as error:
        return [Check(name="database", is_fine=False, found=str(error), remedy=_reach("DATABASE"))]
    version = server_version(connection)
    try:
        with translated(urls.database):
            schema = await read_schema(connection)
    except HiveError as error:
        return [Check(name="database", is_fine=False, found=str(error), remedy=_reach("DATABASE"))]
    finally:
        await say_farewell(connection)
    server = Check(name="database", is_fine=True, found=f"Postgres {version} answers")
    if not schema.bears(LATEST):
        return [server, _schema(schema)]
    return [server, _schema(schema), *await _load(urls)]


async def _load(urls: Urls) -> list[Check]:
    """Look at what others do to the server that Hive would feel."""
    try:
        async with open_line(urls.database) as line:
            connections = _connections(await read_budget(line))
            transactions = _transaction(await EventLog(line).oldest_transaction())
            troubled = await ScheduleStore(line).troubled(living=SEEN_WITHIN, limit=MOST_NAMED)
            unmet = await Onlooker(line).unmet_needs(living=SEEN_WITHIN)
            webhooks = await WebhookReports(line).all()
            schedules, needs = map(_schedule, troubled), map(_unmet, unmet)
            return [connections, *transactions, *schedules, *needs, *_webhooks(webhooks)]
    except HiveError as error:
        return [Check(name="event log", is_fine=False, found=str(error), remedy=_reach("DATABASE"))]


def _transaction(oldest: OpenTransaction | None) -> Iterable[Check]:
    """Name the transaction that holds back the event log and the vacuum, if one has for long."""
    if oldest is not None and oldest.age_seconds >= LONG_TRANSACTION_SECONDS:
        yield Check(
            name="transaction",
            is_fine=False,
            found=f"open for {oldest.age_seconds:.0f} s: process {oldest.pid}, user {oldest.user},"
            f" database {oldest.database}, {oldest.application or 'unnamed'}",
            remedy="it holds back the event log; end it, or"
            f" select pg_terminate_backend({oldest.pid})",
        )


def _webhooks(webhooks: Iterable[WebhookSummary]) -> Iterable[Check]:
    """Name each webhook that gets nothing at present."""
    for webhook in webhooks:
        if webhook.state != "active":
            why = "; ".join(filter(None, (webhook.pause_reason, webhook.last_error)))
            yield Check(
                name=f"webhook {webhook.id}",
                is_fine=webhook.is_paused_by_hand,
                found=f"{webhook.state}: {webhook.url}: {why}",
                remedy=f"see to its receiver, then: hive webhook resume {webhook.id}",
            )


def _schedule(troubled: TroubledSchedule) -> Check:
    name = troubled.name
    if troubled.fault is not None:
        return Check(
            name="schedule",
            is_fine=False,
            found=f"{name}: {troubled.fault}",
            remedy=f"add it anew with `hive schedule add {name} --replace ...`",
        )
    return Check(
        name="schedule",
        is_fine=False,
        found=f"{name} submits to queue {troubled.queue}, which no worker serves",
        remedy=f"hive worker --queue {troubled.queue}",
    )


def _unmet(unmet: UnmetNeeds) -> Check:
    needs = [*unmet.needs, *([f"{unmet.slots} slots"] if unmet.slots > 1 else [])]
    return Check(
        name="labels" if unmet.largest is None else "slots",
        is_fine=False,
        found=f"{counted(unmet.count, 'task')} of queue {unmet.queue}: needs"
        f" {', '.join(needs)}, which no living worker of that queue has",
        remedy=command_for(unmet),
    )


def _connections(budget: ConnectionBudget) -> Check:
    """Say whether the server has room for what is at work and for one worker process more."""
    is_fine = budget.needed <= budget.available and budget.more_workers > 0
    return Check(
        name="connections",
        is_fine=is_fine,
        found=f"{budget.open} of {budget.available} are open; this Hive's queens and workers"
        f" ({budget.queens + budget.workers + budget.sync_workers}) need {budget.needed};"
        f" room for {budget.more_workers} more worker processes",
        remedy=None
        if is_fine
        else "raise max_connections of Postgres (it takes a restart), close what else is connected,"
        " or run fewer worker processes with more slots each",
    )


def _schema(schema: Schema) -> Check:
    if schema.bears(LATEST):
        newer = f"; newer than this Hive's {LATEST}, which may go on: upgrade when it suits"
        found = f"{schema.number}{newer if schema.number > LATEST else ''}"
        return Check(name="schema", is_fine=True, found=found)
    return Check(
        name="schema",
        is_fine=False,
        found=f"{schema.number}; this Hive works with {LATEST}",
        remedy="hive migrate" if schema.number < LATEST else "upgrade Hive on this machine",
    )


async def _redis(urls: Urls) -> Check:
    try:
        async with Bus.open(urls.redis) as bus:
            server = await bus.ping()
            fault = await bus.find_fault()
    except HiveError as error:
        return Check(name="redis", is_fine=False, found=str(error), remedy=_reach("REDIS"))
    if fault is not None:
        return Check(name="redis", is_fine=False, found=fault.found, remedy=fault.remedy)
    return Check(name="redis", is_fine=True, found=f"{server} answers")


def _reach(name: str) -> str:
    return f"see that it runs, and that HIVE_{name}_URL or `hive up` names it"
