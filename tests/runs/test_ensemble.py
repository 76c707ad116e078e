"""Averaging over runs, and over views in them: members by name, nothing chosen on test."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fixtures import home_of_runs

from fer_tf import data, saving
from fer_tf.common.checks import InputError, ModelFileError
from fer_tf.common.hashes import file_fingerprint
from fer_tf.common.paths import models_root, project_root
from fer_tf.runs import ensemble, evaluate, records
from fer_tf.runs.averaged_views import evaluate_with_tta, predict_with_tta
from fer_tf.saving import load_model
from fer_tf.training import run_experiment

pytestmark = pytest.mark.usefixtures("untraced")

PLAIN = {"rotation": 0.0, "zoom": 0.0, "flip": False, "limit": 96, "width": 0.1, "epochs": 1}
NAMES = ["cnn-synthetic-identity-seed0", "cnn4-synthetic-identity-seed0", "majority-synthetic-identity-seed0"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Reports and models of three runs on the same 96 test images: 48×48×1, 64×64×3 and none that learns."""
    with home_of_runs(tmp_path_factory.mktemp("runs")) as folder:
        options = {"dataset_options": {"count": 400}, "size": "smoke", "verbose": False}
        run_experiment("cnn", **options, **PLAIN)
        run_experiment("cnn4", **options, **PLAIN)
        run_experiment("majority", **options, limit=96)
    with home_of_runs(folder, with_figures=True):
        yield folder


def test_evaluation_with_views(home, tiny_faces):
    loaded = load_model(records.model_path(NAMES[0]))
    run = evaluate_with_tta(loaded, tiny_faces, "cnn", "flip")
    assert run.name == "cnn-flip-synthetic-identity"
    assert any("views of each image (flip)" in n for n in run.record["notes"])
    wanted = predict_with_tta(loaded, tiny_faces.test, "flip")
    np.testing.assert_allclose(run.predictions[list(tiny_faces.class_names)], wanted, atol=2e-6)
    assert run.record["tta"] == "flip"
    plain = evaluate_with_tta(loaded, tiny_faces, "cnn", "none")
    assert plain.name == "cnn-synthetic-identity"


def member_probabilities(name):
    run = records.read_run(records.run_directory(name))
    return run.predictions[run.record["class_names"]].to_numpy()


@pytest.mark.figures
def test_ensemble_is_the_mean_of_what_its_members_predicted(home):
    before = [run.name for run in records.finished_runs()]
    run = ensemble.ensemble_runs(NAMES[:2])
    names = run.record["class_names"]
    wanted = np.mean([member_probabilities(name) for name in NAMES[:2]], axis=0)
    np.testing.assert_allclose(run.predictions[names], wanted, atol=5e-6)
    truth = run.predictions["truth"]
    assert run.metrics["test"]["accuracy"] == pytest.approx((np.array(names)[wanted.argmax(axis=1)] == truth).mean())
    assert run.directory.parent.name == "evaluations"
    assert (run.directory / "figures" / "confusion.png").is_file()
    assert [run.name for run in records.finished_runs()] == before
    member = records.read_run(records.run_directory(NAMES[0])).record
    same = ("dataset", "protocol", "dataset_options", "class_names", "image_shape", "dataset_source", "evaluation_code")
    assert {key: run.record[key] for key in same} == {key: member[key] for key in same}
    assert run.metrics["training"]["environment"] == run.record["environment"]
    assert run.metrics["training"]["parameters"] == sum(
        load_model(records.model_path(name)).count_params() for name in NAMES[:2]
    )


def test_weights_are_of_the_runs_in_their_order(home):
    run = ensemble.ensemble_runs(NAMES, weights=[3, 1, 0], name="mine")
    assert run.name == "mine"
    assert [member["weight"] for member in run.record["members"]] == [0.75, 0.25, 0]
    first, second, _ = map(member_probabilities, NAMES)
    np.testing.assert_allclose(run.predictions[run.record["class_names"]], 0.75 * first + 0.25 * second, atol=5e-6)


def test_members_are_matched_by_class_names(home, tmp_path, monkeypatch):
    straight = ensemble.ensemble_runs(NAMES[:2], out=tmp_path / "straight")
    path = records.model_path(NAMES[0])
    loaded, before = load_model(path), path.read_bytes()
    info, order = saving.model_info(loaded), [3, 1, 0, 2, 7, 6, 5, 4]
    kernel, bias = loaded.get_layer("scores").get_weights()
    loaded.get_layer("scores").set_weights([kernel[:, order], bias[order]])
    saving.save_model(loaded, path, [info["class_names"][code] for code in order], info["provenance"])
    try:
        shuffled = ensemble.ensemble_runs(NAMES[:2], out=tmp_path / "shuffled")
    finally:
        path.write_bytes(before)
    assert shuffled.metrics["test"]["confusion"] == straight.metrics["test"]["confusion"]


def test_views_of_members(home, tiny_faces):
    run = ensemble.ensemble_runs([NAMES[0], NAMES[2]], tta="flip")
    small = tiny_faces.limited(96)
    parts = [predict_with_tta(load_model(records.model_path(name)), small.test) for name in NAMES[::2]]
    np.testing.assert_allclose(run.predictions[run.record["class_names"]], np.mean(parts, axis=0), atol=5e-6)
    assert any("(flip)" in note for note in run.record["notes"])


@pytest.fixture
def shipped(home):
    """The first run's model as a bundled file, with the record that `fer-tf bundle` writes next to it."""
    folder = models_root() / "bundled"
    folder.mkdir()
    shutil.copy(records.model_path(NAMES[0]), folder / "small.h5")
    run = records.read_run(records.run_directory(NAMES[0]))
    known = json.loads((project_root() / "models" / "bundled" / "ferplus.json").read_text(encoding="utf-8"))
    card = {key: value for key, value in run.record.items() if key in known} | {"test": run.metrics["test"]}
    card |= {"file": "small.h5", "run": "gone-run", "sha256": file_fingerprint(folder / "small.h5"), "adjustment": {}}
    (folder / "small.json").write_text(json.dumps(card))
    yield folder / "small.h5"
    shutil.rmtree(folder)


def test_a_bundled_model_is_a_member_by_its_file_name(shipped, tmp_path):
    of_runs = ensemble.ensemble_runs(NAMES[:2], out=tmp_path / "runs")
    with_file = ensemble.ensemble_runs(["small.h5", NAMES[1]], out=tmp_path / "file")
    pd.testing.assert_frame_equal(with_file.predictions, of_runs.predictions)
    member = with_file.record["members"][0]
    assert (member["run"], member["fingerprint"]) == ("small.h5", file_fingerprint(shipped))
    assert with_file.record["fingerprint"] != of_runs.record["fingerprint"]
    assert "small.h5: its scores were adjusted on validation images" in with_file.record["notes"]
    assert not any("adjusted" in note for note in of_runs.record["notes"])


def test_a_bundled_file_that_cannot_be_a_member_is_refused(shipped):
    card = json.loads(shipped.with_suffix(".json").read_text())
    shipped.with_name("tiny.json").write_text(json.dumps({**card, "file": "tiny.tflite"}))
    with pytest.raises(InputError, match="runs: tiny.tflite is not a Keras model"):
        ensemble.ensemble_runs(["tiny.tflite", NAMES[1]])
    shipped.with_suffix(".json").write_text(json.dumps({**card, "run": NAMES[0]}))
    with pytest.raises(InputError, match=f"runs: small.h5 was made from {NAMES[0]}, which is one network"):
        ensemble.ensemble_runs(["small.h5", NAMES[0]])
    other = {**card, "test_fingerprint": "other", "dataset_options": {"label_mode": "soft"}}
    shipped.with_suffix(".json").write_text(json.dumps(other))
    with pytest.raises(InputError, match="small.h5 on synthetic identity label_mode=soft limit=96 seed=0 differ"):
        ensemble.ensemble_runs([NAMES[1], "small.h5"])
    with pytest.raises(InputError, match=r"neither a finished run in .* nor a bundled model \(small.h5\)"):
        ensemble.ensemble_runs([NAMES[1], "smal.h5"])


def test_a_bundled_member_that_was_changed_is_refused(shipped):
    shipped.write_bytes(shipped.read_bytes() + b" ")
    with pytest.raises(ModelFileError, match="small.h5: is not the file that small.json describes"):
        ensemble.ensemble_runs(["small.h5", NAMES[1]])


def test_greedy_choice_does_not_depend_on_test(home, monkeypatch, tmp_path):
    honest = ensemble.ensemble_runs(NAMES[:2], select="greedy", out=tmp_path / "honest")
    load = data.load_dataset

    def poisoned(*arguments, **options):
        ds = load(*arguments, **options)
        images = ds.store.array.copy()
        is_test = (ds.table["split"] == "test").to_numpy()
        images[is_test] = 255 - images[is_test]
        return replace(ds, store=data.base.ArrayImages(images))

    monkeypatch.setattr(data, "load_dataset", poisoned)
    other = ensemble.ensemble_runs(NAMES[:2], select="greedy", out=tmp_path / "poisoned")
    assert other.record["members"] == honest.record["members"]
    assert other.metrics["val"] == honest.metrics["val"]
    assert other.metrics["test"] != honest.metrics["test"]
    best = max(member["val_accuracy"] for member in honest.record["members"])
    assert honest.metrics["val"]["accuracy"] >= best


def test_greedy_selection_finds_what_helps(rng):
    labels = rng.integers(0, 4, 300)
    right = np.eye(4)[labels]
    noise = [rng.dirichlet(np.ones(4), 300) for _ in range(3)]
    members = np.stack([0.4 * right + 0.6 * noise[0], 0.35 * right + 0.65 * noise[1], noise[2]])
    weights = ensemble.greedy_weights(members, labels)
    assert weights.sum() == pytest.approx(1)
    assert weights[0] > 0
    assert weights[1] > 0
    accuracy = [np.mean(member.argmax(axis=1) == labels) for member in members]
    assert np.mean(np.tensordot(weights, members, 1).argmax(axis=1) == labels) > max(accuracy)
    perfect = ensemble.greedy_weights(np.stack([noise[2], right]), labels)
    np.testing.assert_array_equal(perfect, [0, 1])


def fake_run(name):
    return records.Run(name, None, None, {}, {})


def split_as(ds, splits):
    return replace(ds, table=ds.table.assign(split=splits))


def test_validation_is_what_no_run_learned_from(tiny_faces):
    """Runs of other seeds may have another val split of the same rows: only what all held out judges the ensemble."""
    first = tiny_faces.table["split"].to_numpy(object)
    val, train = np.flatnonzero(first == "val"), np.flatnonzero(first == "train")
    second = first.copy()
    second[val[:-5]], second[train[: len(val) - 5]] = "train", "val"
    shared = ensemble._shared_splits([fake_run("a"), fake_run("b")], [tiny_faces, split_as(tiny_faces, second)])
    for ds in shared:
        assert list(np.flatnonzero(ds.table["split"] == "val")) == list(val[-5:])
        assert ds.test_fingerprint() == tiny_faces.test_fingerprint()
        assert (ds.table["split"] == "train").sum() == len(val) - 5 + len(train)
        assert "validation: the 5 images that every run held out" in ds.notes
    second[val] = "train"
    with pytest.raises(InputError, match="no validation image in common"):
        ensemble._shared_splits([fake_run("a"), fake_run("b")], [tiny_faces, split_as(tiny_faces, second)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"names": NAMES[:1]}, "runs: must be two or more different ones; received cnn-synth"),
        ({"names": [NAMES[0], NAMES[0]]}, "two or more different ones"),
        (
            {"names": [NAMES[0], "absent"]},
            r"runs: absent is neither a finished run in .* nor a bundled model \(.*ferplus.h5\)",
        ),
        ({"weights": [1]}, "weights: must be 2, one per run; received 1"),
        ({"weights": [1, -1]}, "weights: must be a number >= 0; received -1"),
        ({"weights": [0, 0]}, "weights: must not all be 0"),
        ({"weights": [1, 1], "select": "greedy"}, "weights: are chosen by select greedy"),
        ({"select": "best"}, "select: allowed are all, greedy; received 'best'"),
        ({"tta": "five"}, "tta: allowed are none, flip, ten_crop"),
    ],
)
def test_wrong_arguments(home, arguments, message):
    with pytest.raises(InputError, match=message):
        ensemble.ensemble_runs(**{"names": NAMES[:2], **arguments})


def test_runs_on_other_test_images_are_refused(home):
    options = {"size": "smoke", "verbose": False, "limit": 96}
    other = run_experiment("majority", dataset_options={"count": 400}, seed=1, **options)
    with pytest.raises(
        InputError, match="must be tested on the same images.*=400 limit=96 seed=0 and .*=400 limit=96 seed=1 differ"
    ):
        ensemble.ensemble_runs([NAMES[0], other.name])
    for name in NAMES[:2]:
        directory = records.run_directory(name)
        record = records.read_record(directory) | {"test_fingerprint": "of other files"}
        (directory / "record.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="was tested on other images than synthetic holds now"):
        ensemble.ensemble_runs(NAMES[:2])


def test_scores_are_written_as_evaluation_writes_them(home, tmp_path, tiny_faces):
    """The seam the ensemble uses gives the very files of an ordinary evaluation."""
    loaded = load_model(records.model_path(NAMES[0]))
    whole = evaluate.evaluate_model(loaded, tiny_faces, "a")
    record = {"fingerprint": "f", "evaluation_code": ""}
    parts = [evaluate.class_probabilities(loaded, split) for split in (tiny_faces.val, tiny_faces.test)]
    evaluate.write_scores(tmp_path, tiny_faces, *parts, record)
    for name in ("predict.csv", "ground_truth.csv"):
        assert (tmp_path / name).read_text() == (whole.directory / name).read_text()
