"""Model files carry their classes; what contradicts itself is refused, and other people's files are declared."""

import json

import h5py
import keras
import numpy as np
import pytest
from second_outputs import classifier_with, save_with

from fer_tf.common.checks import InputError, ModelFileError
from fer_tf.common.inference import predict_both, whole_of
from fer_tf.emotions import EMOTION_LABELS, EMOTIONS, VALENCE_AROUSAL, SecondOutput
from fer_tf.models import build_model
from fer_tf.saving import Declaration, find_model, load_model, model_info, save_model


@pytest.fixture
def model():
    return build_model("cnn", (48, 48, 1), 8, width=0.1)


def edit(path, **changes):
    with h5py.File(path, "a") as file:
        file.attrs["fer_tf"] = json.dumps({**json.loads(file.attrs["fer_tf"]), **changes})


def test_description_travels_with_the_model(model, tmp_path):
    save_model(model, tmp_path / "m.h5", EMOTION_LABELS, {"run": "x"})
    loaded = load_model(tmp_path / "m.h5")
    assert type(loaded) is type(model)
    assert model_info(loaded)["class_names"] == EMOTION_LABELS
    assert model_info(loaded)["provenance"] == {"run": "x"}


def test_no_optimizer_is_stored(model, tmp_path):
    save_model(model, tmp_path / "plain.h5", EMOTIONS)
    model.compile("adam", "mse")
    model.train_on_batch(np.zeros((2, 48, 48, 1)), np.eye(8)[:2])
    save_model(model, tmp_path / "trained.h5", EMOTIONS)
    sizes = [(tmp_path / name).stat().st_size for name in ("plain.h5", "trained.h5")]
    assert sizes[1] < 1.2 * sizes[0]


def test_a_students_own_file_is_taken_as_declared(tmp_path):
    own = keras.Sequential(
        [keras.Input((10, 10, 1)), keras.layers.Flatten(), keras.layers.Dense(7, activation="softmax")]
    )
    own.save(tmp_path / "own.h5")
    with pytest.raises(ModelFileError, match="own.h5: does not say its classes and pixel range"):
        load_model(tmp_path / "own.h5")
    loaded = load_model(tmp_path / "own.h5", Declaration("0..1", "fer2013"))
    assert model_info(loaded)["class_names"] == list(EMOTIONS[:7])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_names": ["anger", "fear"]}, r"names 2 classes \(anger, fear\) but has 8 outputs"),
        ({"class_names": ["anger"] * 8}, "names 8 classes"),
        ({"class_names": ["label", *EMOTIONS[1:]]}, "class name that cannot be used: class 'label': is the name of a"),
        ({"class_names": "anger"}, "has no class_names"),
        ({"class_names": EMOTION_LABELS, "provenance": None}, "description's provenance is not an object"),
        (
            {"class_names": EMOTION_LABELS, "provenance": {"absent_classes": [1]}},
            "provenance has absent_classes",
        ),
        (
            {"class_names": EMOTION_LABELS, "provenance": {"dataset": ["a"]}},
            "provenance has a dataset that is not text",
        ),
        ({"input_shape": [64, 64, 1]}, r"says input \(64, 64, 1\) but takes \(48, 48, 1\)"),
        ({"pixel_range": [0, 1]}, r"wants pixels in \[0, 1\]"),
    ],
)
def test_contradictions_are_refused(model, tmp_path, changes, message):
    save_model(model, tmp_path / "m.h5", EMOTIONS)
    edit(tmp_path / "m.h5", **changes)
    with pytest.raises(ModelFileError, match=message):
        load_model(tmp_path / "m.h5")


def write_text(path):
    path.write_text("no model")


def write_other_hdf5(path):
    with h5py.File(path, "w") as file:
        file["x"] = [1, 2]


def write_broken_json(path):
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(path)
    with h5py.File(path, "a") as file:
        file.attrs["fer_tf"] = "{"


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (write_text, "is not a model file"),
        (write_other_hdf5, "is HDF5 but holds no Keras model"),
        (write_broken_json, "description is not JSON"),
        (lambda path: path.write_bytes(b""), "is not a model file"),
    ],
)
def test_files_that_are_no_models(tmp_path, write, message):
    write(tmp_path / "x.h5")
    with pytest.raises(ModelFileError, match=message):
        load_model(tmp_path / "x.h5")


def test_a_name_that_is_too_long_is_no_model_file():
    with pytest.raises(ModelFileError, match="no model file x+; looked at"):
        load_model("x" * 999)


def test_wrong_number_of_outputs_is_no_emotion_model(tmp_path):
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(1000)]).save(tmp_path / "x.h5")
    with pytest.raises(ModelFileError, match="1000 outputs is not an emotion model"):
        load_model(tmp_path / "x.h5")


def test_names_must_fit_when_saving(model, tmp_path):
    with pytest.raises(InputError, match="provenance: has a run that is not text"):
        save_model(model, tmp_path / "m.h5", EMOTIONS, {"run": 3})
    with pytest.raises(InputError, match="class_names: 7 names for a model with 8 outputs"):
        save_model(model, tmp_path / "m.h5", EMOTIONS[:7])
    with pytest.raises(InputError, match="suffix of the model file: allowed are .h5, .keras"):
        save_model(model, tmp_path / "m.hdf", EMOTIONS)
    assert not list(tmp_path.iterdir()), "nothing half-written"


def test_models_are_looked_for_in_the_models_folder(model, fresh_home, monkeypatch):
    monkeypatch.chdir(fresh_home)
    save_model(model, fresh_home / "models" / "bundled" / "b.h5", EMOTIONS)
    assert find_model("b.h5") == fresh_home / "models" / "bundled" / "b.h5"
    save_model(model, fresh_home / "models" / "b.h5", EMOTIONS)
    assert find_model("b.h5") == fresh_home / "models" / "b.h5"
    with pytest.raises(ModelFileError, match=r"no model file c.h5; looked at c.h5, .*models/c.h5, .*bundled/c.h5"):
        find_model("c.h5")


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_second_output_travels_with_the_model(suffix, tmp_path, rng):
    """Everything that asks for classes gets a classifier; predict gets both."""
    second = SecondOutput("action_units", ("AU1", "AU12"), 0.4)
    model, images = classifier_with(second), rng.integers(0, 256, (3, 48, 48, 1), dtype=np.uint8)
    save_model(model, tmp_path / f"m{suffix}", EMOTIONS[:7])
    loaded = load_model(tmp_path / f"m{suffix}")
    assert loaded.output_shape == (None, 7)
    assert whole_of(loaded).second == second
    assert model_info(loaded)["second_output"] == {"kind": "action_units", "names": ["AU1", "AU12"], "present": 0.4}
    for found, expected in zip(predict_both(loaded, images), predict_both(model, images), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    save_model(loaded, tmp_path / "again.h5", EMOTIONS[:7])
    assert whole_of(load_model(tmp_path / "again.h5")).second == second, "a copy keeps it"


def test_a_model_without_a_second_output_says_nothing_of_one(model, tmp_path):
    save_model(model, tmp_path / "m.h5", EMOTIONS)
    loaded = load_model(tmp_path / "m.h5")
    assert whole_of(loaded) is None
    assert set(model_info(loaded)) == {"class_names", "input_shape", "pixel_range", "provenance"}


GOOD = {**VALENCE_AROUSAL._asdict(), "names": ["valence", "arousal"]}


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({**GOOD, "names": ["valence"]}, "names 1 values, but its second output is"),
        ({**GOOD, "names": ["valence", "label"]}, "cannot be columns of a csv"),
        ({**GOOD, "names": ["valence", "anger"]}, "cannot be columns of a csv"),
        ({**GOOD, "names": "valence"}, "are not a list of names"),
        ({**GOOD, "present": "much"}, "the kind or threshold of its second output is not known"),
        ({**GOOD, "kind": ["age"]}, "the kind or threshold of its second output is not known"),
        ({"kind": "valence_arousal"}, "second_output must have kind, names, present; it is"),
        (None, "second_output must have kind"),
    ],
)
def test_a_second_output_that_contradicts_the_file_is_refused(second, message, tmp_path):
    edit(save_with(tmp_path / "m.h5"), second_output=second)
    with pytest.raises(ModelFileError, match=message):
        load_model(tmp_path / "m.h5")


def test_a_file_that_promises_a_second_output_must_have_one(model, tmp_path):
    save_model(model, tmp_path / "m.h5", EMOTIONS)
    edit(tmp_path / "m.h5", second_output=GOOD)
    with pytest.raises(ModelFileError, match="says that it has a second output, but has 1 outputs"):
        load_model(tmp_path / "m.h5")
