"""The pictures that are written: channels, quality, and faces cut out."""

import numpy as np
import pandas as pd
import pytest
from fixtures import (
    PHOTO_PLACES,
    SYNTHETIC,
    written_pictures,
)
from PIL import Image

from fer_tf.common.checks import InputError
from fer_tf.data.faces import crop_faces
from fer_tf.data.images import read_image, resize
from fer_tf.data.prepare import prepare_datasets
from fer_tf.predict import sample_path


@pytest.mark.parametrize(("channels", "wanted"), [(1, 1), (3, 3), (None, 1)])
def test_channels(tmp_path, photos, channels, wanted):
    done = prepare_datasets(["folder"], tmp_path / "out", photos, layout="names", channels=channels, size=40)
    sizes = {read_image(path).shape for path in written_pictures(tmp_path / "out")}
    assert sizes == {(40, 40, wanted)}
    assert f"image_channels={wanted}" in done.how_to_load


def test_gray_is_repeated_and_jpeg_is_of_quality_95(tmp_path, source):
    done = prepare_datasets(["synthetic"], tmp_path / "out", channels=3, **SYNTHETIC | {"size": 48})
    for row in done.labels.itertuples():
        with Image.open(tmp_path / "out" / row.path) as picture:
            assert picture.format == "JPEG"
            assert picture.quantization[0][:3] == [2, 1, 1]  # libjpeg's table at 95
            pixels = np.asarray(picture)
        assert pixels.shape == (48, 48, 3)
        assert (pixels == pixels[..., :1]).all()
        assert np.abs(pixels[..., :1].astype(int) - source.store.array[int(row.path.split("-")[1])]).mean() < 4


# --- faces ---


@pytest.fixture
def crops(monkeypatch):
    """Detection stood in for by a rule: the face is the 48 px from (30, 20) on; green pictures have none."""
    from fer_tf.data.faces import Face, crops, detection

    seen = []

    def detect_faces(images, detector, **options):
        detection.check_pictures(images)
        seen.extend(images)
        return [[] if image[0, 0, 0] == 0 else [Face((30.0, 20.0, 48.0, 48.0), 0.9)] for image in images]

    monkeypatch.setattr(crops, "detect_faces", detect_faces)
    return seen


def test_faces_are_cut_from_the_photographs_as_they_are(tmp_path, photos, crops, tiny_faces):
    done = prepare_datasets(
        ["folder"], tmp_path / "out", photos, layout="names", detector="haar", size=48, format="png", channels=3
    )
    assert {image.shape for image in crops} == {(90, 120, 3)}, "not squeezed to the dataset's size"
    assert done.labels["detected"].all()
    for row in done.labels.itertuples():
        face = np.repeat(tiny_faces.store.array[PHOTO_PLACES.index(row.source)], 3, axis=2)
        np.testing.assert_array_equal(read_image(tmp_path / "out" / row.path), face)


@pytest.mark.parametrize("missing", ["whole", "skip"])
def test_where_no_face_is_found(tmp_path, photos, crops, missing, count_writes):
    green = np.zeros((50, 80, 3), np.uint8)
    green[..., 1] = 200
    Image.fromarray(green).save(photos / "folder" / "test" / "fear" / "green.png")
    settings = {"layout": "names", "detector": "haar", "missing": missing, "channels": 3, "format": "png"}
    done = prepare_datasets(["folder"], tmp_path / "out", photos, **settings)
    last = done.summary.iloc[-1]
    assert len(done.labels) == last["written"] == len(PHOTO_PLACES) + (missing == "whole")
    if missing == "whole":
        assert last["whole picture"] == 1
        assert last["no face found"] == 0
        (row,) = done.labels[~done.labels["detected"]].itertuples()
        np.testing.assert_array_equal(read_image(tmp_path / "out" / row.path), resize(green, (64, 64)))
    else:
        assert last["whole picture"] == 0
        assert last["no face found"] == 1
        assert list(done.skipped["source"]) == ["test/fear/green.png"]
    crops.clear()
    count_writes.clear()
    again = prepare_datasets(["folder"], tmp_path / "out", photos, **settings)
    assert not crops, "faces are looked for once"
    assert not count_writes, "pictures are written once"
    pd.testing.assert_frame_equal(again.labels, done.labels)


def test_faces_in_sets_held_in_memory(tmp_path, source, crops, monkeypatch):
    done = prepare_datasets(["synthetic"], tmp_path / "out", detector="haar", margin=0.1, **SYNTHETIC)
    assert len(crops) == len(done.labels)
    assert {image.shape for image in crops} == {(48, 48, 1)}
    assert any("faces are searched in pictures of 48×48" in note for note in done.notes)


def test_faces_are_registered_if_asked_for(tmp_path):
    """And a folder of turned faces is not resumed as one of registered faces."""
    (tmp_path / "folder" / "happiness").mkdir(parents=True)
    picture = read_image(sample_path(), channels=3)
    for number in range(3):
        Image.fromarray(np.roll(picture, number, axis=0)).save(tmp_path / f"folder/happiness/{number}.png")
    settings = {"layout": "names", "detector": "mtcnn", "size": 48, "format": "png", "channels": 3}
    registered = prepare_datasets(["folder"], tmp_path / "out", tmp_path, align="landmarks", **settings)
    assert registered.labels["detected"].all()
    ((crop,),) = crop_faces([picture], 48, "mtcnn", margin=0, align="landmarks")
    (first,) = (tmp_path / "out").glob("*/happiness/*-0.png")
    np.testing.assert_array_equal(read_image(first), crop.image)
    with pytest.raises(InputError, match=r"align \(landmarks there, True now\)"):
        prepare_datasets(["folder"], tmp_path / "out", tmp_path, **settings)


def test_haar_finds_drawn_faces(tmp_path, photos):
    done = prepare_datasets(["folder"], tmp_path / "out", photos, layout="names", detector="haar", missing="skip")
    assert len(done.labels) > 0
    assert len(done.labels) + len(done.skipped) == len(PHOTO_PLACES)
