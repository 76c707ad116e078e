"""Models that ship: halved files load and predict as before, records are measured, a changed file is refused."""

import json
import subprocess

import h5py
import numpy as np
import pytest
from fixtures import QUICK_TRAINING, home_of_runs

from fer_tf.common.checks import InputError, ModelFileError
from fer_tf.emotions import EMOTION_LABELS
from fer_tf.experiments import EXPERIMENTS
from fer_tf.predict import EmotionRecognizer
from fer_tf.runs.about_model import model_lines
from fer_tf.runs.adjusting import adjusted_probabilities, choose_adjustment
from fer_tf.runs.bundle import _check, _learned_from, bundle_run, command, halve, weakness
from fer_tf.saving import load_model, model_info
from fer_tf.saving.bundled import bundled_path, model_name
from fer_tf.training import run_experiment


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """A folder with a run on drawn faces, bundled as ferplus.h5 and as FaceNet2ExpNet.h5; its record."""
    options = {**QUICK_TRAINING, "dataset_options": {"count": 400}, "verbose": False, "limit": 0}
    with home_of_runs(tmp_path_factory.mktemp("home")) as home:
        run = run_experiment("cnn", size="smoke", epochs=1, **options)
        first = bundle_run(run.name, "ferplus.h5")
        yield home / "models", run, first, bundle_run(run.name, "FaceNet2ExpNet.h5", adjust=False)


def test_results_of_a_shipped_file_are_not_filed_with_those_of_an_own_one(shipped):
    models = shipped[0]
    assert model_name(models / "bundled" / "FaceNet2ExpNet.h5") == "bundled-FaceNet2ExpNet"
    assert model_name(models / "FaceNet2ExpNet.h5") == "FaceNet2ExpNet"


def test_halved_kernels_load_as_float32_and_predict_nearly_the_same(tiny_model_path, tmp_path):
    path = tmp_path / "half.h5"
    path.write_bytes(tiny_model_path.read_bytes())
    halve(path)
    whole, half = load_model(tiny_model_path), load_model(path)
    images = np.random.default_rng(0).integers(0, 256, (16, 48, 48, 1)).astype("uint8")
    assert {weight.dtype for weight in half.weights} == {"float32"}
    assert np.abs(whole.predict_on_batch(images) - half.predict_on_batch(images)).max() < 5e-3
    assert path.stat().st_size < 0.8 * tiny_model_path.stat().st_size
    assert model_info(half) == model_info(whole)


def test_vectors_are_not_halved(tiny_model_path, tmp_path):
    path = tmp_path / "half.h5"
    path.write_bytes(tiny_model_path.read_bytes())
    halve(path)
    kinds = {}

    def visit(_, item):
        if hasattr(item, "ndim"):
            kinds.setdefault(item.ndim, set()).add(str(item.dtype))

    with h5py.File(path) as file:
        file.visititems(visit)
    assert kinds[1] == {"float32"}
    assert kinds[2] == kinds[4] == {"float16"}


def test_the_record_holds_what_the_shipped_file_gives(shipped):
    models, run, record, _ = shipped
    from fer_tf.data import load_dataset

    ds = load_dataset("synthetic", count=400)
    labels = load_model(models / "bundled" / "ferplus.h5").predict(ds.test.images, verbose=0).argmax(axis=1)
    assert record["test"]["accuracy"] == pytest.approx((labels == ds.test.labels).mean())
    assert record["test"]["n"] == len(ds.test.labels)
    assert len(record["test"]["recall"]) == 8
    quarters = record["test"]["brightness"]
    assert sum(group["n"] for group in quarters) == record["test"]["n"]
    assert len(quarters) == 4
    assert sum(group["n"] * group["accuracy"] for group in quarters) == pytest.approx((labels == ds.test.labels).sum())
    assert record["epochs"] == 1
    assert record["run"] == run.name
    assert json.loads((models / "bundled" / "ferplus.json").read_text()) == record


def test_the_shipped_scores_are_adjusted_on_the_validation_split(shipped):
    models, run, record, unchanged = shipped
    from fer_tf.data import load_dataset

    ds = load_dataset("synthetic", count=400)
    model = load_model(models / "bundled" / "ferplus.h5")
    before, images = load_model(run.model_path), (ds.val.images, ds.test.images)
    of_val, of_test = (before.predict(each, verbose=0) for each in images)
    expected = choose_adjustment(ds.val.labels, of_val, ds.train.labels)
    written = record["adjustment"]
    assert written == {**expected.about(), "temperature": pytest.approx(expected.temperature)}
    assert written == model_info(model)["provenance"]["adjustment"]
    np.testing.assert_allclose(
        model.predict(ds.test.images, verbose=0), adjusted_probabilities(of_test, expected), atol=5e-3
    )
    assert "adjustment" not in unchanged
    assert unchanged["test"]["accuracy"] == pytest.approx(run.metrics["test"]["accuracy"], abs=0.02)


def test_each_model_is_described_by_its_own_figures(shipped):
    models, run, record, unchanged = shipped
    adjusted, original = (model_lines(load_model(path)) for path in (models / "bundled/ferplus.h5", run.model_path))
    assert any(f"{100 * record['test']['accuracy']:.1f} %" in line for line in adjusted)
    assert any(f"{100 * unchanged['test']['accuracy']:.1f} %" in line for line in original)


def test_a_file_that_loses_too_much_is_refused(shipped):
    fine = {"run": "r", "file": "a.h5", "bytes": 100, "stored_loss": 0.0}
    _check(fine)
    _check({**fine, "file": "a.tflite", "stored_loss": 0.02})
    with pytest.raises(InputError, match=r"r: float16 costs 0.0200 of the accuracy .* at most 0.001 is allowed"):
        _check({**fine, "stored_loss": 0.02})
    with pytest.raises(InputError, match=r"r: its file has 500,001 bytes, more than the 500,000 that ship"):
        _check({**fine, "file": "a.tflite", "bytes": 500_001})


def test_facenet2expnet_ships_in_the_proposals_label_order(shipped):
    models, _, _, record = shipped
    model = load_model(models / "bundled" / "FaceNet2ExpNet.h5")
    assert model_info(model)["class_names"] == list(EMOTION_LABELS)
    assert record["class_names"] == list(EMOTION_LABELS)
    assert record["stored_as"] == "float16"
    assert record["stored_difference"] < 5e-3


def test_checksums_are_those_of_the_files(shipped):
    folder = shipped[0] / "bundled"
    answer = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True)
    assert answer.returncode == 0
    assert answer.stdout.count("OK") == 2


def test_readme_shows_the_figures_and_the_command(shipped):
    text = (shipped[0] / "bundled" / "README.md").read_text()
    assert f"{100 * shipped[2]['test']['accuracy']:.1f}" in text
    assert "fer-tf train cnn --dataset synthetic" in text
    assert "--set epochs=1" in text
    for part in ("Intended use", "Not for", "Licence", "Data", "How to make it again", "Metrics", "Limits"):
        assert f"**{part}" in text
    assert text.count("brightness: darkest quarter") == 2


@pytest.mark.parametrize(
    ("recall", "sentence"),
    [
        ({"anger": 0.5, "fear": 0.2}, "weakest at fear"),
        ({"anger": 0.5, "fear": 0.0, "disgust": 0.0}, "never right on fear and disgust"),
    ],
)
def test_what_a_model_cannot_do_is_said(recall, sentence):
    assert weakness(recall) == sentence


def test_the_bundled_model_is_taken_where_none_is_named(shipped):
    recognizer = EmotionRecognizer(detector="none")
    assert recognizer.model.count_params() == shipped[1].metrics["training"]["parameters"]
    assert len(recognizer.predict(np.zeros((48, 48), "uint8"))) == 1


def test_a_changed_file_is_refused(shipped):
    path = shipped[0] / "bundled" / "ferplus.h5"
    content = path.read_bytes()
    path.write_bytes(content + b"x")
    try:
        with pytest.raises(ModelFileError, match=r"ferplus.h5: is not the file that ferplus.json describes"):
            bundled_path("ferplus.h5")
    finally:
        path.write_bytes(content)


def test_a_missing_file_names_what_is_there(shipped):
    with pytest.raises(ModelFileError, match=r"no bundled other.h5 in .* \(available: FaceNet2ExpNet.h5, ferplus.h5\)"):
        bundled_path("other.h5")


@pytest.mark.parametrize("file", ["model.keras", "../x.h5"])
def test_odd_names_are_refused(shipped, file):
    with pytest.raises(InputError, match=r"file: must be a name that ends in .h5 or .tflite"):
        bundle_run(shipped[1].name, file)


def test_the_command_repeats_reductions_and_options():
    settings = {**EXPERIMENTS["ran"].settings(), "epochs": 10, "width": 0.25}
    record = {"experiment": "ran", "dataset": "ferplus", "protocol": "official", "seed": 1}
    record |= {"settings": settings, "dataset_options": {"label_mode": "majority"}}
    assert command(record) == (
        "fer-tf train ran --dataset ferplus --protocol official --seed 1 --set epochs=10 --set width=0.25 "
        "--option label_mode=majority"
    )


def test_the_command_names_the_experiment_that_has_the_settings():
    record = {"experiment": "ran_facenet2expnet", "dataset": "ferplus", "protocol": "official", "seed": 0}
    record |= {"settings": EXPERIMENTS["ran_facenet2expnet_small"].settings(), "dataset_options": {}}
    assert command(record) == "fer-tf train ran_facenet2expnet_small --dataset ferplus --protocol official --seed 0"


@pytest.mark.extras
def test_an_int8_file_ships_with_the_figures_of_its_own_answers(shipped):
    pytest.importorskip("ai_edge_litert", reason="LiteRT runs the file")
    models, run, _, _ = shipped
    from fer_tf.data import load_dataset

    record = bundle_run(run.name, "tiny.tflite")
    recognizer = EmotionRecognizer(models / "bundled" / "tiny.tflite", detector="none")
    test = load_dataset("synthetic", count=400).test
    labels = recognizer.model.predict_on_batch(test.images).argmax(axis=1)
    assert record["test"]["accuracy"] == pytest.approx((labels == test.labels).mean())
    assert record["stored_as"] == "int8"
    assert 0 < record["stored_difference"] < 0.5
    assert record["bytes"] < run.model_path.stat().st_size / 2
    assert "tiny.tflite" in (models / "bundled" / "SHA256SUMS").read_text()


def test_one_name_is_one_model(shipped):
    with pytest.raises(InputError, match=r"file: ferplus.json is the record of ferplus.h5; take another name than"):
        bundle_run(shipped[1].name, "ferplus.tflite")


def test_a_card_says_what_a_model_learned_from():
    settings = {"matching_epochs": 4, "face_net": "mobilefacenet.h5", "teacher": "compact_taught"}
    record = {"settings": settings, "teacher_runs": ["ferplus.h5", "other-seed0"], "started_from": {"file": "a.h5"}}
    text = _learned_from(record)
    absent = r", which does not ship ([models/README.md](../README.md))."
    assert f"It was first matched to the maps of a face net, mobilefacenet.h5{absent}" in text
    assert "It began with the weights of `a.h5`. It also learned" in text
    assert text.endswith("It also learned the mean answers of `ferplus.h5` and `other-seed0` (does not ship).")
    alone = _learned_from({"settings": {**settings, "matching_epochs": 0}, "teacher_runs": ["other-seed0"]})
    assert alone == " It also learned the answers of `other-seed0` (does not ship)."
    assert _learned_from({"settings": {**settings, "matching_epochs": 0, "teacher": ""}}) == ""
