"""Text survives its numbers, whole or token by token."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive_inference.errors import WeightsError
from hive_inference.tokenizer import (
    CharacterTokenizer,
    FileTokenizer,
    PieceTokenizer,
    TextStream,
    Tokenizer,
)

ALPHABET = "\n abcdefghijklmnopqrstuvwxyz"
TEXTS = ["to be or not to be", "naïve café, 你好 and 🐝🐝!", "a\nb\n\nc", ""]


def streamed(tokenizer: Tokenizer, tokens: list[int]) -> str:
    stream = TextStream(tokenizer)
    return "".join([stream.push(token) for token in tokens] + [stream.finish()])


@given(st.text(ALPHABET))
def test_characters_survive(text: str):
    tokenizer = CharacterTokenizer(ALPHABET)
    tokens = tokenizer.encode(text)
    assert all(0 <= token < tokenizer.size for token in tokens)
    assert tokenizer.decode(tokens) == streamed(tokenizer, tokens) == text


def test_a_character_that_is_not_in_the_alphabet_counts_as_the_stand_in():
    tokenizer = CharacterTokenizer(ALPHABET)
    assert tokenizer.decode(tokenizer.encode("a🐝b")) == "a b"


@pytest.mark.parametrize("alphabet", ["abba ", "abc"])
def test_an_alphabet_that_cannot_work_is_refused(alphabet: str):
    with pytest.raises(WeightsError):
        CharacterTokenizer(alphabet)


PIECES = ["\n", *ALPHABET[1:], "the", " the", " th", "ing"]


@given(st.text(ALPHABET))
def test_pieces_survive(text: str):
    tokenizer = PieceTokenizer(PIECES)
    tokens = tokenizer.encode(text)
    assert all(0 <= token < tokenizer.size for token in tokens)
    assert tokenizer.decode(tokens) == streamed(tokenizer, tokens) == text


def test_the_longest_piece_that_fits_is_taken():
    tokenizer = PieceTokenizer(PIECES)
    pieces = [tokenizer.decode([token]) for token in tokenizer.encode("see the thing🐝s")]
    assert pieces == ["s", "e", "e", " the", " th", "ing", " ", "s"]


@pytest.mark.parametrize("pieces", [["a", "b", "a", " "], ["a", ""], ["a", "b"]])
def test_pieces_that_cannot_work_are_refused(pieces: list[str]):
    with pytest.raises(WeightsError):
        PieceTokenizer(pieces)


@pytest.fixture(scope="session")
def library() -> Any:
    return pytest.importorskip("tokenizers", reason="the tokenizers library is not installed")


@pytest.fixture(scope="session")
def byte_pairs(library: Any, tmp_path_factory: pytest.TempPathFactory) -> FileTokenizer:
    """Byte pairs as GPT-2 has them, trained on a few words."""
    trained = library.Tokenizer(library.models.BPE())
    trained.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = library.decoders.ByteLevel()
    alphabet = library.pre_tokenizers.ByteLevel.alphabet()
    trainer = library.trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=alphabet, show_progress=False
    )
    trained.train_from_iterator(TEXTS, trainer)
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    trained.save(str(path))
    return FileTokenizer(path)


@given(text=st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(TEXTS))
def test_byte_pairs_survive_token_by_token(byte_pairs: FileTokenizer, text: str):
    tokens = byte_pairs.encode(text)
    assert all(0 <= token < byte_pairs.size for token in tokens)
    assert byte_pairs.decode(tokens) == streamed(byte_pairs, tokens) == text


def test_a_character_of_several_tokens_comes_when_it_is_whole(byte_pairs: FileTokenizer):
    stream = TextStream(byte_pairs)
    pieces = [stream.push(token) for token in byte_pairs.encode("🐜")]
    assert len(pieces) > 1
    assert pieces == [""] * (len(pieces) - 1) + ["🐜"]


def test_half_a_character_comes_out_at_the_end(byte_pairs: FileTokenizer):
    stream = TextStream(byte_pairs)
    assert stream.push(byte_pairs.encode("🐜")[0]) == ""
    assert stream.finish() == "\N{REPLACEMENT CHARACTER}"
    assert stream.finish() == ""


@pytest.fixture(scope="session")
def marked_words(library: Any, tmp_path_factory: pytest.TempPathFactory) -> FileTokenizer:
    """Words with a mark for the space in front, and bytes for all else, as Llama has them."""
    words = ["<s>", "\N{LOWER ONE EIGHTH BLOCK}Shall", "\N{LOWER ONE EIGHTH BLOCK}I"]
    words += ["\N{LOWER ONE EIGHTH BLOCK}compare", *(f"<0x{byte:02X}>" for byte in range(256))]
    model = library.models.BPE(
        {word: number for number, word in enumerate(words)}, [], byte_fallback=True
    )
    trained = library.Tokenizer(model)
    trained.add_special_tokens(["<s>"])
    steps = library.decoders
    trained.decoder = steps.Sequence(
        [
            steps.Replace("\N{LOWER ONE EIGHTH BLOCK}", " "),
            steps.ByteFallback(),
            steps.Fuse(),
            steps.Strip(" ", 1, 0),
        ]
    )
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    trained.save(str(path))
    return FileTokenizer(path)


BEE = [4 + byte for byte in "🐝".encode()]


@pytest.mark.parametrize(
    ("prompt", "tokens", "said"),
    [
        ([], [1, 2], "Shall I"),
        ([0], [1, 2], "Shall I"),
        ([0, 1, 2], [3, 2], " compare I"),
        ([1, 2, 0], [3], " compare"),
        ([1, *BEE], [*BEE, 3], "🐝 compare"),
        (BEE, BEE, "🐝"),
    ],
)
def test_a_text_goes_on_behind_its_prompt_with_the_space_that_the_model_said(
    marked_words: FileTokenizer, prompt: list[int], tokens: list[int], said: str
):
    stream = TextStream(marked_words, after=prompt)
    assert "".join([stream.push(token) for token in tokens] + [stream.finish()]) == said


def test_word_pieces_are_put_between_the_marks_of_bert(library: Any, tmp_path: Path):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "to", "be", "##es"]
    model = library.models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]")
    trained = library.Tokenizer(model)
    trained.pre_tokenizer = library.pre_tokenizers.BertPreTokenizer()
    trained.post_processor = library.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    trained.enable_padding(length=64)
    trained.enable_truncation(max_length=4)
    path = tmp_path / "tokenizer.json"
    trained.save(str(path))
    tokenizer = FileTokenizer(path)
    assert tokenizer.size == len(words)
    assert tokenizer.encode("to bees wasp be") == [2, 4, 5, 6, 1, 5, 3]


def test_a_file_that_is_no_tokenizer_is_refused(library: Any, tmp_path: Path):
    del library
    (tmp_path / "tokenizer.json").write_text("{}")
    for name in ("tokenizer.json", "missing.json"):
        with pytest.raises(WeightsError, match="is no tokenizer"):
            FileTokenizer(tmp_path / name)
