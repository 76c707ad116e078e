"""Prediction: the same probabilities for every kind of input, one row per picture whatever happens to it, and
a csv that is whole or not there. And the names of the proposal's pseudocode."""

import os
import subprocess
import sys
from unittest import mock

import keras
import numpy as np
import pandas as pd
import pytest
from fixtures import BROKEN, write_face
from PIL import Image
from second_outputs import save_with

import fer_tf
from fer_tf.common.checks import InputError
from fer_tf.data.drawn_faces import draw_faces
from fer_tf.data.faces import crop_faces
from fer_tf.emotions import EMOTIONS
from fer_tf.predict import EmotionRecognizer, collect_files, sample_path
from fer_tf.predict import recognizer as predict_module
from fer_tf.saving import describe

CLASSES = list(EMOTIONS[:7])
COLUMNS = ["path", "face", "x", "y", "w", "h", "detected", "score", "label", "confidence", *CLASSES, "error"]


@pytest.fixture(scope="module")
def recognizer(tiny_model_path):
    return EmotionRecognizer(tiny_model_path, batch_size=4, detector="none")


@pytest.fixture
def faces(tmp_path):
    """Ten pictures of different sizes."""
    return [write_face(tmp_path / "faces" / f"{seed}.png", seed, (40 + seed, 60)) for seed in range(10)]


def scores(frame):
    return frame[CLASSES].to_numpy(float)


# what comes out


def test_the_columns_are_the_documented_ones(recognizer, faces):
    frame = recognizer.predict(faces[:2])
    assert list(frame.columns) == recognizer.columns == COLUMNS
    assert list(frame["path"]) == [str(path) for path in faces[:2]]
    assert frame[["face", "x", "y", "w", "h"]].to_numpy(int).tolist() == [[0, 0, 0, 60, 40], [0, 0, 0, 60, 41]]
    assert not frame["detected"].any()
    assert list(frame["error"]) == ["", ""]


def test_a_tensor_is_a_picture_or_a_batch_of_them(recognizer, rng):
    pixels = rng.integers(0, 256, (3, 40, 50, 3), dtype=np.uint8)
    for given in (pixels, pixels[0], pixels[0, ..., 0]):
        found = recognizer.predict(keras.ops.convert_to_tensor(given))
        np.testing.assert_array_equal(scores(found), scores(recognizer.predict(given)))


def test_label_and_confidence_are_those_of_the_highest_probability(recognizer, faces):
    frame = recognizer.predict(faces)
    np.testing.assert_allclose(scores(frame).sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(frame["label"], np.array(CLASSES)[scores(frame).argmax(axis=1)])
    np.testing.assert_allclose(frame["confidence"].astype(float), scores(frame).max(axis=1))
    assert np.ptp(scores(frame), axis=0).max() > 1e-3, "equal scores: the tests here prove nothing"


def test_probabilities_are_the_models_own_on_raw_pixels(recognizer):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 48, 48, 1), dtype=np.uint8)
    expected = recognizer.model.predict(pixels.astype(np.float32), verbose=0)
    np.testing.assert_allclose(scores(recognizer.predict(pixels)), expected, atol=1e-5)


def test_a_picture_is_scored_alike_in_any_batch_order_and_company(recognizer, faces):
    expected = scores(recognizer.predict(faces))
    for batch_size in (1, 3, 64):
        other = EmotionRecognizer(recognizer.model, batch_size, "none").predict(faces)
        np.testing.assert_allclose(scores(other), expected, atol=1e-5)
    np.testing.assert_allclose(scores(recognizer.predict(faces[::-1]))[::-1], expected, atol=1e-5)
    np.testing.assert_allclose(scores(recognizer.predict(faces[7])), expected[7:8], atol=1e-5)


# faces


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A gray scene with two drawn faces, the larger on the right, and one without any."""
    home = tmp_path_factory.mktemp("scene")
    large, small = (
        draw_faces(1, seed=seed, size=side, difficulty="easy", emotions=["neutral"]).images[0, ..., 0]
        for seed, side in ((1, 140), (2, 100))
    )
    pixels = np.full((200, 420), 128, np.uint8)
    pixels[40:140, 30:130], pixels[30:170, 240:380] = small, large
    Image.fromarray(pixels).save(home / "two.png")
    Image.fromarray(np.full((120, 160), 128, np.uint8)).save(home / "nobody.png")
    return home


@pytest.mark.parametrize("detector", ["haar", "mtcnn"])
def test_one_row_a_face_and_the_whole_picture_where_there_is_none(recognizer, scene, detector):
    found = EmotionRecognizer(recognizer.model, detector=detector)
    frame = found.predict([scene / "nobody.png", scene / "two.png", scene / "lost.png"])
    assert list(frame["path"]) == [str(scene / name) for name in ("nobody.png", "two.png", "two.png", "lost.png")]
    assert list(frame["detected"]) == [False, True, True, False]
    assert list(frame["face"]) == [0, 0, 1, 0]
    assert frame.loc[0, ["x", "y", "w", "h"]].tolist() == [0, 0, 160, 120]
    first, second = frame.iloc[1], frame.iloc[2]
    assert first["x"] > 200 > second["x"] + second["w"], "the larger face, on the right, comes first"
    assert "no such file" in frame.loc[3, "error"]
    assert frame.loc[:2, CLASSES].notna().all(axis=None)
    only = EmotionRecognizer(recognizer.model, detector=detector, select="largest").predict(scene / "two.png")
    np.testing.assert_allclose(scores(only), scores(frame.iloc[[1]]), atol=1e-5)


def test_a_face_is_scored_as_its_crop_is(recognizer, scene):
    """The crop that `crop_faces` makes (as `data prepare` does) goes to the model as it is."""
    pixels = np.asarray(Image.open(scene / "two.png"))[..., None]
    crops = crop_faces([pixels], 48, "haar", select="all", margin=0.0)[0]
    expected = scores(recognizer.predict(np.stack([crop.image for crop in crops])))
    found = EmotionRecognizer(recognizer.model, detector="haar").predict(pixels)
    np.testing.assert_allclose(scores(found), expected, atol=1e-5)


def test_a_registered_face_is_scored_as_its_registered_crop_is(recognizer):
    """Where no face is found, the whole picture is used as it is, and `detected` says so."""
    picture, empty = fer_tf.load_image(sample_path()), np.full((60, 80, 3), 128, np.uint8)
    crops = [crop.image for crop, *_ in crop_faces([picture, empty], 48, "mtcnn", margin=0, align="landmarks")]
    found = EmotionRecognizer(recognizer.model, detector="mtcnn", align="landmarks").predict([picture, empty])
    assert found["detected"].tolist() == [True, False]
    np.testing.assert_allclose(scores(found), scores(recognizer.predict(crops)), atol=1e-5)
    level = EmotionRecognizer(recognizer.model, detector="mtcnn").predict(picture)
    assert np.abs(scores(found)[:1] - scores(level)).max() > 1e-4, "the same crop: this test proves nothing"


def test_an_unknown_detector_is_refused(recognizer):
    with pytest.raises(InputError, match="detector: allowed are .*haar.*received 'dlib'"):
        EmotionRecognizer(recognizer.model, detector="dlib")


def test_faces_below_the_smallest_are_left_out(recognizer, scene):
    found = EmotionRecognizer(recognizer.model, detector="mtcnn", min_face=110).predict(scene / "two.png")
    assert found["detected"].tolist() == [True]
    assert found["x"][0] > 200, "the larger face"
    with pytest.raises(InputError, match="min_face: must be a number >= 0; received -1"):
        EmotionRecognizer(recognizer.model, min_face=-1)


def test_seven_classes_leave_contempt_out(recognizer, faces):
    model = keras.Sequential(
        [
            *(keras.Input((48, 48, 1)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()),
            keras.layers.Dense(8, activation="softmax"),
        ]
    )
    model.fer_tf_info = describe(model, ["contempt", *EMOTIONS[:7]])
    all_eight = EmotionRecognizer(model, detector="none")
    seven = EmotionRecognizer(model, detector="none", classes=7)
    assert seven.class_names == CLASSES
    eight = all_eight.predict(faces)[CLASSES].to_numpy(float)
    found = seven.predict(faces)
    np.testing.assert_allclose(scores(found), eight / eight.sum(axis=1, keepdims=True), atol=1e-6)
    assert found["label"].tolist() == np.array(CLASSES)[eight.argmax(axis=1)].tolist()
    assert seven.targets(scores(found)).tolist() == (eight.argmax(axis=1) + 1).tolist(), "outputs of the model"
    assert EmotionRecognizer(recognizer.model, detector="none", classes=7).class_names == CLASSES
    model.fer_tf_info["class_names"] = ["confused", *CLASSES]
    with pytest.raises(InputError, match="classes: 7 leaves contempt out; this model has confused, anger"):
        EmotionRecognizer(model, classes=7)


def test_the_recogniser_is_imported_without_what_only_some_need():
    """An exported model's first answer does not wait for Keras and others, which take seconds."""
    code = (
        "import sys, fer_tf.predict.recognizer, fer_tf.predict.predict_files\n"
        "print(*{'tensorflow', 'keras', 'scipy', 'sklearn', 'matplotlib', 'h5py'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


# what goes in


def test_paths_arrays_and_pil_images_give_the_same(recognizer, faces):
    expected = scores(recognizer.predict(faces[0]))
    pixels = np.asarray(Image.open(faces[0]))
    for same in (str(faces[0]), pixels, pixels.astype(np.float64), pixels.astype(np.int64), Image.open(faces[0])):
        for given in (same, [same]):
            np.testing.assert_allclose(scores(recognizer.predict(given)), expected, atol=1e-5)
    np.testing.assert_allclose(scores(recognizer.predict(pixels[None])), expected, atol=1e-5)


def test_gray_arrays_may_leave_the_channel_out(recognizer):
    gray = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    expected = scores(recognizer.predict(gray[..., None]))
    for same in (gray, [gray], np.dstack([gray] * 3), Image.fromarray(gray)):
        np.testing.assert_allclose(scores(recognizer.predict(same)), expected, atol=0.02)


@pytest.mark.parametrize("kind", [list, tuple])
def test_pictures_of_different_sizes_go_in_one_list(recognizer, faces, kind):
    expected = scores(recognizer.predict(faces[:3]))
    for pictures in ([np.asarray(Image.open(path)) for path in faces[:3]], [Image.open(path) for path in faces[:3]]):
        np.testing.assert_allclose(scores(recognizer.predict(kind(pictures))), expected, atol=1e-5)


def _with_exif(path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(path.with_suffix(".jpg"), exif=exif)
    return path.with_suffix(".jpg")


def _deep(path, pixels):
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(path)
    return path


def _transparent(path, pixels):
    alpha = np.broadcast_to(np.linspace(0, 255, 48).astype(np.uint8)[:, None, None], (48, 48, 1))
    Image.fromarray(np.concatenate([pixels // 4, alpha], axis=2)).save(path)
    return path


@pytest.mark.parametrize("make", [_with_exif, _deep, _transparent])
def test_an_opened_picture_is_scored_like_its_file(recognizer, tmp_path, make):
    pixels = np.linspace(0, 255, 48 * 48).astype(np.uint8).reshape(48, 48, 1).repeat(3, axis=2)
    path = make(tmp_path / "a.png", pixels)
    expected = fer_tf.preprocess_image(fer_tf.load_image(path))
    np.testing.assert_allclose(fer_tf.preprocess_image(Image.open(path)), expected, atol=1)


@pytest.mark.parametrize("empty", [[], np.zeros((0, 48, 48, 1), np.uint8)])
def test_nothing_in_gives_no_row_and_all_columns(recognizer, empty):
    frame = recognizer.predict(empty)
    assert len(frame) == 0
    assert list(frame.columns) == COLUMNS


def test_what_is_given_is_not_modified(recognizer):
    pixels = np.random.default_rng(0).uniform(0, 255, (3, 50, 50, 3))
    pixels.flags.writeable = False
    kept = pixels.copy()
    recognizer.predict(pixels)
    fer_tf.preprocess_image(pixels[0])
    np.testing.assert_array_equal(pixels, kept)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((48, 48, 2)), r"must be \[H, W\], \[H, W, 1\] or \[H, W, 3\]; received \(48, 48, 2\)"),
        (np.zeros((48, 48, 4)), r"received \(48, 48, 4\)"),
        (np.zeros((0, 48)), r"received \(0, 48\)"),
        (np.full((48, 48), np.nan), "must hold finite numbers"),
        (np.full((48, 48), np.inf), "must hold finite numbers"),
        (np.full((48, 48), "a"), "must hold finite numbers"),
        (np.full((48, 48), -1), r"pixels must be in 0\.\.255; received -1"),
        (np.full((48, 48), 256.0), r"pixels must be in 0\.\.255; received 256"),
    ],
)
def test_a_bad_array_is_refused_by_name(recognizer, bad, message):
    for use in (recognizer.predict, fer_tf.preprocess_image, lambda image: recognizer.predict([image])):
        with pytest.raises(InputError, match=f"image: .*{message}"):
            use(bad)


@pytest.mark.parametrize("bad", [np.zeros(48), np.zeros((2, 3, 48, 48, 1)), np.float32(7), None])
def test_what_is_no_picture_at_all_is_refused_in_words(recognizer, bad):
    with pytest.raises(InputError, match="image"):
        recognizer.predict(bad)


# broken files


@pytest.mark.parametrize("batch_size", [1, 64])
@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_file_gets_its_row_and_the_others_are_predicted(recognizer, faces, fault, batch_size, recwarn):
    broken = BROKEN[fault](faces[0].parent / "broken ä.jpg")
    files = [faces[0], broken, faces[1]]
    frame = EmotionRecognizer(recognizer.model, batch_size, "none").predict(files)
    assert list(frame["path"]) == [str(path) for path in files]
    np.testing.assert_allclose(scores(frame)[[0, 2]], scores(recognizer.predict(faces[:2])), atol=1e-5)
    row = frame.iloc[1]
    assert row["error"]
    assert str(broken) not in row["error"]
    assert "\n" not in row["error"]
    assert row[["x", "y", "w", "h", "label", "confidence", *CLASSES]].isna().all()
    assert list(frame.loc[[0, 2], "error"]) == ["", ""]
    assert not [str(warning.message) for warning in recwarn if "concat" in str(warning.message)]


# csv


def test_the_csv_holds_what_predict_returns(recognizer, faces, tmp_path):
    broken = BROKEN["text"](tmp_path / 'odd, "name".jpg')
    files = [*faces, broken]
    failed = recognizer.predict_to_csv(files, tmp_path / "new" / "out.csv", progress=False)
    assert [path for path, _ in failed] == [str(broken)]
    written, expected = pd.read_csv(tmp_path / "new" / "out.csv"), recognizer.predict(files)
    assert list(written.columns) == COLUMNS
    np.testing.assert_allclose(scores(written), scores(expected), atol=1e-6)
    for name in ("path", "label", "error"):
        assert written[name].fillna("").tolist() == expected[name].fillna("").tolist()
    assert written["w"].tolist()[:10] == [60] * 10
    assert np.isnan(written["w"][10])


def test_a_file_name_that_is_no_utf8_is_predicted(recognizer, faces, tmp_path):
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    os.rename(faces[0], odd)
    assert recognizer.predict_to_csv([odd, odd + "x"], tmp_path / "out.csv", progress=False)[0][1] == "no such file"
    assert pd.read_csv(tmp_path / "out.csv")["path"][0] == f"{tmp_path}/\\xff.png"


def test_a_csv_is_never_left_half_written(recognizer, faces, tmp_path, monkeypatch):
    out = tmp_path / "results" / "out.csv"
    out.parent.mkdir()
    out.write_text("of an earlier run")
    fails = mock.Mock(side_effect=[np.full((4, 7), 1 / 7), RuntimeError("out of memory")])
    monkeypatch.setattr(predict_module, "predict_probabilities", fails)
    with pytest.raises(RuntimeError, match="out of memory"):
        recognizer.predict_to_csv(faces, out, progress=False)
    assert out.read_text() == "of an earlier run"
    names = sorted(path.name for path in out.parent.iterdir())
    assert names == ["out.csv", "out.csv.part", "out.csv.part.json"], "what is done is kept, to go on from"


def test_collect_files_searches_folders_and_takes_each_file_once(faces, tmp_path):
    folder = faces[0].parent
    deeper = write_face(folder / "deeper" / "a.JPG")
    (folder / "._0.png").write_text("litter")
    (folder / "out.csv").write_text("the csv being written")
    missing = tmp_path / "missing.png"
    found = collect_files([folder, faces[3], missing, str(folder)], leave_out=[folder / "out.csv"])
    assert sorted(found) == sorted([*faces, deeper, missing])


# models and the proposal's pseudocode


def test_a_recognizer_takes_a_loaded_model(recognizer, tiny_model_path, faces):
    loaded = EmotionRecognizer(fer_tf.load_model(tiny_model_path), detector="none")
    np.testing.assert_allclose(scores(loaded.predict(faces)), scores(recognizer.predict(faces)), atol=1e-6)


def test_the_pseudocode_of_the_proposal_runs(tiny_model_path, tmp_path):
    Image.fromarray(np.full((60, 80, 3), [10, 20, 30], np.uint8)).save(tmp_path / "a.png")
    model = fer_tf.load_model(tiny_model_path)
    image = fer_tf.load_image(tmp_path / "a.png")
    assert image.shape == (60, 80, 3)
    assert image.dtype == np.uint8
    assert image[0, 0].tolist() == [10, 20, 30]
    batch = fer_tf.preprocess_image(image)
    assert batch.shape == (1, 48, 48, 1)
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch, 18, atol=1)  # luminance on the raw range: the model normalises by itself
    assert fer_tf.preprocess_image(image, model).shape == (1, *model.input_shape[1:])
    assert model.predict(batch, verbose=0).shape == (1, 7)
    assert len(fer_tf.EMOTION_LABELS) == len(set(fer_tf.EMOTION_LABELS)) == 8
    with pytest.raises(AttributeError, match="no attribute 'load_modle'"):
        fer_tf.load_modle  # noqa: B018


def test_a_second_output_adds_its_columns(recognizer, faces, tmp_path):
    """Valence and arousal behind the classes, of the same faces; a file that cannot be read has none."""
    path, out = save_with(tmp_path / "affect.h5"), tmp_path / "out.csv"
    broken = write_face(tmp_path / "broken.png")
    broken.write_bytes(b"no picture")
    affect = EmotionRecognizer(path, batch_size=2, detector="none")
    frame = affect.predict([faces[0], broken, *faces[1:4]])
    assert list(frame.columns) == affect.columns == [*COLUMNS[:-1], "valence", "arousal", "error"]
    values = frame[["valence", "arousal"]]
    assert values.dtypes.tolist() == [float, float]
    assert values.isna().all(axis=1).tolist() == [False, True, False, False, False]
    assert values.abs().max(axis=None) <= 1
    alone = affect.predict(faces[3])[["valence", "arousal"]].to_numpy()
    np.testing.assert_allclose(values.to_numpy()[-1:], alone, atol=1e-6)
    affect.predict_to_csv([faces[0], broken, *faces[1:4]], out, progress=False)
    np.testing.assert_allclose(pd.read_csv(out)[["valence", "arousal"]], values, atol=1e-5)
    assert recognizer.value_names == []
