"""Keys are found by id in one directory, and refused if anybody else could have read them."""

import base64
from pathlib import Path

import pytest

from hive_contracts.errors import ConfigurationError
from hive_sealing.keys import KeyRing

SECRET = base64.b64encode(b"not very secret, and 32 bytes lo").decode()


def write(folder: Path, key_id: str, text: str = SECRET, mode: int = 0o400) -> Path:
    path = folder / f"{key_id}.key"
    path.touch(mode=0o600)
    path.write_text(f"{text}\n")
    path.chmod(mode)
    return path


def test_a_key_signs_and_encrypts_with_different_bytes(tmp_path: Path) -> None:
    write(tmp_path, "k1")
    key = KeyRing(tmp_path).key("k1")
    assert len({key.signing, key.encryption, SECRET.encode()}) == 3
    assert len(key.signing) == len(key.encryption) == 32


def test_a_key_shows_nothing_of_itself(tmp_path: Path) -> None:
    write(tmp_path, "k1")
    assert repr(KeyRing(tmp_path).key("k1")) == "Key(id='k1')"


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o644, 0o620])
def test_a_key_that_others_may_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    write(tmp_path, "k1", mode=mode)
    with pytest.raises(ConfigurationError, match="chmod 400"):
        KeyRing(tmp_path).key("k1")


@pytest.mark.parametrize(
    "key_id", ["../k1", "/etc/passwd", "", ".", "..", ".hidden", "a/b", "a\0b", "k" * 65, "k1\n"]
)
def test_an_id_never_leads_out_of_the_directory(tmp_path: Path, key_id: str) -> None:
    (tmp_path / "ring").mkdir()
    write(tmp_path, "k1")
    ring = KeyRing(tmp_path / "ring")
    assert not ring.has(key_id)
    with pytest.raises(ConfigurationError, match="the id of a key is"):
        ring.key(key_id)


@pytest.mark.parametrize("text", ["", "short", "not base64 at all !!", SECRET[:20]])
def test_what_is_no_key_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    write(tmp_path, "k1", text)
    with pytest.raises(ConfigurationError, match="openssl rand -base64 32") as refused:
        KeyRing(tmp_path).key("k1")
    assert not text or text not in str(refused.value)


def test_a_key_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"k9\.key cannot be read: No such file"):
        KeyRing(tmp_path).key("k9")


def test_a_directory_or_a_pipe_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "k1.key").mkdir(mode=0o700)
    with pytest.raises(ConfigurationError):
        KeyRing(tmp_path).key("k1")
