"""Preparing datasets: what is written loads again, faces are cut, every lost picture is counted."""

import numpy as np
import pandas as pd
import pytest
from fixtures import PHOTO_PLACES, SYNTHETIC, SYNTHETIC_COUNT, write_face, written_pictures
from PIL import Image

from fer_tf.common.checks import DataError
from fer_tf.data import load_dataset
from fer_tf.data.images import read_image, resize
from fer_tf.data.prepare import prepare_datasets, sources
from fer_tf.emotions import EMOTIONS

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


def test_what_is_left_out_is_counted_and_listed(tmp_path, source):
    done = prepare_datasets(["synthetic"], tmp_path / "out", **SYNTHETIC)
    emotions = source.table["label"].map(source.class_names.__getitem__)
    outside = emotions.isin(["neutral", "contempt"])
    assert outside.any()
    assert len(done.labels) == (~outside).sum()
    counts = done.summary.set_index("class")
    assert list(counts.index) == [*EMOTIONS, ""]
    assert set(counts["dataset"]) == {"synthetic", "all"}
    for name in EMOTIONS[:6]:
        wanted = source.counts().loc[name]
        assert (counts.loc[name, ["train", "val", "test"]] == wanted[["train", "val", "test"]]).all()
        assert counts.loc[name, "written"] == wanted["all"]
    assert (
        counts["class not in the layout"][["neutral", "contempt"]] == source.counts()["all"][["neutral", "contempt"]]
    ).all()
    assert counts.loc["", "written"] == len(done.labels)
    assert counts.loc["", "class not in the layout"] == len(done.skipped) == outside.sum()
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "out/record/summary.csv", keep_default_na=False), done.summary, check_dtype=False
    )
    skipped = pd.read_csv(tmp_path / "out/record/skipped.csv")
    assert list(skipped["row"]) == list(np.flatnonzero(outside))


def test_rows_that_the_protocol_does_not_use_are_reported(tmp_path, source, monkeypatch):
    part = source.limited(10)
    monkeypatch.setattr(sources, "load_dataset", lambda *given, **options: part)
    done = prepare_datasets(["synthetic"], tmp_path / "out", layout="names", **SYNTHETIC)
    assert len(done.labels) == (part.table["split"] != "").sum() == 30
    assert done.summary.iloc[-1]["not used by the protocol"] == SYNTHETIC_COUNT - 30


@pytest.mark.parametrize("layout", ["names", "numbered"])
@pytest.mark.parametrize("name", ["folder", "csv"])
def test_round_trip(tmp_path, source, layout, name):
    done = prepare_datasets(["synthetic"], tmp_path / "out", layout=layout, format="png", **SYNTHETIC | {"size": 48})
    ds = load_dataset(name, tmp_path / "out")
    classes = EMOTIONS[: 6 if layout == "numbered" else 8]
    pd.testing.assert_frame_equal(ds.counts(), source.with_classes(classes).counts())
    rows = [int(name.split("-")[1]) for name in ds.table["name"]]
    assert len(rows) == len(done.labels)
    assert ds.class_names == classes
    np.testing.assert_array_equal(ds.store.array, source.store.array[rows])
    assert [ds.class_names[code] for code in ds.table["label"]] == [
        source.class_names[code] for code in source.table["label"][rows]
    ]
    if name == "csv":
        assert set(ds.table["subject"]) == {f"synthetic {person}" for person in source.table["subject"][rows]}


def test_it_loads_also_where_its_folder_has_the_datasets_name(tmp_path):
    for name in ("folder", "csv"):
        done = prepare_datasets(["synthetic"], tmp_path / name, **SYNTHETIC)
        assert len(load_dataset(name, tmp_path).table) == len(done.labels)


def test_numbers_mean_nothing_without_prepares_word_nor_with_a_broken_one(tmp_path):
    prepare_datasets(["synthetic"], tmp_path / "folder", **SYNTHETIC)
    path = tmp_path / "folder" / "prepare.json"
    text = path.read_text()
    path.write_text(text.replace('"complete": true', '"complete": false'))
    with pytest.raises(DataError, match="was stopped before the end; run the same command again"):
        load_dataset("folder", tmp_path)
    path.write_text(text[:40])
    with pytest.raises(DataError, match=r"prepare.json: is damaged"):
        load_dataset("folder", tmp_path)
    path.unlink()
    with pytest.raises(DataError, match="1: unknown emotion '1'"):
        load_dataset("folder", tmp_path)


def test_classes_of_ones_own_have_folders_in_the_layout_of_names(tmp_path):
    for name in ("happy", "bored"):
        for row in range(3):
            write_face(tmp_path / "photos" / "folder" / name / f"{row}.png", row)
    done = prepare_datasets(["folder"], tmp_path / "faces", tmp_path / "photos", layout="names", size=32)
    assert set(done.summary["class"]) == {"happiness", "bored", ""}
    assert load_dataset("folder", tmp_path / "faces").class_names == ("happiness", "bored")
    numbered = prepare_datasets(["folder"], tmp_path / "numbered", tmp_path / "photos", size=32)
    assert list(numbered.labels["label"].unique()) == ["happiness"]


def test_two_datasets_make_one_aggregate(tmp_path, fer2013_root, source):
    done = prepare_datasets(
        ["synthetic", "fer2013"],
        tmp_path / "out",
        fer2013_root,
        protocol=["fer2013=pooled"],
        layout="names",
        size=48,
        options=[f"synthetic.count={SYNTHETIC_COUNT}", "classes=6"],
        format="png",
    )
    faces = load_dataset("fer2013", fer2013_root, "pooled", classes=6)
    both = source.with_classes(EMOTIONS[:6]).counts() + faces.counts()
    ds = load_dataset("csv", tmp_path / "out")
    pd.testing.assert_frame_equal(ds.counts(), both)
    assert done.labels["path"].is_unique
    assert len(written_pictures(tmp_path / "out")) == both.loc["all", "all"]
    assert ds.table["dataset"].value_counts().to_dict() == {"fer2013": 180, "synthetic": len(done.labels) - 180}
    assert set(ds.table.loc[ds.table["dataset"] == "fer2013", "subject"]) == {""}
    row = done.labels[done.labels["dataset"] == "fer2013"].iloc[7]
    at = int(row.path.split("-")[1])
    np.testing.assert_array_equal(read_image(tmp_path / "out" / row.path), faces.store.array[at])


def test_names_that_clash_or_cannot_be_written_are_told_apart(tmp_path, photos):
    done = prepare_datasets(["folder"], tmp_path / "out", photos, layout="names", format="png", channels=3)
    assert len(done.labels) == len(PHOTO_PLACES) == len(written_pictures(tmp_path / "out"))
    assert set(done.labels["source"]) == set(PHOTO_PLACES)
    for row in done.labels.itertuples():
        assert row.path.isascii()
        assert " " not in row.path
        wanted = resize(read_image(photos / "folder" / row.source), (64, 64))
        np.testing.assert_array_equal(read_image(tmp_path / "out" / row.path), wanted)


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


def test_haar_finds_drawn_faces(tmp_path, photos):
    done = prepare_datasets(["folder"], tmp_path / "out", photos, layout="names", detector="haar", missing="skip")
    assert len(done.labels) > 0
    assert len(done.labels) + len(done.skipped) == len(PHOTO_PLACES)
