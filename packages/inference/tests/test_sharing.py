"""A request for many vectors is shared out among engines, and comes back whole."""

from pathlib import Path

import numpy as np
import pytest
from folders import bert_folder
from hypothesis import given
from hypothesis import strategies as st

from hive_inference.errors import RequestError
from hive_inference.host.host import Host
from hive_inference.host.sharing import merge, share_out
from hive_inference.messages import Embed, End, Ended
from hive_inference.settings import EngineSettings, HostSettings
from hive_testkit.waiting import until

MANY = tuple("A" * (length % 37 + 1) for length in range(60))
texts = st.lists(st.text(alphabet="ab", max_size=300), min_size=1, max_size=40)


@given(texts, st.integers(0, 5))
def test_shares_hold_every_text_once_and_are_no_more_than_engines(texts: list[str], engines: int):
    shares = share_out(Embed(model="m", texts=tuple(texts)), engines)
    assert 1 <= len(shares) <= max(1, engines)
    dealt = {place: text for s in shares for place, text in zip(s.places, s.ask.texts, strict=True)}
    assert [dealt[place] for place in range(len(texts))] == texts
    assert sum(len(share.places) for share in shares) == len(texts)


def test_shares_are_about_as_long_as_each_other_and_little_is_not_shared():
    one, other = share_out(Embed(model="m", texts=MANY), 2)
    lengths = [sum(map(len, share.ask.texts)) for share in (one, other)]
    assert abs(lengths[0] - lengths[1]) <= 37
    assert len(share_out(Embed(model="m", texts=("a", "b")), 2)) == 1


def test_a_request_is_late_if_a_share_was():
    ended = Ended(number=1, end=End.FINISHED, tokens_in=3, waited_seconds=0.5)
    late = Ended(number=2, end=End.LATE, tokens_in=4, waited_seconds=0.25)
    both = merge([ended, late])
    assert (both.end, both.tokens_in, both.waited_seconds) == (End.LATE, 7, 0.5)
    assert merge([ended, ended]).end is End.FINISHED


async def test_two_engines_embed_a_request_together_and_in_its_order(tmp_path: Path):
    folders = {"bert": bert_folder(tmp_path / "bert")[0]}
    engine = EngineSettings(cache=tmp_path / "cache", slots=2, max_context=64)
    async with Host.open(folders, HostSettings(engine=engine, children=2, nice=0)) as host:
        await until(lambda: host.state.seats == 2, within_seconds=60)
        vectors, ended = await host.embed(Embed(model="bert", texts=MANY))
        assert (ended.end, ended.tokens_in) == (End.FINISHED, sum(map(len, MANY)))
        for place in (0, 17, 59):
            (alone,), _ = await host.embed(Embed(model="bert", texts=MANY[place : place + 1]))
            np.testing.assert_allclose(
                np.frombuffer(vectors[place], np.float32), np.frombuffer(alone, np.float32),
                atol=1e-5,
            )  # fmt: skip
        with pytest.raises(RequestError, match="no model 'wasp'"):
            await host.embed(Embed(model="wasp", texts=MANY))
