"""What docs/retries.md shows can be typed as it stands."""

import json
import re
import shlex
from pathlib import Path

import pytest

from hive_contracts.retrying import Retry, retry_in
from hive_contracts.tasks import NewTask
from hive_contracts.wire import decode_payload
from hive_process.payload import CommandPayload
from hive_store.refusing import checked_payload

PAGE = (Path(__file__).parents[2] / "docs" / "retries.md").read_text(encoding="utf-8")
POLICIES = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
SUBMITS = re.findall(r"^\$ hive (submit .*)$", PAGE, re.MULTILINE)


def test_there_is_something_to_try() -> None:
    assert (len(POLICIES), len(SUBMITS)) == (5, 3)


@pytest.mark.parametrize("text", POLICIES)
def test_a_policy_of_the_page_is_one(text: str) -> None:
    policy = retry_in(text)
    assert isinstance(policy, Retry)
    assert str(policy) == text


@pytest.mark.parametrize("line", SUBMITS)
def test_a_submit_of_the_page_is_accepted(line: str) -> None:
    words = shlex.split(line)
    said = dict(zip(words[2::2], words[3::2], strict=True))
    payload = said["--payload"]
    assert decode_payload(words[1], payload, CommandPayload).words
    names = said.get("--retry-on")
    retry = said.get("--retry")
    if retry is not None and names is not None:
        retry = f"{retry} only on {names}"
    checked_payload(NewTask(kind=words[1], payload=json.loads(payload), retry=retry))
