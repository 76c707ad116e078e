"""The proposal's FaceNet2ExpNet.h5, and its pseudocode run unchanged."""

import keras
import numpy as np
import pytest
from PIL import Image

import fer_tf
from fer_tf.common.checks import DataError, InputError
from fer_tf.data import load_dataset
from fer_tf.emotions import EMOTION_LABELS, EMOTIONS
from fer_tf.models import build_model
from fer_tf.runs.evaluate import fitted
from fer_tf.saving import FACENET2EXPNET, load_model, model_info, save_facenet2expnet, save_model

# Document [1], §D d), lines 1 to 14; our copy breaks "Disgust" in two.
PSEUDOCODE = """\
# Load FaceNet2ExpNet model
model = load_model('FaceNet2ExpNet.h5')
# Load image to classify
image = load_image('example.jpg')
# Preprocess image
image = preprocess_image(image)
# Classify emotion from the image
emotion = model.predict(image)
# Convert the result to emotion label
#neutrality, happiness, anger, sadness, fear, surprise, disgust, and contempt
emotion_labels = ['Neutrality', 'Happiness', 'Anger', 'Sadness', 'Fear', 'Surprise', 'Disgust', 'Contempt']
emotion_label = emotion_labels[np.argmax(emotion)]
# Output emotion label
print(emotion_label)
"""
# For each of [1]'s labels its place among the kit's emotions.
ORDER = [6, 3, 0, 4, 2, 5, 1, 7]


def trained(tmp_path, classes, name="facenet2expnet", class_names=None):
    """A model as a run leaves it: saved with its class names, and loaded."""
    keras.utils.set_random_seed(classes)
    options = {"cnn": {}, "facenet2expnet": {"depth": 6}, "ran_facenet2expnet": {"depth": 6}}[name]
    model = build_model(name, (48, 48, 1), classes, width=0.1, **options)
    # scores of an untrained net are all similar
    kernel, bias = model.get_layer("scores").get_weights()
    model.get_layer("scores").set_weights([kernel * 5, np.linspace(-1, 1, classes)[::-1]])
    save_model(model, tmp_path / "run.h5", class_names or EMOTIONS[:classes], {"run": "x", "seed": 3})
    return load_model(tmp_path / "run.h5")


@pytest.fixture
def faces(rng):
    return rng.integers(0, 256, (5, 48, 48, 1), dtype=np.uint8)


@pytest.mark.parametrize("name", ["facenet2expnet", "ran_facenet2expnet", "cnn"])
def test_outputs_are_in_the_documents_order(tmp_path, faces, name):
    model = trained(tmp_path, 8, name)
    path = save_facenet2expnet(model, tmp_path / "out.h5")
    loaded = load_model(path)
    expected = model.predict_on_batch(faces)[:, ORDER]
    np.testing.assert_allclose(loaded.predict_on_batch(faces), expected, atol=1e-6)
    assert model_info(loaded)["class_names"] == EMOTION_LABELS
    assert model_info(loaded)["provenance"] == {"run": "x", "seed": 3, "absent_classes": []}


def test_a_class_it_was_not_trained_on_is_0_and_loading_says_so(tmp_path, faces):
    model = trained(tmp_path, 7)
    path = save_facenet2expnet(model, tmp_path / "out.h5")
    with pytest.warns(UserWarning, match="out.h5 was trained without Contempt: these outputs are always 0"):
        loaded = load_model(path)
    found = loaded.predict_on_batch(faces)
    assert loaded.output_shape == (None, 8)
    np.testing.assert_allclose(found[:, :7], model.predict_on_batch(faces)[:, ORDER[:7]], atol=1e-6)
    np.testing.assert_array_equal(found[:, 7], np.zeros(5))


@pytest.mark.filterwarnings("ignore:.*was trained without")
def test_a_class_it_was_not_trained_on_is_no_error_of_its(tmp_path):
    """Pictures of contempt leave the test of a net of seven, which says 0 to each of them."""
    own = trained(tmp_path, 7)
    exported = load_model(save_facenet2expnet(own, tmp_path / "out.h5"))
    ds = load_dataset("synthetic", count=80)
    names = [fitted(model, ds).class_names for model in (own, exported)]
    assert names[0] == names[1] == tuple(EMOTIONS[:7])


def test_eight_classes_load_without_a_word(tmp_path, recwarn):
    load_model(save_facenet2expnet(trained(tmp_path, 8), tmp_path / "out.h5"))
    assert not [warning for warning in recwarn if "trained without" in str(warning.message)]


def test_classes_in_another_order_and_spelling_find_their_places(tmp_path, faces):
    """CK+'s usual seven have contempt and no neutral; a dataset may write them in its own way."""
    names = ["surprise", "contempt", "sadness", "happiness", "anger", "disgust", "fear"]
    model = trained(tmp_path, 7, class_names=names)
    with pytest.warns(UserWarning, match="trained without Neutrality"):
        loaded = load_model(save_facenet2expnet(model, tmp_path / "out.h5"))
    found, given = loaded.predict_on_batch(faces), model.predict_on_batch(faces)
    np.testing.assert_array_equal(found[:, 0], np.zeros(5))
    for label, name in [("Happiness", "happiness"), ("Contempt", "contempt"), ("Surprise", "surprise")]:
        np.testing.assert_allclose(found[:, EMOTION_LABELS.index(label)], given[:, names.index(name)], atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*was trained without")
@pytest.mark.parametrize(("classes", "absent"), [(8, []), (7, ["Contempt"])])
def test_an_exported_file_can_be_exported_again(tmp_path, faces, classes, absent):
    """Its outputs have all eight names by then; the file still says what it was not trained on."""
    first = load_model(save_facenet2expnet(trained(tmp_path, classes), tmp_path / "first.h5"))
    second = load_model(save_facenet2expnet(first, tmp_path / "second.h5"))
    np.testing.assert_allclose(second.predict_on_batch(faces), first.predict_on_batch(faces), atol=1e-6)
    assert model_info(second)["provenance"]["absent_classes"] == absent


def test_a_students_own_list_of_layers_can_be_exported(tmp_path, faces):
    """Keras gives a loaded `Sequential` no `input`."""
    kinds = keras.layers
    own = keras.Sequential(
        [keras.Input((48, 48, 1)), kinds.Rescaling(1 / 255), kinds.Flatten(), kinds.Dense(8, activation="softmax")]
    )
    save_model(own, tmp_path / "own.h5", EMOTIONS)
    loaded = load_model(save_facenet2expnet(load_model(tmp_path / "own.h5"), tmp_path / "out.h5"))
    np.testing.assert_allclose(loaded.predict_on_batch(faces), own.predict_on_batch(faces)[:, ORDER], atol=1e-6)


def test_it_goes_to_the_models_folder_under_the_documents_name(fresh_home):
    path = save_facenet2expnet(trained(fresh_home, 8))
    assert path == fresh_home / "models" / FACENET2EXPNET
    assert path.name == "FaceNet2ExpNet.h5"


def place(folder, colour, size=(60, 80)):
    """Any picture, as example.jpg."""
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3) if colour else size, dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "example.jpg")


def run_pseudocode(capsys):
    """Runs the document's lines; returns what they printed and the names they left."""
    names = {"np": np, **{name: getattr(fer_tf, name) for name in ("load_model", "load_image", "preprocess_image")}}
    capsys.readouterr()
    exec(PSEUDOCODE, names)
    return capsys.readouterr().out.strip().splitlines()[-1], names


@pytest.mark.parametrize("colour", [True, False])
def test_the_pseudocode_runs_word_for_word(fresh_home, monkeypatch, capsys, colour):
    """With the files where the kit leaves them."""
    model = trained(fresh_home, 8)
    save_facenet2expnet(model)
    place(fresh_home / "reports", colour)
    elsewhere = fresh_home / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    printed, names = run_pseudocode(capsys)
    assert names["emotion_labels"] == EMOTION_LABELS
    assert printed in EMOTION_LABELS
    assert names["image"].shape == (1, 48, 48, 1)
    assert names["emotion"].shape == (1, 8)
    expected = EMOTIONS[model.predict_on_batch(names["image"]).argmax()]
    assert printed == EMOTION_LABELS[ORDER.index(EMOTIONS.index(expected))]


def test_the_pseudocode_runs_with_both_files_in_the_working_directory(fresh_home, monkeypatch, capsys):
    save_facenet2expnet(trained(fresh_home, 8, "ran_facenet2expnet"), fresh_home / FACENET2EXPNET)
    place(fresh_home, colour=True)
    monkeypatch.chdir(fresh_home)
    printed, _ = run_pseudocode(capsys)
    assert printed in EMOTION_LABELS
    assert not (fresh_home / "models").exists()
    assert not (fresh_home / "reports").exists()


def test_the_pseudocode_runs_with_the_file_that_ships(fresh_home, monkeypatch, capsys):
    """Nothing trained yet: the net of models/bundled/, which knows all eight classes."""
    place(fresh_home, colour=True)
    monkeypatch.chdir(fresh_home)
    printed, names = run_pseudocode(capsys)
    assert printed in EMOTION_LABELS
    assert (names["emotion"] > 0).all()
    assert model_info(names["model"])["provenance"]["dataset"] == "ferplus"


def test_the_pseudocode_prints_a_trained_class_of_a_model_of_seven(fresh_home, monkeypatch, capsys):
    save_facenet2expnet(trained(fresh_home, 7))
    place(fresh_home / "reports", colour=True)
    monkeypatch.chdir(fresh_home)
    with pytest.warns(UserWarning, match="trained without Contempt"):
        printed, _ = run_pseudocode(capsys)
    assert printed in EMOTION_LABELS[:7]


def test_a_picture_in_the_working_directory_goes_before_the_reports(fresh_home, monkeypatch):
    place(fresh_home / "reports", colour=True)
    place(fresh_home, colour=True, size=(10, 12))
    monkeypatch.chdir(fresh_home)
    assert fer_tf.load_image("example.jpg").shape == (10, 12, 3)
    (fresh_home / "example.jpg").unlink()
    assert fer_tf.load_image("example.jpg").shape == (60, 80, 3)


def test_a_picture_that_is_nowhere_is_named(fresh_home, monkeypatch):
    monkeypatch.chdir(fresh_home)
    with pytest.raises(DataError, match="example.jpg"):
        fer_tf.load_image("example.jpg")


def test_the_label_list_is_the_pseudocodes():
    line = next(line for line in PSEUDOCODE.splitlines() if line.startswith("emotion_labels"))
    names = {}
    exec(line, names)
    assert names["emotion_labels"] == EMOTION_LABELS == fer_tf.EMOTION_LABELS


def test_a_model_of_another_size_is_refused(tmp_path):
    model = build_model("cnn", (64, 64, 3), 7, width=0.1)
    with pytest.raises(InputError, match=r"takes \(48, 48, 1\); this model takes \(64, 64, 3\)"):
        save_facenet2expnet(model, tmp_path / FACENET2EXPNET)
    assert not (tmp_path / FACENET2EXPNET).exists()
