"""`hive generate` and `hive embed`: models of this machine, without a queue."""

import json
from pathlib import Path

import pytest
from folders import bert_folder, plain_folder

from hive.completing import models
from hive_testkit.console import Console

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    plain_folder(root / "gpt")
    bert_folder(root / "bert")
    return root


@pytest.fixture
def here(no_hive: Console, shelf: Path) -> Console:
    """A console on a machine with models, and without a Hive."""
    return Console(
        no_hive.data_dir,
        {"HIVE_INFERENCE_PATH": str(shelf), "HIVE_INFERENCE_CACHE": str(shelf / "cache")},
    )


def test_a_seed_says_the_same_by_name_and_by_folder_and_as_json(here: Console, shelf: Path):
    said = here("generate", "--model", "gpt", "--seed", "7", "--max-tokens", "20", "ABC")
    assert (said.returncode, said.stderr) == (0, "")
    assert len(said.stdout) == 20 + 1
    folder = f"{shelf}/gpt"
    words = ["generate", "--model", folder, "--seed", "7", "--max-tokens", "20", "--json", "-"]
    found = json.loads(here(*words, stdin=b"ABC").stdout)
    assert found.pop("text") == said.stdout.removesuffix("\n")
    assert found == {"end": "length", "tokens_in": 3, "tokens_out": 20, "seed": 7}


def test_every_choice_reaches_the_model_and_without_a_seed_one_is_drawn(here: Console):
    words = ["generate", "--model", "gpt", "--json", "--max-tokens", "40", "ABC"]
    greedy = [
        json.loads(here(*words, *choice).stdout)
        for choice in (["--temperature", "0"], ["--top-k", "1"], ["--top-p", "1e-9"])
    ]
    assert len({each["text"] for each in greedy}) == 1
    assert len({each["seed"] for each in greedy}) == 3
    text = greedy[0]["text"]
    other = here(*words, "--temperature", "0", "--repetition-penalty", "9")
    assert json.loads(other.stdout)["text"] != text
    stopped = json.loads(here(*words, "--temperature", "0", "--stop", text[5:8]).stdout)
    assert stopped["text"] == text[: text.index(text[5:8])]


def test_each_text_and_each_line_has_its_vector_in_order(here: Console):
    named = here("embed", "--model", "bert", "A", "BC", "A").stdout.splitlines()
    vectors = [json.loads(line) for line in named]
    assert [len(vector) for vector in vectors] == [24, 24, 24]
    assert vectors[0] == pytest.approx(vectors[2], abs=1e-6)
    lines = "".join(f"{'BC' if n % 2 else 'A'}\n" for n in range(300)).encode()
    found = json.loads(here("embed", "--model", "bert", "--json", stdin=lines).stdout)
    assert (found["dimensions"], found["tokens_in"], len(found["vectors"])) == (24, 450, 300)
    for n in (0, 131, 298, 299):
        assert found["vectors"][n] == pytest.approx(vectors[n % 2], abs=1e-5)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["generate", "--model", "wasp", "A"], "no model 'wasp'; the models here are: bert, gpt"),
        (["generate", "--model", "./wasp", "A"], "model './wasp': wasp/config.json cannot be read"),
        (["generate", "--model", "bert", "A"], "no model 'bert' is here that can generate text"),
        (["generate", "--model", "gpt", "--top-p", "2", "A"], "top_p is 2.0"),
        (["embed", "--model", "gpt", "A"], "no model 'gpt' is here that can embed texts"),
        (["embed", "--model", "bert"], "there is no text: name one, or give lines"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(here: Console, words: list[str], told: str):
    done = here(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("hive: ")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_names_of_models_are_completed(shelf: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HIVE_INFERENCE_PATH", str(shelf))
    assert models("g") == ["gpt"]
