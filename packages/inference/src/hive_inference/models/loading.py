"""From a folder to a model that runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hive_inference.arrays import F32
from hive_inference.decoder import folding as decoder_folding
from hive_inference.decoder.decoder import ROWS as DECODED_ROWS
from hive_inference.decoder.decoder import Decoder
from hive_inference.decoder.decoder import layer_sizes as decoder_layer_sizes
from hive_inference.decoder.shape import DecoderShape
from hive_inference.encoder import folding as encoder_folding
from hive_inference.encoder.encoder import ROWS as ENCODED_ROWS
from hive_inference.encoder.encoder import Encoder
from hive_inference.encoder.encoder import layer_sizes as encoder_layer_sizes
from hive_inference.encoder.packing import BUDGET_TOKENS
from hive_inference.errors import WeightsError
from hive_inference.kernels.linear import lay_out
from hive_inference.kernels.plans import find_plans
from hive_inference.models import bert, gpt2, llama, plain
from hive_inference.models.configuration import Configuration
from hive_inference.safetensors import TensorFile
from hive_inference.tokenizer import (
    CharacterTokenizer,
    FileTokenizer,
    PieceTokenizer,
    Tokenizer,
)
from hive_inference.weights import Weights, fold_once

__all__ = ["DecoderModel", "EncoderModel", "load_model"]


@dataclass(frozen=True, slots=True)
class DecoderModel:
    """A decoder with its tokenizer."""

    decoder: Decoder
    tokenizer: Tokenizer
    end_tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EncoderModel:
    """An encoder with its tokenizer."""

    encoder: Encoder
    tokenizer: Tokenizer


@dataclass(frozen=True, slots=True)
class _Family:
    shape_of: Callable[..., DecoderShape]
    rename: Callable[[Weights, DecoderShape], Mapping[str, F32]]


_DECODERS: Final = {
    "gpt2": _Family(gpt2.shape_of, gpt2.rename),
    "llama": _Family(llama.shape_of, llama.rename),
    "hive-decoder": _Family(plain.shape_of, plain.rename),
}
_ENCODERS: Final = ("bert",)


def load_model(
    folder: Path, *, cache: Path, slots: int, max_context: int
) -> DecoderModel | EncoderModel:
    """Return the model in `folder`.

    Args:
        folder: with `model.safetensors`, `config.json`, and there or beside it a tokenizer.
        cache: where folded weights and plans are kept.
        slots: sequences that a decoder has room for.
        max_context: most tokens of a sequence, if the model could take more.

    Raises:
        WeightsError: something is missing, damaged, or of a kind that is not known here.
    """
    said = Configuration(folder / "config.json")
    kind = said.text("model_type")
    weights = TensorFile(folder / "model.safetensors")
    if (family := _DECODERS.get(kind)) is not None:
        shape = family.shape_of(said, max_context=max_context)
        decoder = _load_decoder(weights, shape, family, cache=cache, slots=slots)
        tokenizer = _tokenizer(folder, said, shape.vocabulary)
        return DecoderModel(decoder, tokenizer, said.integers("eos_token_id"))
    if kind in _ENCODERS:
        most = _most_tokens(folder, max_context)
        encoder = _load_encoder(weights, said, cache=cache, max_context=most)
        return EncoderModel(encoder, _tokenizer(folder, said, encoder.shape.vocabulary))
    known = ", ".join([*_DECODERS, *_ENCODERS])
    raise WeightsError(f"{folder}: model_type is {kind!r}; known here are {known}")


def _load_decoder(
    weights: TensorFile, shape: DecoderShape, family: _Family, *, cache: Path, slots: int
) -> Decoder:
    sizes = decoder_layer_sizes(shape)
    plans = find_plans(sizes, rows=DECODED_ROWS, same_bits=True, folder=cache)

    def fold(theirs: Weights) -> Mapping[str, F32]:
        renamed = Weights(family.rename(theirs, shape), described=str(weights.path))
        return lay_out(decoder_folding.fold(renamed, shape), plans)

    folded = fold_once(weights, fold, recipe=f"{shape} {plans}", folder=cache)
    return Decoder(folded, shape, slots=slots, plans=plans)


def _load_encoder(
    weights: TensorFile, said: Configuration, *, cache: Path, max_context: int
) -> Encoder:
    shape = bert.shape_of(said, max_context=max_context)
    sizes = encoder_layer_sizes(shape)
    plans = find_plans(sizes, rows=ENCODED_ROWS, same_bits=False, folder=cache)

    def fold(theirs: Weights) -> Mapping[str, F32]:
        renamed = Weights(bert.rename(theirs, shape), described=str(weights.path))
        return lay_out(encoder_folding.fold(renamed, shape), plans)

    folded = fold_once(weights, fold, recipe=f"{shape} {plans}", folder=cache)
    return Encoder(folded, shape, max_tokens=max(BUDGET_TOKENS, shape.context), plans=plans)


def _most_tokens(folder: Path, max_context: int) -> int:
    """Return how many tokens of a text are read: no more than sentence-transformers is told to."""
    said = folder / "sentence_bert_config.json"
    if not said.exists():
        return max_context
    return min(max_context, Configuration(said).integer("max_seq_length", max_context))


def _tokenizer(folder: Path, said: Configuration, vocabulary: int) -> Tokenizer:
    tokenizer = _described(folder / "tokenizer.json", said)
    # Fewer is usual: vocabularies are rounded up for the machine's sake.
    if tokenizer.size > vocabulary:
        raise WeightsError(
            f"{folder}: the tokenizer has {tokenizer.size} tokens, and the model {vocabulary}"
        )
    return tokenizer


def _described(path: Path, said: Configuration) -> Tokenizer:
    if path.exists():
        return FileTokenizer(path)
    stand_in = said.text("stand_in", " ")
    if pieces := said.texts("pieces"):
        return PieceTokenizer(pieces, stand_in=stand_in)
    return CharacterTokenizer(said.text("alphabet"), stand_in=stand_in)
