"""The commands on runs: lists, training, evaluation."""

import json
import os
import re

import pandas as pd
import pytest
from fixtures import assert_refused, files_below, run_cli
from PIL import Image

from fer_tf.data import load_dataset
from fer_tf.emotions import EMOTIONS
from fer_tf.experiments import SETTINGS

# looking


def test_list_names_what_there_is_and_says_that_no_run_is_there(capsys, home):
    answer = run_cli(capsys, "list")
    assert answer.code == 0
    for name in ("synthetic", "fer2013", "official, pooled, balanced, folder", "majority", "cnn_batch32", "none yet"):
        assert name in answer.out


def test_list_settings_shows_default_range_and_help_of_each(capsys, home):
    answer = run_cli(capsys, "list", "settings")
    assert answer.code == 0
    shown = [line for line in answer.out.splitlines() if line.startswith("  ") and not line.startswith("   ")]
    assert [line.split()[0] for line in shown] == list(SETTINGS)
    assert "  dropout (0.5; 0 to 0.99)\n" in answer.out
    assert "  flip (false; true or false)\n" in answer.out
    assert "  schedule (constant; constant, cosine, plateau)\n" in answer.out
    assert "  unfreeze (empty)\n" in answer.out
    assert all(setting.help in answer.out for setting in SETTINGS.values())
    assert_refused(run_cli(capsys, "list", "nothing"), "what: allowed are all, settings; received 'nothing'")


# training, evaluating, predicting


def test_training_evaluation_and_prediction_of_one_model_agree(capsys, home, fer2013_root):
    where = ("--dataset", "fer2013", "--data-dir", fer2013_root)
    plain = [word for setting in ("rotation=0", "zoom=0", "flip=false", "width=0.25") for word in ("--set", setting)]
    train = ("train", "cnn", *where, "--size", "smoke", "--set", "epochs=1", "--seed", 3, *plain)
    trained = run_cli(capsys, *train)
    assert trained.code == 0, trained.err
    run, model = home / "reports/runs/cnn-fer2013-official-seed3", home / "models/cnn-fer2013-official-seed3.h5"
    assert f"model  {model}" in trained.out
    assert "not the source's settings: smoke size" in trained.out
    expected = pd.read_csv(run / "predict.csv", index_col="name")
    assert len(expected) == 35
    assert json.loads((run / "record.json").read_text())["seed"] == 3

    evaluated = run_cli(capsys, "evaluate", model, *where, "--out", "elsewhere")
    assert evaluated.code == 0, evaluated.err
    again = pd.read_csv("elsewhere/predict.csv", index_col="name")
    pd.testing.assert_frame_equal(again, expected, atol=1e-4)
    accuracies = [re.search(r"test accuracy \d\.\d+", answer.out)[0] for answer in (trained, evaluated)]
    assert accuracies[0] == accuracies[1]

    ds = load_dataset("fer2013", fer2013_root)
    for name, image in zip(ds.table["name"].iloc[ds.test.rows], ds.test.images, strict=True):
        os.makedirs("faces", exist_ok=True)
        Image.fromarray(image[..., 0]).save(f"faces/{name}.png")
    predicted = run_cli(capsys, "predict", "faces", "--no-detect", "--model", model.name, "--out", "scores.csv")
    assert predicted.code == 0
    assert "35 of 35 files predicted" in predicted.out
    frame = pd.read_csv("scores.csv")
    frame.index = frame["path"].str.extract(r"(row\d+)\.png")[0]
    columns = ["label", "confidence", *EMOTIONS[:7]]
    pd.testing.assert_frame_equal(frame.loc[expected.index, columns], expected[columns], check_names=False, atol=1e-4)

    assert re.search(r"cnn-fer2013-official-seed3 +test accuracy", run_cli(capsys, "list").out)
    again = run_cli(capsys, *train)
    assert "up to date" in again.out + again.err


# wrong input

MAJORITY = ("train", "majority", "--dataset", "fer2013", "--size", "smoke")


def test_a_setting_that_the_experiment_does_not_use_is_named(capsys, home, fer2013_root):
    """Otherwise it would seem to have been tried."""
    answer = run_cli(capsys, *MAJORITY, "--data-dir", fer2013_root, "--set", "attention=self", "--set", "l2=0.5")
    assert answer.code == 0
    assert "attention, l2: majority does not use this setting. It has no effect" in answer.err


def test_training_on_a_broken_csv_leaves_nothing(capsys, home):
    (home / "fer2013").mkdir()
    (home / "fer2013/fer2013.csv").write_text("emotion,pixels,Usage\n0,1 2 3,Training\n")
    answer = run_cli(capsys, "train", "cnn", "--dataset", "fer2013", "--data-dir", home)
    assert_refused(answer, home / "fer2013/fer2013.csv", "line 2: 3 pixel values, 2304 expected")
    assert files_below(home) == ["fer2013", "fer2013/fer2013.csv", "work"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--devices", "some"), "devices: must be all or a whole number from 1; received 'some'"),
        (("--devices", "99"), "devices: there are 1; received 99"),
        (("--rank", "1"), "rank: can only be used with --hosts"),
        (("--hosts", "a:1,b:2"), "rank: missing; give --rank K, this process's place in --hosts, 0 to 1"),
        (("--hosts", "a:1,b:2", "--rank", "2"), "rank: must be 0 to 1, the place in --hosts; received 2"),
        (("--hosts", "a,b", "--rank", "0"), "hosts: an address must be host:port, such as 10.0.0.1:7000; received 'a'"),
    ],
)
def test_wrong_devices_and_hosts_are_refused(capsys, home, words, text):
    assert_refused(run_cli(capsys, "train", "cnn", *words), text)
    assert not (home / "reports" / "runs").exists()


@pytest.mark.parametrize(
    ("shape", "names", "notes"),
    [
        ((48, 48, 1), EMOTIONS, ["contempt left out, its probabilities renormalised"]),
        ((32, 32, 3), EMOTIONS[:6], ["images of neutral left out", "converted to the model's (32, 32, 3)"]),
    ],
)
def test_a_model_of_another_dataset_is_mapped_and_reported(capsys, home, fer2013_root, shape, names, notes):
    from fer_tf.models import build_model
    from fer_tf.saving import save_model

    save_model(build_model("cnn", shape, len(names), width=0.1), home / "other.h5", names)
    answer = run_cli(capsys, "evaluate", home / "other.h5", "--dataset", "fer2013", "--data-dir", fer2013_root)
    assert answer.code == 0, answer.err
    assert all(note in answer.out for note in notes)


def test_a_model_with_one_class_in_common_is_not_evaluated(capsys, home, fer2013_root):
    from fer_tf.models import build_model
    from fer_tf.saving import save_model

    names = ("neutral", "contempt")
    save_model(build_model("cnn", (48, 48, 1), 2, width=0.1), home / "other.h5", names)
    answer = run_cli(capsys, "evaluate", home / "other.h5", "--dataset", "fer2013", "--data-dir", fer2013_root)
    assert_refused(answer, "error: model: knows neutral, contempt; fer2013 has anger", "too few classes in common")
    assert files_below(home) == ["other.h5", "work"]
