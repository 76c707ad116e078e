"""Fine-tuning: a run starts from a trained model, learns new classes, and is a run like any other."""

import keras
import numpy as np
import pandas as pd
import pytest
from fixtures import assert_refused, home_of_runs, run_cli
from PIL import Image

from fer_tf.common.checks import InputError, ModelFileError
from fer_tf.data.drawn_faces import draw_faces
from fer_tf.emotions import EMOTIONS
from fer_tf.experiments import resolve
from fer_tf.explain import explain, region_weights
from fer_tf.models import backbones, build_model
from fer_tf.runs.evaluate import evaluate_model
from fer_tf.saving import Declaration, load_model, model_info, save_model
from fer_tf.saving.adopting import adopt_model
from fer_tf.training import fine_tune
from fer_tf.training.fine_tuning import cut_head

pytestmark = pytest.mark.usefixtures("untraced")
FOLDERS = {"happy": "happiness", "Surprise": "surprise", "confused": "fear"}
PLAIN = {"rotation": 0.0, "zoom": 0.0, "shift": 0.0, "flip": False, "brightness": 0.0, "contrast": 0.0}


def write_photos(home, folders=FOLDERS, count=8):
    """`home`/folder/<class>/…: drawn faces of the emotion behind each class."""
    for number, (name, emotion) in enumerate(folders.items()):
        (home / "folder" / name).mkdir(parents=True, exist_ok=True)
        images = draw_faces(count, seed=number, emotions=[emotion] * count).images[..., 0]
        for row, image in enumerate(images):
            Image.fromarray(image).save(home / "folder" / name / f"{row}.png")
    return home


def small_model(path, name="cnn", classes=EMOTIONS[:7], **options):
    """A saved model with random weights."""
    keras.utils.set_random_seed(0)
    save_model(build_model(name, (48, 48, 1), len(classes), **options), path, classes, {"run": "earlier"})
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def start_file(tmp_path_factory):
    return small_model(tmp_path_factory.mktemp("start") / "start.h5", width=0.1)


@pytest.fixture(scope="module")
def tuned(untraced, tmp_path_factory, photos, start_file):
    """A finished run, and the folder of its reports and models."""
    with home_of_runs(tmp_path_factory.mktemp("tuned")) as home:
        run = fine_tune(start_file, "folder", data_dir=photos, size="smoke", verbose=False, **PLAIN)
        return run, home


@pytest.fixture
def home(tuned, monkeypatch):
    """The home of `tuned`, to be read."""
    monkeypatch.setenv("FER_TF_REPORTS", str(tuned[1] / "reports"))
    monkeypatch.setenv("FER_TF_MODELS", str(tuned[1] / "models"))
    return tuned[1]


def test_the_run_knows_its_classes_and_says_what_it_started_from(tuned, start_file):
    run, _ = tuned
    assert run.record["class_names"] == ["happiness", "surprise", "confused"]
    started = run.record["started_from"]
    assert started["file"] == "start.h5"
    assert started["provenance"]["run"] == "earlier"
    assert started["fingerprint"] == run.record["weights"]
    notes = " ".join(run.record["notes"])
    assert "started from start.h5: its head knows happiness, surprise; new are confused" in notes
    assert "your own classes, kept as they are: confused" in notes
    assert "only 3 test pictures: one more error lowers the accuracy by 33 points" in notes
    assert "(if all 3 are right, accuracies from 29 % are possible)" in notes  # 0.29 ** 3 = 0.025
    assert "weights" not in run.record["changed_settings"]
    assert list(run.metrics["test"]["per_class"]) == ["happiness", "surprise", "confused"]
    info = model_info(load_model(run.model_path))
    assert info["class_names"] == ["happiness", "surprise", "confused"]
    assert info["provenance"]["started_from"] == started


def test_a_second_call_is_up_to_date_and_an_interrupted_one_resumes(photos, start_file, fresh_home, capsys):
    settings = {"data_dir": photos, "size": "smoke", **PLAIN}
    whole = fine_tune(start_file, "folder", **settings)
    weights = load_model(whole.model_path).get_weights()
    capsys.readouterr()
    fine_tune(start_file, "folder", **settings)
    assert "up to date" in capsys.readouterr().out
    for path in (whole.model_path, whole.directory / "training.json", whole.directory / "metrics.json"):
        path.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fer_tf.training.fitting.EpochKeeper.restore_best", _stop)
        with pytest.raises(KeyboardInterrupt):
            fine_tune(start_file, "folder", **settings)
    assert "resumed after epoch 2" not in capsys.readouterr().out
    again = fine_tune(start_file, "folder", **settings)
    assert "resumed after epoch 2" in capsys.readouterr().out
    for first, second in zip(weights, load_model(again.model_path).get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


def _stop(*_):
    raise KeyboardInterrupt


def test_it_is_predicted_and_explained_by_the_name_of_the_run(tuned, home, photos, capsys, tmp_path):
    run, _ = tuned
    picture = photos / "folder" / "confused" / "0.png"
    answer = run_cli(capsys, "predict", picture, "--model", run.name, "--no-detect", "--out", tmp_path / "scores.csv")
    assert answer.code == 0, answer.err
    table = pd.read_csv(tmp_path / "scores.csv")
    assert table.loc[0, ["happiness", "surprise", "confused"]].sum() == pytest.approx(1, abs=1e-4)
    assert table["label"][0] in ("happiness", "surprise", "confused")
    model = load_model(run.name)
    images = np.stack([np.asarray(Image.open(picture))])[..., None]
    assert explain(model, images, target="confused").shape == (1, 48, 48)


def test_a_run_is_evaluated_with_its_own_classes(tuned, home, photos, tmp_path):
    from fer_tf.data import load_dataset

    ds = load_dataset("folder", photos)
    again = evaluate_model(load_model(tuned[0].model_path), ds, "mine", tmp_path / "out")
    assert again.metrics["test"]["accuracy"] == tuned[0].metrics["test"]["accuracy"]
    assert list(pd.read_csv(tmp_path / "out" / "predict.csv").columns[3:]) == ["happiness", "surprise", "confused"]


def test_a_tuned_model_is_fine_tuned_again_but_not_onto_itself(tuned, home, photos, tmp_path, monkeypatch):
    run, _ = tuned
    settings = {"data_dir": photos, "size": "smoke", "verbose": False, **PLAIN}
    with pytest.raises(InputError, match="is the model of this very run; take another --seed"):
        fine_tune(run.name, "folder", **settings)
    monkeypatch.setenv("FER_TF_REPORTS", str(tmp_path / "reports"))
    second = fine_tune(run.model_path, "folder", seed=1, epochs=0, **settings)
    assert second.record["started_from"]["provenance"]["run"] == run.name


# the new head


def test_a_start_that_may_have_learned_the_test_images_is_named(tuned, home, photos, tmp_path, monkeypatch):
    """With another seed, pictures change their split, also for a model that only started from one that knows them."""
    run, _ = tuned
    monkeypatch.setenv("FER_TF_REPORTS", str(tmp_path / "reports"))
    monkeypatch.setenv("FER_TF_MODELS", str(tmp_path / "models"))
    settings = {"data_dir": photos, "size": "smoke", "verbose": False, **PLAIN, "epochs": 0}
    warning = "trained on another split of folder (stratified, seed 0): test images may be among its training images"
    other = fine_tune(run.model_path, "folder", seed=1, **settings)
    assert warning in " ".join(other.record["notes"])
    from_synthetic = small_model(tmp_path / "synthetic.h5", width=0.1)
    assert warning not in " ".join(fine_tune(from_synthetic, "folder", seed=2, **settings).record["notes"])
    assert warning not in " ".join(run.record["notes"])


def begin(path, classes, unfreeze="0.5", **settings):
    """The model that a training on pictures of `classes` begins with."""
    from fer_tf.data.base import TrainingData
    from fer_tf.training.fine_tuning import open_start

    experiment = resolve("fine_tune", "smoke", {"weights": str(path), "unfreeze": unfreeze, **settings})
    start = open_start(experiment)
    data = TrainingData(None, None, tuple(classes), (48, 48, 1))
    return start, start.with_new_head(data, start.settings(experiment), 0)


def test_known_classes_keep_their_part_of_the_head(start_file):
    images = np.random.default_rng(0).integers(0, 256, (4, 48, 48, 1)).astype(np.float32)
    before = load_model(start_file)(images).numpy()
    _, same = begin(start_file, EMOTIONS[:7])
    np.testing.assert_allclose(same(images).numpy(), before, atol=1e-5)
    _, fewer = begin(start_file, ("fear", "anger", "confused"))
    after = fewer(images).numpy()
    np.testing.assert_allclose(after[:, 0] / after[:, 1], before[:, 2] / before[:, 0], rtol=1e-3)


def test_lower_layers_are_frozen_first_and_batch_norms_stay(start_file):
    _, model = begin(start_file, ("anger", "confused"))
    backbones.set_trainable(model, None)
    assert {variable.path.split("/")[0] for variable in model.trainable_variables} == {"scores"}
    backbones.set_trainable(model, "0.5")
    names = {variable.path.split("/")[-2] for variable in model.trainable_variables}
    assert {"scores", "dense", "conv4"} <= names
    assert not names & {"conv1", "norm4"}


def test_the_models_that_can_be_a_start(tmp_path):
    """Region attention stays, FaceNet2ExpNet.h5 has its own order of labels, a declared model has a model inside."""
    images = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 1)).astype(np.uint8)
    _, regions = begin(small_model(tmp_path / "ran.h5", "ran", width=0.05, backbone="cnn"), ("anger", "confused"))
    assert region_weights(regions, images).shape == (2, 7)
    from fer_tf.saving import save_facenet2expnet

    eight = load_model(small_model(tmp_path / "eight.h5", classes=EMOTIONS, width=0.05))
    path = save_facenet2expnet(eight, tmp_path / "FaceNet2ExpNet.h5")
    _, tuned = begin(path, EMOTIONS)
    np.testing.assert_allclose(tuned(images).numpy(), eight(images).numpy(), atol=1e-5)
    own = keras.Sequential(
        [
            keras.Input((48, 48, 1)),
            keras.layers.Conv2D(4, 3, strides=4, activation="relu", name="dropout"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    own.save(tmp_path / "theirs.h5")
    adopt_model(tmp_path / "theirs.h5", tmp_path / "adopted.h5", Declaration("0..1", "anger,fear,sadness"))
    adopted = load_model(tmp_path / "adopted.h5")
    _, tuned = begin(tmp_path / "adopted.h5", ("anger", "fear", "sadness"))
    np.testing.assert_allclose(tuned(images).numpy(), adopted(images).numpy(), atol=1e-5)
    with pytest.raises(ModelFileError, match="from: .*theirs.h5: does not say its classes .*fer-tf adopt"):
        begin(tmp_path / "theirs.h5", ("anger", "fear"))


def test_a_net_that_ends_in_an_averaged_map_gets_a_dense_head():
    inputs = keras.Input((48, 48, 1))
    maps = keras.layers.Conv2D(3, 3)(keras.layers.Conv2D(5, 3, strides=8, activation="relu")(inputs))
    model = keras.Model(inputs, keras.layers.Softmax()(keras.layers.GlobalAveragePooling2D()(maps)))
    features, dense, _ = cut_head(model)
    assert features.output_shape == (None, 5)
    assert dense is None


# wrong input


def test_wrong_models_are_refused_in_one_line(capsys, fresh_home, photos, start_file):
    def train(*words):
        return run_cli(capsys, "train", "--dataset", "folder", "--data-dir", photos, *words)

    assert_refused(train("--from", "nothing.h5"), "from: no model file nothing.h5")
    assert_refused(train("cnn", "--from", start_file), "from: goes with the experiment fine_tune alone")
    assert_refused(train("fine_tune"), "from: missing; name the model to start from")
    assert_refused(train("--from", start_file, "--set", "image_size=64"), "image_size: start.h5 takes 48; received 64")
    assert_refused(
        train("--from", start_file, "--set", "precision=auto"), "precision: fine_tune computes in float32 alone"
    )
    assert "give an experiment" in train().err
    assert not (fresh_home / "reports").exists()


def test_a_model_without_scores_is_refused(tmp_path, fresh_home, photos):
    path = small_model(tmp_path / "majority.h5", "majority")
    with pytest.raises(InputError, match="from: majority.h5 cannot be fine-tuned"):
        fine_tune(path, "folder", data_dir=photos, size="smoke", verbose=False)
    assert not list(fresh_home.rglob("record.json"))


def test_one_class_or_one_picture_a_class_is_refused(tmp_path, fresh_home, start_file):
    one = write_photos(tmp_path / "one", {"happy": "happiness"})
    with pytest.raises(InputError, match="has one class, happiness; a model needs pictures of two or more"):
        fine_tune(start_file, "folder", data_dir=one, verbose=False)
    few = write_photos(tmp_path / "few", count=1)
    with pytest.raises(InputError, match="3 images are too few to hold out any: a class needs 3 or more"):
        fine_tune(start_file, "folder", data_dir=few, verbose=False)
    assert not list(fresh_home.rglob("record.json"))


def test_a_search_says_that_it_cannot_start_from_a_model(start_file):
    with pytest.raises(InputError, match="has to be opened first; use `fer-tf train --from"):
        build_model("fine_tune", (48, 48, 1), 3, weights=str(start_file))
