"""Preparing datasets: what is written loads again, nothing is done twice, nothing is lost without being counted."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_tf.checks import DataError, InputError
from fer_tf.data import load_dataset
from fer_tf.data.images import read_image, resize
from fer_tf.data.prepare import prepare_datasets, sources
from fer_tf.data.prepare import target as target_module
from fer_tf.emotions import EMOTIONS
from tests.fixtures import BROKEN, assert_refused, run_cli

COUNT = 120
SYNTHETIC = {"options": [f"count={COUNT}"], "size": 32}
# Document [4]'s folders, written out here a second time.
NUMBERS = {"1": "surprise", "2": "fear", "3": "disgust", "4": "happiness", "5": "sadness", "6": "anger"}


@pytest.fixture(scope="module")
def source():
    """The dataset that most tests prepare."""
    return load_dataset("synthetic", count=COUNT)


@pytest.fixture
def photos(tmp_path, tiny_faces):
    """A data_dir with a `folder` of colour photographs, a face in each, of names that clash and are hard to write."""
    home = tmp_path / "röh data" / "folder"
    for code, (place, image) in enumerate(zip(PLACES, tiny_faces.store.array, strict=False)):
        scene = np.full((90, 120, 3), (200, 30, 60 + code), np.uint8)
        scene[20:68, 30:78] = image
        (home / place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene).save(home / place)
    return home.parent


PLACES = [f"{split}/{emotion}/{place}" for split in ("train", "val", "test") for emotion in ("happy", "fear", "neutral")
          for place in ("a b/1.png", "ä/1.png", "1.png", "照片.png")]  # fmt: skip


def pictures(out):
    return sorted(path for path in out.glob("t*/*/*")) + sorted(out.glob("val/*/*"))


def test_numbered_folders_are_document_4s_and_hold_the_datasets_pictures(tmp_path, source):
    out = tmp_path / "new" / "öut put"
    done = prepare_datasets(["synthetic"], out, format="png", **SYNTHETIC | {"size": 48})
    assert {path.parent.name for path in pictures(out)} == set(NUMBERS)
    assert len(pictures(out)) == len(done.labels) == done.new
    for row in done.labels.itertuples():
        split, number, name = row.path.split("/")
        at = int(name.split("-")[1])
        assert (split, NUMBERS[number]) == (source.table["split"][at], source.class_names[source.table["label"][at]])
        assert (row.split, row.label, row.source) == (split, NUMBERS[number], source.table["name"][at])
        np.testing.assert_array_equal(read_image(out / row.path), source.store.array[at])
    assert "48" in done.how_to_load and "'" in done.how_to_load  # the folder's name needs quotes


def test_what_is_left_out_is_counted_and_listed(tmp_path, source):
    done = prepare_datasets(["synthetic"], tmp_path / "out", **SYNTHETIC)
    emotions = source.table["label"].map(source.class_names.__getitem__)
    outside = emotions.isin(["neutral", "contempt"])
    assert outside.any() and len(done.labels) == (~outside).sum()
    counts = done.summary.set_index("class")
    assert list(counts.index) == [*EMOTIONS, ""] and set(counts["dataset"]) == {"synthetic", "all"}
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


def test_rows_that_the_protocol_does_not_use_are_told(tmp_path, source, monkeypatch):
    part = source.limited(10)
    monkeypatch.setattr(sources, "load_dataset", lambda *given, **options: part)
    done = prepare_datasets(["synthetic"], tmp_path / "out", layout="names", **SYNTHETIC)
    assert len(done.labels) == (part.table["split"] != "").sum() == 30
    assert done.summary.iloc[-1]["not used by the protocol"] == COUNT - 30


@pytest.mark.parametrize("layout", ["names", "numbered"])
@pytest.mark.parametrize("name", ["folder", "csv"])
def test_round_trip(tmp_path, source, layout, name):
    done = prepare_datasets(["synthetic"], tmp_path / "out", layout=layout, format="png", **SYNTHETIC | {"size": 48})
    ds = load_dataset(name, tmp_path / "out")
    classes = EMOTIONS[: 6 if layout == "numbered" else 8]
    pd.testing.assert_frame_equal(ds.counts(), source.with_classes(classes).counts())
    rows = [int(name.split("-")[1]) for name in ds.table["name"]]
    assert len(rows) == len(done.labels) and ds.class_names == classes
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
    with pytest.raises(DataError, match="was stopped before it was done; give the same command again"):
        load_dataset("folder", tmp_path)
    path.write_text(text[:40])
    with pytest.raises(DataError, match=r"prepare.json: is damaged"):
        load_dataset("folder", tmp_path)
    path.unlink()
    with pytest.raises(DataError, match="1: unknown emotion '1'"):
        load_dataset("folder", tmp_path)


def test_two_datasets_make_one_aggregate(tmp_path, fer2013_root, source):
    done = prepare_datasets(
        ["synthetic", "fer2013"], tmp_path / "out", fer2013_root, options=[f"synthetic.count={COUNT}", "classes=6"],
        protocol=["fer2013=pooled"], layout="names", size=48, format="png",
    )  # fmt: skip
    faces = load_dataset("fer2013", fer2013_root, "pooled", classes=6)
    both = source.with_classes(EMOTIONS[:6]).counts() + faces.counts()
    ds = load_dataset("csv", tmp_path / "out")
    pd.testing.assert_frame_equal(ds.counts(), both)
    assert done.labels["path"].is_unique and len(pictures(tmp_path / "out")) == both.loc["all", "all"]
    assert ds.table["dataset"].value_counts().to_dict() == {"fer2013": 180, "synthetic": len(done.labels) - 180}
    assert set(ds.table.loc[ds.table["dataset"] == "fer2013", "subject"]) == {""}
    row = done.labels[done.labels["dataset"] == "fer2013"].iloc[7]
    at = int(row.path.split("-")[1])
    np.testing.assert_array_equal(read_image(tmp_path / "out" / row.path), faces.store.array[at])


def test_names_that_clash_or_cannot_be_written_are_told_apart(tmp_path, photos):
    done = prepare_datasets(["folder"], tmp_path / "out", photos, layout="names", format="png", channels=3)
    assert len(done.labels) == len(PLACES) == len(pictures(tmp_path / "out"))
    assert set(done.labels["source"]) == set(PLACES)
    for row in done.labels.itertuples():
        assert row.path.isascii() and " " not in row.path
        wanted = resize(read_image(photos / "folder" / row.source), (64, 64))
        np.testing.assert_array_equal(read_image(tmp_path / "out" / row.path), wanted)


@pytest.mark.parametrize("channels, wanted", [(1, 1), (3, 3), (None, 1)])
def test_channels(tmp_path, photos, channels, wanted):
    done = prepare_datasets(["folder"], tmp_path / "out", photos, layout="names", channels=channels, size=40)
    sizes = {read_image(path).shape for path in pictures(tmp_path / "out")}
    assert sizes == {(40, 40, wanted)} and f"image_channels={wanted}" in done.how_to_load


def test_gray_is_repeated_and_jpeg_is_of_quality_95(tmp_path, source):
    done = prepare_datasets(["synthetic"], tmp_path / "out", channels=3, **SYNTHETIC | {"size": 48})
    for row in done.labels.itertuples():
        with Image.open(tmp_path / "out" / row.path) as picture:
            assert picture.format == "JPEG" and picture.quantization[0][:3] == [2, 1, 1]  # libjpeg's table at 95
            pixels = np.asarray(picture)
        assert pixels.shape == (48, 48, 3) and (pixels == pixels[..., :1]).all()
        assert np.abs(pixels[..., :1].astype(int) - source.store.array[int(row.path.split("-")[1])]).mean() < 4


# --- going on ---


@pytest.fixture
def count_writes(monkeypatch):
    """A list that grows by the path of each picture that is written."""
    written, add = [], target_module.Target.add
    monkeypatch.setattr(
        target_module.Target, "add", lambda self, path, image: (written.append(path), add(self, path, image))
    )
    return written


def contents(out):
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()
            and path.name != "journal.jsonl"}  # fmt: skip


def test_only_what_is_missing_is_made_again(tmp_path, count_writes):
    out = tmp_path / "out"
    done = prepare_datasets(["synthetic"], out, **SYNTHETIC)
    assert sorted(count_writes) == sorted(done.labels["path"])
    before, lost = contents(out), list(done.labels["path"][[0, 17, 40]])
    for path in lost[:2]:
        (out / path).unlink()
    (out / lost[2]).write_bytes(b"")  # what a full disk may leave
    (out / lost[0]).with_name(".left.jpg.part").write_bytes(b"half")
    count_writes.clear()
    again = prepare_datasets(["synthetic"], out, **SYNTHETIC)
    assert sorted(count_writes) == sorted(lost) and again.new == 3
    assert contents(out) == before and not list(out.rglob("*.part"))
    pd.testing.assert_frame_equal(again.summary, done.summary)


def test_a_run_that_is_killed_goes_on(tmp_path, monkeypatch, count_writes):
    out, whole = tmp_path / "out", tmp_path / "whole"
    prepare_datasets(["synthetic"], whole, **SYNTHETIC)
    encoded, calls = target_module.encoded, []

    def killed(image, suffix):
        calls.append(1)
        if len(calls) > 30:
            raise KeyboardInterrupt
        return encoded(image, suffix)

    monkeypatch.setattr(target_module, "encoded", killed)
    with pytest.raises(KeyboardInterrupt):
        prepare_datasets(["synthetic"], out, workers=1, **SYNTHETIC)
    monkeypatch.setattr(target_module, "encoded", encoded)
    assert len(pictures(out)) == 30 and not (out / "labels.csv").exists()
    assert json.loads((out / "prepare.json").read_text())["complete"] is False
    journal = out / "record" / "journal.jsonl"
    journal.write_text(journal.read_text()[:-5])  # the last line, cut off
    count_writes.clear()
    done = prepare_datasets(["synthetic"], out, **SYNTHETIC)
    assert done.new == len(count_writes) == len(done.labels) - 30
    assert contents(out) == contents(whole)


@pytest.mark.parametrize(
    "change, told",
    [
        ({"size": 40}, r"size \(32 there, 40 now\)"),
        ({"format": "png"}, r"format \(jpg there, png now\)"),
        ({"layout": "names"}, r"layout \(numbered there, names now\)"),
        ({"seed": 1}, "datasets: synthetic: its files, labels or splits have changed; seed"),
        ({"options": ["count=130"]}, r"count \(120 there, 130 now\)"),
    ],
)
def test_other_settings_are_refused_unless_forced(tmp_path, change, told):
    out = tmp_path / "out"
    prepare_datasets(["synthetic"], out, **SYNTHETIC)
    before = contents(out)
    with pytest.raises(InputError, match=f"was prepared with other settings: .*{told}.*--force"):
        prepare_datasets(["synthetic"], out, **SYNTHETIC | change)
    assert contents(out) == before
    done = prepare_datasets(["synthetic"], out, force=True, **SYNTHETIC | change)
    assert len(pictures(out)) == len(done.labels) == done.new


def test_strange_files_are_never_taken_away(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="is not empty and not of `data prepare`"):
        prepare_datasets(["synthetic"], out, force=True, **SYNTHETIC)
    (out / "mine.txt").unlink()
    prepare_datasets(["synthetic"], out, **SYNTHETIC)
    mine = out / "train" / "1" / "mine.jpg"
    mine.write_bytes(b"x")
    for force in (False, True):
        with pytest.raises(DataError, match=r"mine.jpg: was not written by `data prepare` \(1 such files\)"):
            prepare_datasets(["synthetic"], out, force=force, **SYNTHETIC)
    assert mine.read_bytes() == b"x"


# --- what is refused, what is broken ---


@pytest.mark.parametrize("kind", ["empty", "half a jpeg"])
def test_a_picture_that_cannot_be_read_is_counted(tmp_path, photos, kind):
    bad = photos / "folder" / "train" / "happy" / "bad.jpg"
    BROKEN[kind](bad)
    for detector in ("none", "haar"):
        out = tmp_path / detector
        done = prepare_datasets(["folder"], out, photos, layout="names", detector=detector)
        assert len(done.labels) == len(PLACES)
        assert done.summary.iloc[-1]["cannot be read"] == 1
        told = done.skipped[["source", "reason", "detail"]].iloc[0]
        assert told["source"] == "train/happy/bad.jpg" and "bad.jpg: is " in told["detail"]
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(bad)
    with pytest.raises(InputError, match="its files, labels or splits have changed"):
        prepare_datasets(["folder"], out, photos, layout="names", detector="haar")


def test_if_nothing_can_be_written_it_says_so(tmp_path):
    home = tmp_path / "raw" / "folder"
    for split in ("train", "val", "test"):
        (home / split / "happy").mkdir(parents=True)
        (home / split / "happy" / "x.jpg").write_text("no picture")
    with pytest.raises(DataError, match="none of 3 pictures could be written; record/skipped.csv tells why"):
        prepare_datasets(["folder"], tmp_path / "out", home.parent)
    assert (pd.read_csv(tmp_path / "out/record/skipped.csv")["reason"] == "cannot be read").all()


def test_raw_data_is_never_written_to(tmp_path, photos, fer2013_root):
    before = contents(photos)
    for out in (photos / "folder", photos / "folder" / "new", photos / "fer2013" / "new"):
        with pytest.raises(InputError, match="lies in .*the raw data of"):
            prepare_datasets(["folder"], out, photos)
    prepare_datasets(["folder"], tmp_path / "out", photos)
    assert contents(photos) == before
    (tmp_path / "link").symlink_to(photos / "folder")
    with pytest.raises(InputError, match="lies in"):
        prepare_datasets(["folder"], tmp_path / "link" / "new", photos)
    prepare_datasets(["fer2013"], tmp_path / "data" / "folder", fer2013_root, size=48)  # to be loaded as `folder`
    with pytest.raises(InputError, match="holds pictures of folder"):
        prepare_datasets(["folder"], tmp_path / "out", tmp_path / "out", force=True)
    assert pictures(tmp_path / "out")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"size": 4}, "size: must be a number >= 8"),
        ({"channels": 2}, "channels: allowed are None, 1, 3"),
        ({"format": "gif"}, "format: allowed are jpg, png"),
        ({"layout": "codes"}, "layout: allowed are numbered, names"),
        ({"detector": "eyes"}, "detector: allowed are mtcnn"),
        ({"margin": 0.2}, "margin, missing: mean nothing with detector 'none'"),
        ({"missing": "skip"}, "margin, missing: mean nothing"),
        ({"detector": "haar", "missing": "error"}, "missing: allowed are whole, skip"),
        ({"workers": 0}, "workers: must be a number >= 1"),
        ({"protocol": "official"}, "protocol of synthetic: allowed are identity"),
        ({"protocol": "ckplus=random"}, "protocol: allowed are synthetic"),
        ({"options": ["camera=left"]}, "options of synthetic: unknown 'camera'"),
        ({"options": ["jaffe.fold=1"]}, "dataset of 'jaffe.fold=1': allowed are synthetic"),
        ({"options": ["size=3"]}, r"options: size is a setting of `data prepare` itself \(--size\)"),
        ({"options": ["synthetic.channels=3"]}, "channels is a setting"),
        ({"names": ["synthetic", "synthetic"]}, "datasets: name one or more, each once"),
        ({"names": ["fer"]}, "dataset: allowed are synthetic, fer2013"),
    ],
)
def test_wrong_arguments(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        prepare_datasets(**{"names": ["synthetic"], "out": tmp_path / "out", **arguments})
    assert not (tmp_path / "out").exists()


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
        face = np.repeat(tiny_faces.store.array[PLACES.index(row.source)], 3, axis=2)
        np.testing.assert_array_equal(read_image(tmp_path / "out" / row.path), face)


@pytest.mark.parametrize("missing", ["whole", "skip"])
def test_where_no_face_is_found(tmp_path, photos, crops, missing, count_writes):
    green = np.zeros((50, 80, 3), np.uint8)
    green[..., 1] = 200
    Image.fromarray(green).save(photos / "folder" / "test" / "fear" / "green.png")
    settings = {"layout": "names", "detector": "haar", "missing": missing, "channels": 3, "format": "png"}
    done = prepare_datasets(["folder"], tmp_path / "out", photos, **settings)
    last = done.summary.iloc[-1]
    assert len(done.labels) == last["written"] == len(PLACES) + (missing == "whole")
    if missing == "whole":
        assert last["whole picture"] == 1 and last["no face found"] == 0
        (row,) = done.labels[~done.labels["detected"]].itertuples()
        np.testing.assert_array_equal(read_image(tmp_path / "out" / row.path), resize(green, (64, 64)))
    else:
        assert last["whole picture"] == 0 and last["no face found"] == 1
        assert list(done.skipped["source"]) == ["test/fear/green.png"]
    crops.clear()
    count_writes.clear()
    again = prepare_datasets(["folder"], tmp_path / "out", photos, **settings)
    assert not crops and not count_writes, "faces are looked for once"
    pd.testing.assert_frame_equal(again.labels, done.labels)


def test_faces_in_sets_held_in_memory(tmp_path, source, crops, monkeypatch):
    done = prepare_datasets(["synthetic"], tmp_path / "out", detector="haar", margin=0.1, **SYNTHETIC)
    assert len(crops) == len(done.labels) and {image.shape for image in crops} == {(48, 48, 1)}
    assert any("faces are looked for in pictures of 48×48" in note for note in done.notes)


def test_haar_finds_drawn_faces(tmp_path, photos):
    done = prepare_datasets(["folder"], tmp_path / "out", photos, layout="names", detector="haar", missing="skip")
    assert len(done.labels) > 0 and len(done.labels) + len(done.skipped) == len(PLACES)


# --- the command ---


def test_command(capsys, tmp_path, photos):
    bad = BROKEN["text"](photos / "folder" / "train" / "happy" / "bad.jpg")
    command = ["data", "prepare", "folder", "--data-dir", photos, "--out", tmp_path / "out", "--size", 32]
    answer = run_cli(capsys, *command, "--format", "png", "--layout", "names", "--channels", 3)
    assert answer.code == 1 and f"not read: {bad}: is not a picture" in answer.err
    assert "cannot be read" in answer.out and f"{len(PLACES)} pictures in {tmp_path / 'out'}" in answer.out
    assert f"load them with: --dataset folder --data-dir {tmp_path / 'out'} --option image_size=32" in answer.out
    assert_refused(run_cli(capsys, *command), "out", "other settings", "--force")
    bad.unlink()
    assert run_cli(capsys, *command, "--force").code == 0
    answer = run_cli(capsys, "data", "counts", "folder", "--data-dir", tmp_path / "out")
    assert answer.code == 0 and "happiness" in answer.out and "neutral" not in answer.out
