"""Loading by name: options from the command line, typed, checked, in run names; folds; what an import brings."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from fixtures import assert_refused, run_cli
from PIL import Image

from fer_tf import data
from fer_tf.common.checks import InputError, MissingDataError
from fer_tf.data import parse_options
from fer_tf.data.sets.jaffe import JAFFE_CODES
from fer_tf.runs import records
from fer_tf.runs.records import run_name
from fer_tf.training import run_folds


@pytest.fixture
def jaffe(tmp_path, rng):
    """Four women, two photographs of each emotion."""
    root = tmp_path / "raw" / "jaffe"
    root.mkdir(parents=True)
    for number, (woman, code) in enumerate((woman, code) for woman in ("KA", "KL", "KM", "MK") for code in JAFFE_CODES):
        for take in (1, 2):
            pixels = rng.integers(0, 256, (64, 64), dtype=np.uint8)
            Image.fromarray(pixels).save(root / f"{woman}.{code}{take}.{2 * number + take}.tiff")
    return root.parent


def test_options_are_typed():
    given = ["fold=3", "label_mode=probability"]
    assert parse_options("ckplus", [given[0]]) == {"fold": 3}
    assert parse_options("ferplus", given[1:]) == {"label_mode": "probability"}
    assert parse_options("folder", "classes=anger,happiness stream=true image_size=64 channels=3") == {
        "classes": ("anger", "happiness"),
        "stream": True,
        "image_size": 64,
        "channels": 3,
    }
    assert parse_options("rafdb", "classes=6 stream=None") == {"classes": 6, "stream": None}
    assert parse_options("fer2013", "train_share=0.3") == {"train_share": 0.3}
    assert parse_options("fer2013", "train_share=1") == parse_options("fer2013", "train_share=1.0") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fold=1", "options of fer2013: unknown 'fold'; allowed are .*classes"),
        ("classes", "options: each must be name=value; received 'classes'"),
        ("classes=", "options: each must be name=value"),
        ("train_share=0", "train_share: must be a number above 0 and at most 1 .* received 0"),
        ("train_share=30%", "train_share: must be a number .* received '30%'"),
    ],
)
def test_wrong_options(text, message):
    with pytest.raises(InputError, match=message):
        parse_options("fer2013", text)


def test_runs_of_other_tasks_have_other_names():
    assert run_name("cnn", "fer2013", "official", 0) == "cnn-fer2013-official-seed0"
    assert run_name("cnn", "ckplus", "subject", 1, {"fold": 3, "image_size": 64}) == "cnn-ckplus-subject-fold3-seed1"
    assert run_name("cnn", "ferplus", "official", 0, {"classes": 7, "label_mode": "probability"}) == (
        "cnn-ferplus-official-probability-classes7-seed0"
    )
    assert run_name("cnn", "x", "y", 0, {"classes": ("anger", "fear")}) == "cnn-x-y-anger_fear-seed0"
    assert (
        run_name("cnn", "ferplus", "official", 0, {"train_share": 0.3}) == "cnn-ferplus-official-train_share0.3-seed0"
    )


def test_a_run_on_a_share_stands_beside_the_whole_one(fresh_home, capsys):
    command = ("train", "majority", "--option", "count=400")
    assert run_cli(capsys, *command).code == 0
    assert run_cli(capsys, *command, "--option", "train_share=0.25").code == 0
    runs = {run.name: run for run in records.finished_runs()}
    whole, part = runs["majority-synthetic-identity-seed0"], runs["majority-synthetic-identity-train_share0.25-seed0"]
    assert part.model_path.name == f"{part.name}.h5"
    assert part.model_path.is_file()
    assert part.record["reduced"].replace("count 400, ", "") == "train_share 0.25"
    learned = [run.record["counts"]["train"]["all"] for run in (part, whole)]
    assert learned[0] == round(learned[1] / 4)
    assert part.record["test_fingerprint"] == whole.record["test_fingerprint"]
    answer = run_cli(capsys, "evaluate", part.model_path, "--option", "count=400")
    assert answer.code == 0
    assert f"{part.metrics['test']['accuracy']:.4f}" in answer.out


def test_every_fold_is_run_and_summed_up(jaffe, fresh_home, monkeypatch, capsys):
    monkeypatch.setitem(data.DATASETS["jaffe"].folds, "subject", 4)
    command = ("train", "majority", "--dataset", "jaffe", "--protocol", "subject", "--data-dir", jaffe, "--folds")
    answer = run_cli(capsys, *map(str, command))
    assert answer.code == 0
    runs = records.finished_runs()
    assert [run.name for run in runs] == [f"majority-jaffe-subject-fold{fold}-seed0" for fold in range(4)]
    assert sum(run.metrics["test"]["n"] for run in runs) == 4 * 7 * 2
    assert all(run.record["reduced"].startswith("this copy of JAFFE") for run in runs), "a fold is no reduction"
    accuracy = np.mean([run.metrics["test"]["accuracy"] for run in runs])
    assert f"mean {accuracy:.4f}" in " ".join(answer.out.replace("NaN", "").split())
    truth = pd.concat([run.predictions["name"] for run in runs])
    assert truth.is_unique


def test_folds_of_a_protocol_without_any(fresh_home, capsys):
    with pytest.raises(
        InputError, match=r"protocol: ckplus's protocols with folds are subject \(10\); received 'random'"
    ):
        run_folds("majority", "ckplus", "random")
    answer = run_cli(capsys, "train", "majority", "--dataset", "fer2013", "--folds")
    assert_refused(answer, "fer2013's protocols with folds are none")


def test_a_wrong_option_is_refused_in_one_line(capsys, fresh_home):
    for command in (("train", "cnn"), ("reproduce",), ("data", "counts", "synthetic"), ("evaluate", "x.h5")):
        answer = run_cli(capsys, *command, "--option", "fold=2")
        assert answer.code
        assert len(answer.err.strip().splitlines()) == 1


@pytest.mark.parametrize("name", [name for name, spec in data.DATASETS.items() if "stream" in spec.options])
def test_stream_is_on_off_or_none(name, tmp_path):
    with pytest.raises(InputError, match="stream: allowed are True, False, None; received 'banana'"):
        data.load_dataset(name, tmp_path, **parse_options(name, "stream=banana"))
    for text in ("true", "False", "none"):
        with pytest.raises(MissingDataError):
            data.load_dataset(name, tmp_path, **parse_options(name, f"stream={text}"))


def test_options_that_are_on_or_off_take_nothing_else(tmp_path):
    for name, option in (("ckplus", "neutral"), ("disfa", "anger"), ("affectnet", "crop")):
        with pytest.raises(InputError, match=f"{option}: allowed are True, False; received None"):
            data.load_dataset(name, tmp_path, **{option: None})


def test_each_public_name_is_there_and_finding_faces_loads_no_dataset():
    assert all(hasattr(data, name) for name in data.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = data.nothing
    code = "import sys, fer_tf.data.faces; sys.exit('fer_tf.data.loading' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
