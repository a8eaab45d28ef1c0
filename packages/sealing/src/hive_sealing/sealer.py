"""Signs and encrypts what is submitted, and opens what is to be run or read."""

import hmac
from dataclasses import replace
from typing import Any, Final

from hive_contracts.errors import BrokenSealError
from hive_contracts.ids import TaskId
from hive_contracts.leased import Task
from hive_contracts.tasks import NewTask
from hive_contracts.wire import decode_json, encode_json
from hive_sealing.canonical import canonical, exactly
from hive_sealing.cipher import decrypt, encrypt
from hive_sealing.envelopes import Encrypted, Signed, encrypted_in, is_envelope, signed_in
from hive_sealing.keys import Key, KeyRing

__all__ = ["KeySealer"]

TASK: Final = "hive.task.1"
RESULT: Final = "hive.result.1"
"""What a signature or a ciphertext is of, so that none passes for one of another sort."""


class KeySealer:
    """Implements `hive_contracts.sealing.Sealer` with the keys of a ring."""

    def __init__(
        self,
        ring: KeyRing,
        *,
        sign_with: Key | None = None,
        encrypt_with: Key | None = None,
        accept_signed_by: frozenset[str] = frozenset(),
    ) -> None:
        self._ring = ring
        self._sign_with = sign_with
        self._encrypt_with = encrypt_with
        self._accepted = accept_signed_by

    def sealed(self, task: NewTask) -> NewTask:
        """Return a task as it is to be stored."""
        payload: Any = task.payload
        if self._encrypt_with is not None:
            context = _context(task.kind, task.queue)
            payload = _encrypted(self._encrypt_with, encode_json(payload), context=context)
        if self._sign_with is not None:
            mac = _mac(self._sign_with, task.kind, task.queue, exactly(encode_json(payload)))
            payload = Signed(self._sign_with.id, mac, payload).plain
        return task if payload is task.payload else replace(task, payload=payload)

    def opened(self, task: Task) -> Task:
        """Return a task as its executor is to see it.

        Raises:
            BrokenSealError: it is not signed as it must be here, or was altered, or cannot be
                decrypted.
        """
        if not self._accepted and not is_envelope(task.payload):
            return task
        stored = decode_json(task.payload)
        verified = self._verified(stored, task)
        found = encrypted_in(verified)
        if found is not None:
            text = self._decrypted(found, context=_context(task.kind, task.queue))
            return task.replaced(payload=text)
        return task if verified is stored else task.replaced(payload=encode_json(verified))

    def _verified(self, stored: Any, task: Task) -> Any:
        """Return what is signed, or `stored` itself if it need not be."""
        signed = signed_in(stored)
        if signed is None:
            if self._accepted:
                raise BrokenSealError(f"it is not signed; {self._wanted}")
            return stored
        if self._accepted and signed.key_id not in self._accepted:
            raise BrokenSealError(f"it is signed with key {signed.key_id!r}; {self._wanted}")
        if self._accepted or self._ring.has(signed.key_id):
            payload = exactly(task.payload)["payload"]
            mac = _mac(self._ring.key(signed.key_id), task.kind, task.queue, payload)
            if not hmac.compare_digest(mac.encode(), signed.mac.encode()):
                raise BrokenSealError(
                    "its signature does not fit: kind, queue or payload were altered since it was"
                    f" signed with key {signed.key_id}, or that key is another one here"
                )
        return signed.payload

    @property
    def _wanted(self) -> str:
        return f"this worker runs what is signed with {' or '.join(sorted(self._accepted))}"

    def sealed_result(self, task: Task, result: str) -> str:
        """Return a result, as JSON, as it is to be stored: encrypted if the payload was.

        Args:
            task: as it was leased, not as it was opened.
            result: what came of it.
        """
        if not is_envelope(task.payload):
            return result
        stored = decode_json(task.payload)
        signed = signed_in(stored)
        found = encrypted_in(stored if signed is None else signed.payload)
        if found is None:
            return result
        key = self._ring.key(found.key_id)
        return encode_json(_encrypted(key, result, context=_result_context(task.id)))

    def readable_payload(self, payload: Any, *, kind: str, queue: str) -> Any:
        """Return a stored payload, with what is encrypted in it opened if its key is here.

        What cannot be opened, because it was altered, comes back as it is stored.
        """
        try:
            signed = signed_in(payload)
            inner = payload if signed is None else signed.payload
            opened = self._readable(inner, context=_context(kind, queue))
        except BrokenSealError:
            return payload
        return opened if signed is None else replace(signed, payload=opened).plain

    def readable_result(self, result: Any, *, task_id: TaskId) -> Any:
        """Return a stored result, opened if it is encrypted and its key is here.

        Raises:
            BrokenSealError: it was altered, or is another task's.
        """
        return self._readable(result, context=_result_context(task_id))

    def _readable(self, value: Any, *, context: bytes) -> Any:
        found = encrypted_in(value)
        if found is None or not self._ring.has(found.key_id):
            return value
        return decode_json(self._decrypted(found, context=context))

    def _decrypted(self, found: Encrypted, *, context: bytes) -> str:
        key = self._ring.key(found.key_id)
        return decrypt(key, found.nonce, found.data, context=context).decode()


def _encrypted(key: Key, text: str, *, context: bytes) -> dict[str, Any]:
    return Encrypted(key.id, *encrypt(key, text.encode(), context=context)).plain


def _mac(key: Key, kind: str, queue: str, payload: Any) -> str:
    return hmac.digest(key.signing, canonical(TASK, kind, queue, payload), "sha256").hex()


def _context(kind: str, queue: str) -> bytes:
    return canonical(TASK, kind, queue)


def _result_context(task_id: TaskId) -> bytes:
    return canonical(RESULT, str(task_id))
