"""Every row of the inference's benchmark, as small as can be, and the page that it writes."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hive_inference.safetensors import TensorFile
from inference_bench.making import make_folder
from inference_bench.page import write_page
from inference_bench.plain_port import PlainPort
from inference_bench.plots import columns, curves
from inference_bench.rows.catalogue import ROWS
from inference_bench.shapes import D128, GPT2, MINILM

NEED_TORCH = {"torch-decode", "torch-encode"}
LONGEST_SECONDS = 300
HERE = Path(__file__).parent

pytestmark = pytest.mark.timeout(2 * LONGEST_SECONDS)


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "inference_bench", *arguments],
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_SECONDS,
    )


def test_each_row_ends_with_its_name_its_figure_its_reach_and_its_state(tmp_path: Path) -> None:
    ran = run("--smoke", "--out", str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    lines = [line.split() for line in ran.stdout.splitlines() if ":" not in line]
    assert [words[0] for words in lines] == list(ROWS)
    states = {words[0]: words[-1] for words in lines}
    assert set(states.values()) <= {"ok", "short", "missing"}
    assert {name for name, state in states.items() if state == "missing"} <= NEED_TORCH
    rows: dict[str, Any] = json.loads((tmp_path / "inference.json").read_text())
    assert list(rows) == list(ROWS)
    page = (tmp_path / "inference.md").read_text()
    assert all(f"| `{name}` |" in page for name in ROWS)
    assert "$" not in page
    for name in ("concurrency", "lag", "roofline"):
        assert f"](inference-{name}.svg)" in page
        assert (tmp_path / f"inference-{name}.svg").read_text().startswith("<svg")


def test_whoever_measures_memory_has_none_that_a_worker_would_not_have() -> None:
    say = "import sys, inference_bench.__main__; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", say],
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"numpy", "asyncpg", "redis"} & set(ran.stdout.split())


def test_a_row_that_does_not_exist_is_refused_with_those_that_do() -> None:
    ran = run("quickly")
    assert ran.returncode == 2
    assert "there is no row 'quickly'; there are concurrency" in ran.stderr


def test_a_page_needs_no_more_than_one_row(tmp_path: Path) -> None:
    row = {
        "name": "memory", "says": "MiB", "samples": [[120.0], [0.0]], "reach": [150.0, 0.0],
        "is_less_better": True, "why_missing": None, "details": {"before, MiB": 119.5},
        "state": "ok", "at": "noon", "load": "none", "nice": 0, "machine": {"memory": "1 GiB"},
    }  # fmt: skip
    write_page(tmp_path, {"memory": row})
    page = (tmp_path / "inference.md").read_text()
    assert "| 120 / 120 / 120; 0 / 0 / 0 | ≤ 150 · ≤ 0 | ok |" in page
    assert "- before, MiB: 120" in page


def test_what_a_token_reads_and_what_a_text_computes_are_those_of_the_real_models() -> None:
    # 124 million parameters less 0.8 million of positions and 0.1 of norms and biases.
    assert 123.4e6 < GPT2.weights < 123.7e6
    # Two for each of 10.6 million weights and each of 128 tokens, and attention's two products.
    assert 2.7e9 < MINILM.encoder_operations(1, 128) < 2.9e9


def test_a_plain_port_says_the_same_with_its_cache_and_without(tmp_path: Path) -> None:
    shape = replace(D128, layers=2, width=32, feed_forward=64)
    make_folder(shape, tmp_path / "model")
    file = TensorFile(tmp_path / "model" / "model.safetensors")
    port = PlainPort({name: file.read(name) for name in file.names}, shape)
    tokens = [3, 1, 4, 1, 5]
    whole = port.logits(tokens)
    port.forget()
    steps = [port.logits([token], place) for place, token in enumerate(tokens)]
    np.testing.assert_allclose(steps[-1], whole, rtol=1e-4, atol=1e-6)


def test_a_curve_rises_where_its_values_do() -> None:
    drawn = curves("T", "x", "y", {"a": [(1, 10), (2, 20), (4, 80)]})
    points = drawn.split('polyline points="')[1].split('"')[0].split()
    heights = [float(point.split(",")[1]) for point in points]
    assert heights == sorted(heights, reverse=True)
    assert "<text" in columns("T", "x", "y", {"≤ 1": 3, "more": 0})
