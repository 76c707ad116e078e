"""Which row goes into which file."""

import numpy as np
from fixtures import (
    PHOTO_PLACES,
    SYNTHETIC,
    write_face,
    written_pictures,
)

from fer_tf.data import load_dataset
from fer_tf.data.images import read_image, resize
from fer_tf.data.prepare import prepare_datasets

# Document [4]'s folders, repeated here.
NUMBERS = {"1": "surprise", "2": "fear", "3": "disgust", "4": "happiness", "5": "sadness", "6": "anger"}


def test_numbered_folders_are_document_4s_and_hold_the_datasets_pictures(tmp_path, source):
    out = tmp_path / "new" / "öut put"
    done = prepare_datasets(["synthetic"], out, format="png", **SYNTHETIC | {"size": 48})
    assert {path.parent.name for path in written_pictures(out)} == set(NUMBERS)
    assert len(written_pictures(out)) == len(done.labels) == done.new
    for row in done.labels.itertuples():
        split, number, name = row.path.split("/")
        at = int(name.split("-")[1])
        assert (split, NUMBERS[number]) == (source.table["split"][at], source.class_names[source.table["label"][at]])
        assert (row.split, row.label, row.source) == (split, NUMBERS[number], source.table["name"][at])
        np.testing.assert_array_equal(read_image(out / row.path), source.store.array[at])
    assert "48" in done.how_to_load
    assert "'" in done.how_to_load  # the folder's name needs quotes


def test_classes_of_ones_own_have_folders_in_the_layout_of_names(tmp_path):
    for name in ("happy", "bored"):
        for row in range(3):
            write_face(tmp_path / "photos" / "folder" / name / f"{row}.png", row)
    done = prepare_datasets(["folder"], tmp_path / "faces", tmp_path / "photos", layout="names", size=32)
    assert set(done.summary["class"]) == {"happiness", "bored", ""}
    assert load_dataset("folder", tmp_path / "faces").class_names == ("happiness", "bored")
    numbered = prepare_datasets(["folder"], tmp_path / "numbered", tmp_path / "photos", size=32)
    assert list(numbered.labels["label"].unique()) == ["happiness"]


def test_names_that_clash_or_cannot_be_written_are_told_apart(tmp_path, photos):
    done = prepare_datasets(["folder"], tmp_path / "out", photos, layout="names", format="png", channels=3)
    assert len(done.labels) == len(PHOTO_PLACES) == len(written_pictures(tmp_path / "out"))
    assert set(done.labels["source"]) == set(PHOTO_PLACES)
    for row in done.labels.itertuples():
        assert row.path.isascii()
        assert " " not in row.path
        wanted = resize(read_image(photos / "folder" / row.source), (64, 64))
        np.testing.assert_array_equal(read_image(tmp_path / "out" / row.path), wanted)
