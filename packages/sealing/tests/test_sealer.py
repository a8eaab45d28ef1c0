"""What is sealed comes back for those who may have it, as it was, and for nobody else."""

import base64
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from hive_contracts.errors import BrokenSealError, ConfigurationError
from hive_contracts.ids import LeaseId, TaskId
from hive_contracts.leased import Task
from hive_contracts.tasks import NewTask
from hive_contracts.wire import encode_json
from hive_sealing import KeySealer, SealingSettings, open_sealer, sealing_from_environment

PAYLOAD = {"argv": ["pay", "ä"], "amount": 1e22, "small": 0.1}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A directory with the keys k1 and k2."""
    for key_id in ("k1", "k2"):
        path = tmp_path / f"{key_id}.key"
        path.touch(mode=0o600)
        path.write_bytes(base64.b64encode(os.urandom(32)))
    return tmp_path


def sealer(
    keys: Path,
    *,
    sign_with: str | None = None,
    encrypt_with: str | None = None,
    accept: Sequence[str] = (),
) -> KeySealer:
    found = open_sealer(
        SealingSettings(
            key_dir=keys,
            sign_with=sign_with,
            encrypt_with=encrypt_with,
            accept_signed_by=tuple(accept),
        )
    )
    assert found is not None
    return found


def leased(task: NewTask, **changes: Any) -> Task:
    """A task as a worker leases it, after somebody has changed it."""
    found = Task(
        id=TaskId(7), lease_id=LeaseId(uuid4()), kind=task.kind, queue=task.queue,
        payload=encode_json(task.payload), attempt=1, failures=0, given_back=0, max_attempts=1,
        timeout=None, writes_start=False, enqueued_seconds=0.0,
    )  # fmt: skip
    return found.replaced(**changes)


TASK = NewTask(kind="command", payload=PAYLOAD)


@pytest.mark.parametrize("sign_with", [None, "k1"])
@pytest.mark.parametrize("encrypt_with", [None, "k1", "k2"])
def test_a_worker_sees_what_was_submitted(
    keys: Path, sign_with: str | None, encrypt_with: str | None
) -> None:
    sealed = sealer(keys, sign_with=sign_with, encrypt_with=encrypt_with).sealed(TASK)
    worker = sealer(keys, accept=["k1"] if sign_with else [])
    assert json.loads(worker.opened(leased(sealed)).payload) == PAYLOAD


def test_who_seals_nothing_changes_nothing(keys: Path) -> None:
    plain = sealer(keys)
    assert plain.sealed(TASK) is TASK
    task = leased(TASK)
    assert plain.opened(task) is task
    assert open_sealer(SealingSettings()) is None


def test_a_signed_payload_can_be_read_and_an_encrypted_one_cannot(keys: Path) -> None:
    assert sealer(keys, sign_with="k1").sealed(TASK).payload["payload"] == PAYLOAD
    sealed = sealer(keys, sign_with="k1", encrypt_with="k2").sealed(TASK)
    assert "pay" not in encode_json(sealed.payload["payload"]).replace("payload", "")


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "call"},
        {"queue": "another"},
    ],
)
@pytest.mark.parametrize("how", ["sign_with", "encrypt_with"])
def test_a_sealed_payload_belongs_to_its_kind_and_queue(
    keys: Path, how: str, changes: dict[str, str]
) -> None:
    sealed = sealer(keys, **{how: "k1"}).sealed(TASK)
    with pytest.raises(BrokenSealError):
        sealer(keys, accept=["k1"] if how == "sign_with" else []).opened(leased(sealed, **changes))


@pytest.mark.parametrize(
    "payload",
    [
        '{"argv": ["rm"]}',
        "null",
        '{"$signed": null}',
        '{"$signed": {"key": "k1", "mac": "00"}}',
        '{"$signed": {"key": "k1", "mac": "00"}, "payload": {}}',
        '{"$signed": {"key": "k1", "mac": ""}, "payload": {}}',
        '{"$signed": {"key": "k1", "mac": "ä"}, "payload": {}}',
        '{"$signed": {"key": "../k1", "mac": "00"}, "payload": {}}',
        '{"$signed": {"key": "k1", "mac": "00", "more": 1}, "payload": {}}',
        '{"$encrypted": {"key": "k1", "nonce": "AAAA", "data": "AAAA"}}',
    ],
)
def test_what_is_not_signed_as_it_must_be_is_refused(keys: Path, payload: str) -> None:
    with pytest.raises(BrokenSealError):
        sealer(keys, accept=["k1"]).opened(leased(TASK, payload=payload))


def test_an_altered_payload_is_refused(keys: Path) -> None:
    sealed = sealer(keys, sign_with="k1").sealed(TASK)
    altered = encode_json(sealed.payload).replace('"pay"', '"pay more"')
    for worker in (sealer(keys, accept=["k1"]), sealer(keys)):
        with pytest.raises(BrokenSealError, match="altered since it was signed with key k1"):
            worker.opened(leased(TASK, payload=altered))


@pytest.mark.parametrize(
    "payload",
    [
        '{"$encrypted": 1}',
        '{"$encrypted": {"key": "k1", "nonce": "!", "data": "AAAA"}}',
        '{"$encrypted": {"key": "k1", "nonce": "", "data": ""}}',
        '{"$encrypted": {"key": "k1", "nonce": "AAAAAAAAAAAAAAAA", "data": "AAAA"}}',
        '{"$encrypted": {"key": "k1", "nonce": "AAAAAAAAAAAAAAAA", "data": "AAAA"}, "argv": []}',
    ],
)
def test_what_does_not_decrypt_is_refused(keys: Path, payload: str) -> None:
    with pytest.raises(BrokenSealError):
        sealer(keys).opened(leased(TASK, payload=payload))


def test_keys_are_rotated_by_accepting_the_old_one_for_a_while(keys: Path) -> None:
    old, new = (sealer(keys, sign_with=key_id).sealed(TASK) for key_id in ("k1", "k2"))
    both, after = sealer(keys, accept=["k1", "k2"]), sealer(keys, accept=["k2"])
    for sealed in (old, new):
        assert json.loads(both.opened(leased(sealed)).payload) == PAYLOAD
    assert json.loads(after.opened(leased(new)).payload) == PAYLOAD
    with pytest.raises(BrokenSealError, match="with key 'k1'; this worker runs what"):
        after.opened(leased(old))


def test_the_result_of_an_encrypted_payload_is_encrypted_for_its_task_alone(keys: Path) -> None:
    client = sealer(keys, sign_with="k1", encrypt_with="k2")
    task = leased(client.sealed(TASK))
    stored = json.loads(sealer(keys, accept=["k1"]).sealed_result(task, '{"paid": 1}'))
    assert "paid" not in json.dumps(stored)
    assert client.readable_result(stored, task_id=TaskId(7)) == {"paid": 1}
    with pytest.raises(BrokenSealError):
        client.readable_result(stored, task_id=TaskId(8))


def test_the_result_of_a_payload_that_is_only_signed_is_stored_as_it_is(keys: Path) -> None:
    task = leased(sealer(keys, sign_with="k1").sealed(TASK))
    assert sealer(keys).sealed_result(task, "1") == "1"
    assert sealer(keys).sealed_result(leased(TASK), "1") == "1"


def test_who_lacks_the_key_sees_that_it_is_encrypted_and_who_has_it_reads(keys: Path) -> None:
    sealed = sealer(keys, sign_with="k1", encrypt_with="k2").sealed(TASK)
    reader = sealer(keys)
    seen = reader.readable_payload(sealed.payload, kind="command", queue="default")
    assert seen["payload"] == PAYLOAD
    (keys / "k2.key").unlink()
    assert sealer(keys).readable_payload(sealed.payload, kind="command", queue="default") == (
        sealed.payload
    )


def test_two_tasks_with_one_payload_look_different_when_encrypted(keys: Path) -> None:
    client = sealer(keys, encrypt_with="k1")
    assert client.sealed(TASK).payload != client.sealed(TASK).payload


def test_a_key_that_is_named_and_not_there_is_told_at_once(keys: Path) -> None:
    for settings in (
        SealingSettings(key_dir=keys, sign_with="k9"),
        SealingSettings(key_dir=keys, encrypt_with="k9"),
        SealingSettings(key_dir=keys, accept_signed_by=("k1", "k9")),
    ):
        with pytest.raises(ConfigurationError, match=r"k9\.key cannot be read"):
            open_sealer(settings)
    with pytest.raises(ConfigurationError, match=r"set sealing\.key_dir"):
        SealingSettings(sign_with="k1")


def test_without_the_library_encrypting_is_refused_with_the_way_to_get_it(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        __import__("sys").modules, "cryptography.hazmat.primitives.ciphers.aead", None
    )
    with pytest.raises(ConfigurationError, match=r"install hive-orchestrator\[encryption\]"):
        sealer(keys, encrypt_with="k1")


def test_programs_are_told_by_the_environment(keys: Path) -> None:
    environment = {
        "HIVE_SEALING_KEY_DIR": str(keys),
        "HIVE_SEALING_SIGN_WITH": "k1",
        "HIVE_SEALING_ACCEPT_SIGNED_BY": "k1, k2",
    }
    assert sealing_from_environment(environment) == SealingSettings(
        key_dir=keys, sign_with="k1", accept_signed_by=("k1", "k2")
    )
    assert sealing_from_environment({}) == SealingSettings()
