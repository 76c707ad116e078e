"""A hundred inputs of `benchmarks/fuzz.py`: mutated files and command lines give rows or an error in words."""

import importlib.util
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("untraced")

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def fuzz():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        spec = importlib.util.spec_from_file_location("fuzz", BENCHMARKS / "fuzz.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def inputs(fuzz):
    """The module of the kinds of inputs."""
    return importlib.import_module("_fuzzed_inputs")


@pytest.fixture(scope="module")
def fuzzer(fuzz, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("REPORTS", "MODELS", "CACHE", "DATA"):
            patch.setenv(f"FER_TF_{name}", "")  # the fuzzer sets them; afterwards they are as before
        yield fuzz.Fuzzer(tmp_path_factory.mktemp("fuzz"))


def test_a_hundred_inputs_give_rows_or_an_error_in_words(fuzz, fuzzer):
    counts = Counter((kind, fuzzer.run(kind, number)) for kind, number in fuzz.inputs(100, list(fuzz.KINDS)))
    assert sum(counts.values()) == 100
    assert {kind for kind, _ in counts} == set(fuzz.KINDS)
    assert {outcome for _, outcome in counts} == {"accepted", "refused"}


def test_inputs_are_the_same_in_every_call(fuzz, inputs):
    rng = [np.random.default_rng(3) for _ in range(2)]
    assert inputs.mutated(bytes(range(200)), rng[0]) == inputs.mutated(bytes(range(200)), rng[1])
    assert list(fuzz.inputs(50, list(fuzz.KINDS))) == list(fuzz.inputs(90, list(fuzz.KINDS)))[:50]


def test_a_lost_row_is_a_finding(inputs):
    frame = inputs.recognizer().predict([])
    with pytest.raises(inputs.Lost, match="no row for 'a.png'"):
        inputs.check_rows(frame, ["a.png"], ["anger"])


def test_results_that_were_cut_short_are_run_again(fuzz, tmp_path):
    line = '{"kind": "films", "number": 3, "outcome": "refused", "detail": ""}\n'
    (tmp_path / "out.jsonl").write_text(line + '{"kind": "films", "num')
    assert list(fuzz.read_results(tmp_path / "out.jsonl")) == [("films", 3)]
