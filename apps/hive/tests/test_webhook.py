"""`hive webhook`: what a person adds, sees and mends, and never a secret in sight."""

import http.server
import json
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hive_testkit.desk import Desk

URL = "http://127.0.0.1:1/in"


@contextmanager
def answering(status: int) -> Generator[tuple[str, list[Any]]]:
    """The address of a server that answers so, and the headers of what it was sent."""
    seen: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            seen.append(self.headers)
            self.send_response(status)
            self.end_headers()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", seen
        finally:
            server.shutdown()
            thread.join()


def added(desk: Desk, *words: str) -> str:
    done = desk("webhook", "add", URL, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_webhook_is_added_listed_paused_resumed_and_removed(desk: Desk, tmp_path: Path) -> None:
    secret = tmp_path / "hive.secret"
    words = ["--type", "failed,lost", "--queue", "x", "--secret-file", str(secret)]
    webhook = added(desk, *words)
    assert secret.stat().st_mode & 0o777 == 0o600
    text = secret.read_text().strip()
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/=]{44}", text)
    assert "yes" in desk("webhook", "list").stdout
    [found] = json.loads(desk("webhook", "list", "--json").stdout)
    assert (found["url"], found["state"], found["types"]) == (URL, "active", ["failed", "lost"])
    desk("webhook", "pause", webhook)
    assert "paused" in desk("webhook", "list").stdout
    doctor = desk("doctor")
    assert f"hive webhook resume {webhook}" in doctor.stdout
    desk("webhook", "resume", webhook)
    for shown in (desk("webhook", "list", "--json"), desk("doctor"), desk("webhook", "list")):
        assert text not in shown.stdout + shown.stderr
        assert "paused:" not in shown.stdout
    assert desk("webhook", "deliveries", webhook).returncode == 0
    assert desk("webhook", "remove", webhook).returncode == 0
    assert json.loads(desk("webhook", "list", "--json").stdout) == []


def test_a_secret_that_is_there_is_used_and_one_without_is_told(desk: Desk, tmp_path: Path) -> None:
    secret = tmp_path / "hive.secret"
    secret.write_text("a secret of one's own\n")
    secret.chmod(0o600)
    added(desk, "--secret-file", str(secret))
    [row] = desk.sql("select secret from hive.webhook_secret")
    assert row["secret"] == "a secret of one's own"
    done = desk("webhook", "add", URL)
    assert "its deliveries are not signed" in done.stderr


@pytest.mark.parametrize(("status", "code"), [(204, 0), (500, 1)])
def test_a_test_says_what_was_answered(desk: Desk, status: int, code: int, tmp_path: Path) -> None:
    with answering(status) as (url, seen):
        words = ["--secret-file", str(tmp_path / "secret"), "--json"]
        webhook = json.loads(desk("webhook", "add", url, *words).stdout)["id"]
        done = desk("webhook", "test", str(webhook))
    assert (done.returncode, done.stdout) == (code, f"{url}: answered {status}\n")
    assert seen[0]["webhook-signature"].startswith("v1,")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["add", "example.com"], "leads to an address like https://example.com/in, not"),
        (["add", "http://me:pw@x/"], "has no user and no password"),
        (["add", URL, "--type", "faild"], "did you mean failed?"),
        (["add", URL, "--secret-file", "/dev/null"], "/dev/null holds no secret"),
        (["pause", "999"], "there is no webhook 999; `hive webhook list` shows"),
        (["remove", "999"], "there is no webhook 999"),
        (["resume", "999"], "there is no webhook 999"),
        (["test", "999"], "there is no webhook 999"),
        (["deliveries", "999"], "there is no webhook 999"),
    ],
)
def test_what_cannot_be_meant_is_refused(desk: Desk, words: list[str], message: str) -> None:
    done = desk("webhook", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "pw" not in done.stderr
