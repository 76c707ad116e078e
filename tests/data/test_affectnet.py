"""AffectNet in its three forms: codes of its own, a validation list that is the test set, and pictures left on disk."""

import itertools

import numpy as np
import pytest
from PIL import Image

from fer_tf.checks import DataError, InputError, MissingDataError
from fer_tf.data import affectnet, check_dataset, load_dataset

CODES = {
    0: "neutral", 1: "happiness", 2: "sadness", 3: "surprise", 4: "fear", 5: "disgust", 6: "anger", 7: "contempt",
}  # fmt: skip
HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
COUNTS = {"train": 10, "test": 2}
SIDE = 32


@pytest.fixture(autouse=True)
def listed(monkeypatch, tmp_path):
    monkeypatch.setenv("FER_TF_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def faces(tiny_faces):
    """Endless different faces as Pillow pictures of SIDE × SIDE."""
    images = itertools.cycle(tiny_faces.store.array[..., 0])
    return (Image.fromarray(image).convert("RGB").resize((SIDE, SIDE)) for image in images)


def load(data_dir, stream=True, **options):
    """The dataset, its pictures left unread unless a test asks for them."""
    return load_dataset("affectnet", data_dir, stream=stream, **options)


def save(faces, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    next(faces).save(path, format="JPEG")


def write_list(path, rows, header=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*([HEADER] if header else []), *rows]) + "\n", encoding="utf-8")


def write_manifest(home, faces, codes=range(11), header=True, lists="Manually_Annotated_file_lists"):
    """Pictures in numbered folders, with box and valence; codes 8..10 have valence -2, as the publisher's."""
    for part, name in (("train", "training.csv"), ("test", "validation.csv")):
        rows = []
        for code, number in itertools.product(codes, range(COUNTS[part])):
            picture = f"{code}/{part}é {number}.{'JPG' if number % 2 else 'jpg'}"
            save(faces, home / "Manually_Annotated_Images" / picture)
            affect = "-2,-2" if code > 7 else f"{code / 10},-0.5"
            rows.append(f"{picture},8,4,20,24,{'1.5;' * 135}2,{code},{affect}")
        write_list(home / lists / name, rows, header)


def write_annotations(home, faces, codes=range(8)):
    """Numbers as 0-dimensional arrays of text, as the publisher's; test ones as floats, as copies have them."""
    for part, name in (("train", "train_set"), ("test", "val_set")):
        for number, code in enumerate(list(codes) * COUNTS[part]):
            annotate(home / name, number, code, str if part == "train" else float)
            save(faces, home / name / "images" / f"{number}.{'JPG' if number % 2 else 'jpg'}")
    for litter in ("Thumbs.db", "._1.jpg", ".DS_Store"):
        (home / "train_set" / "images" / litter).write_text("x")


def annotate(home, number, code, kind=str):
    (home / "annotations").mkdir(parents=True, exist_ok=True)
    for what, value in (("exp", code), ("val", code / 10), ("aro", -0.5)):
        np.save(home / "annotations" / f"{number}_{what}.npy", np.array(kind(value)))
    np.save(home / "annotations" / f"{number}_lnd.npy", np.zeros(136))


def write_folders(home, faces, names, parts=("train", "val")):
    for part in parts:
        for code, name in names.items():
            for number in range(COUNTS["train" if part.lower() == "train" else "test"]):
                save(faces, home / part / str(name) / f"{code} ü{number}.JPG")
    (home / parts[0] / str(names[0]) / "Thumbs.db").write_text("x")
    (home / parts[0] / str(names[0]) / "._a.jpg").write_text("x")


FORMS = {
    "manifest": write_manifest,
    "manifest in the root, without header": lambda home, faces: write_manifest(home, faces, header=False, lists="."),
    "annotations": write_annotations,
    "numbered folders": lambda home, faces: write_folders(home, faces, dict.fromkeys(range(8)) | {c: c for c in CODES}),
    "named folders": lambda home, faces: write_folders(home, faces, CODES, ("Train", "Test")),
}


def code_of(name, form):
    """The code a picture was written with, told by its path alone."""
    parts = name.split("/")
    if form == "annotations":
        return int(parts[-1].split(".")[0]) % 8
    return int(parts[-2]) if form.startswith("manifest") else int(parts[-1].split()[0])


@pytest.mark.parametrize("form", FORMS)
def test_labels_and_splits(form, tmp_path, faces):
    FORMS[form](tmp_path / "affectnet", faces)
    ds = load(tmp_path)
    assert [ds.class_names[label] for label in ds.table["label"]] == [
        CODES[code_of(name, form)] for name in ds.table["name"]
    ]
    assert ds.counts().loc["all"].to_dict() == {"train": 72, "val": 8, "test": 16, "all": 96}
    assert (ds.counts().loc["contempt", ["train", "val", "test"]] == [9, 1, 2]).all()
    is_test = ds.table["name"].str.contains("test|val_set|val/|Test/")
    assert ((ds.table["split"] == "test") == is_test).all()
    assert ds.image_shape == (96, 96, 3) and "not 287,651 and 3,999 or 4,000" in ds.deviation
    assert ds.train.images.shape == (72, 96, 96, 3)
    if form == "numbered folders" or form == "named folders":
        assert ds.table["valence"].isna().all()
    else:
        wanted = [code_of(name, form) / 10 for name in ds.table["name"]]
        np.testing.assert_allclose(ds.table["valence"], wanted, atol=1e-6)
        assert ds.table["valence"].dtype == ds.table["arousal"].dtype == np.float32
        assert (ds.table["arousal"] == -0.5).all()


def test_published_counts_are_no_deviation(tmp_path, faces, monkeypatch):
    monkeypatch.setattr(affectnet, "PUBLISHED", {8: (80, (15, 16)), 7: (70, (14,))})
    write_annotations(tmp_path / "affectnet", faces)
    assert load(tmp_path).deviation == ""
    monkeypatch.setattr(affectnet, "PUBLISHED", {8: (81, (15, 16)), 7: (70, (14,))})
    assert "80 training and 16 validation pictures of 8" in load(tmp_path).deviation


def test_val_is_drawn_by_the_seed(tmp_path, faces):
    write_annotations(tmp_path / "affectnet", faces)
    first, again, other = (load(tmp_path, seed=seed) for seed in (1, 1, 2))
    assert (first.table["split"] == again.table["split"]).all()
    assert first.fingerprint() == again.fingerprint() != other.fingerprint()
    assert (first.table["split"] != other.table["split"]).any()
    assert any("8 pictures cut from train" in note for note in first.notes)


def test_seven_classes_of_eight(tmp_path, faces):
    write_annotations(tmp_path / "affectnet", faces)
    ds = load(tmp_path, classes=7)
    assert "contempt" not in ds.class_names and len(ds.table) == 7 * 12
    assert any("12 images of contempt left out" in note for note in ds.notes)
    assert load(tmp_path, classes=8).class_names[7] == "contempt"


def test_a_copy_without_contempt_has_seven_classes(tmp_path, faces):
    write_folders(tmp_path / "affectnet", faces, {code: code for code in range(7)})
    ds = load(tmp_path)
    assert ds.class_names == ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    assert "not 283,901 and 3,500" in ds.deviation
    with pytest.raises(InputError, match="contempt not in this dataset"):
        load(tmp_path, classes=8)


def test_codes_without_emotion_are_counted_by_reason(tmp_path, faces):
    write_manifest(tmp_path / "affectnet", faces, codes=[*range(8), 8, 9, 9, 10])
    for path in (tmp_path / "affectnet" / "Manually_Annotated_Images" / "10").iterdir():
        path.unlink()  # nobody misses the pictures of rows that are not used
    notes = load(tmp_path).notes
    assert "validation.csv lists 2 pictures again, 0 of them with another label: the first row counts" in notes
    assert "left out of train, labelled with no emotion: 10 none, 10 uncertain, 10 no face" in notes
    assert "left out of test, labelled with no emotion: 2 none, 2 uncertain, 2 no face" in notes


def test_folders_without_emotion_are_left_out(tmp_path, faces):
    write_folders(tmp_path / "affectnet", faces, {**CODES, 8: "none", 9: "Uncertain", 10: "10"})
    ds = load(tmp_path)
    assert len(ds.table) == 96
    assert "left out of train, labelled with no emotion: 10 none, 10 uncertain, 10 no face" in ds.notes


def test_no_valence_is_nan(tmp_path, faces):
    write_annotations(tmp_path / "affectnet", faces)
    home = tmp_path / "affectnet" / "train_set" / "annotations"
    np.save(home / "3_val.npy", np.array("-2"))
    (home / "5_aro.npy").unlink()
    ds = load(tmp_path)
    table = ds.table.set_index("name")
    assert np.isnan(table["valence"]["train_set/images/3.JPG"]) and table["valence"].isna().sum() == 1
    assert np.isnan(table["arousal"]["train_set/images/5.JPG"]) and table["arousal"].isna().sum() == 1
    assert "2 pictures have no valence or arousal (NaN)" in ds.notes


def test_validation_pictures_are_never_trained_on(tmp_path, faces):
    home = tmp_path / "affectnet"
    write_manifest(home, faces, codes=range(8))
    path = home / "Manually_Annotated_file_lists" / "training.csv"
    with open(path, "a", encoding="utf-8") as file:
        file.write("0/testé 0.jpg,8,4,20,24,1,3,0,0\n3/trainé 2.jpg,8,4,20,24,1,6,0,0\n")
    ds = load(tmp_path)
    assert ds.table["name"].is_unique and (ds.table["split"] == "test").sum() == 16
    row = ds.table.set_index("name").loc["Manually_Annotated_Images/0/testé 0.jpg"]
    assert row["split"] == "test" and ds.class_names[row["label"]] == "neutral"
    assert "left out of train: 1 pictures that validation.csv lists too" in ds.notes
    assert "training.csv lists 1 pictures again, 1 of them with another label: the first row counts" in ds.notes


def test_a_copy_with_three_folders_keeps_them_and_says_so(tmp_path, faces):
    write_folders(tmp_path / "affectnet", faces, CODES, ("train", "valid", "test"))
    ds = load(tmp_path)
    assert ds.counts().loc["all"].to_dict() == {"train": 80, "val": 16, "test": 16, "all": 112}
    assert "of its own making" in ds.deviation


def test_a_class_with_one_picture_stays_in_train(tmp_path, faces):
    home = tmp_path / "affectnet"
    write_folders(home, faces, {code: code for code in range(7)})
    save(faces, home / "train" / "7" / "only.jpg")
    ds = load(tmp_path)
    assert ds.counts().loc["contempt"].to_dict() == {"train": 1, "val": 0, "test": 0, "all": 1}
    assert "too few pictures to split, all in train: contempt" in ds.notes


# --- what is missing or broken


def test_nothing_there_says_how_to_get_it(tmp_path):
    for root in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(MissingDataError, match="none of its forms is in .*affectnet.* How to get it: http://moh"):
            load(root)


@pytest.mark.parametrize(
    "write, gone, message",
    [
        (
            write_manifest,
            "Manually_Annotated_file_lists/validation.csv",
            "but no .*validation.csv, the list of the test",
        ),
        (write_annotations, "val_set/images", "but no .*val_set.images, the test pictures"),
    ],
)
def test_one_part_missing(write, gone, message, tmp_path, faces):
    write(tmp_path / "affectnet", faces, codes=range(2))
    (tmp_path / "affectnet" / gone).rename(tmp_path / "away")
    with pytest.raises(MissingDataError, match=message):
        load(tmp_path)


@pytest.mark.parametrize("form", ["manifest", "annotations", "numbered folders"])
def test_missing_and_empty_pictures(form, tmp_path, faces):
    FORMS[form](tmp_path / "affectnet", faces)
    pictures = sorted(path for path in (tmp_path / "affectnet").rglob("*.JPG") if "train" in str(path))
    pictures = [path for path in pictures if not any(part in ("8", "9", "10") for part in path.parts)]
    pictures[0].write_bytes(b"")
    if form != "numbered folders":  # folders list nothing: what is not there is not known of
        pictures[1].unlink()
    count = 1 if form == "numbered folders" else 2
    with pytest.raises(MissingDataError, match=rf"listed, but not there or empty \({count} of 96.*missing='drop'"):
        load(tmp_path)
    ds = load(tmp_path, missing="drop")
    assert len(ds.table) == 96 - count
    assert f"left out of train: {count} pictures listed, but not there or empty" in ds.notes


def test_missing_annotation(tmp_path, faces):
    write_annotations(tmp_path / "affectnet", faces)
    (tmp_path / "affectnet" / "train_set" / "annotations" / "6_exp.npy").unlink()
    with pytest.raises(MissingDataError, match=r"6.jpg is there, but without its _exp.npy \(1 of 96"):
        load(tmp_path)
    ds = load(tmp_path, missing="drop")
    assert "train_set/images/6.jpg" not in set(ds.table["name"]) and len(ds.table) == 95
    assert "left out of train: 1 pictures there, but without its _exp.npy" in ds.notes


@pytest.mark.parametrize(
    "content, message",
    [
        (np.array("11"), "6_exp.npy: unknown expression 11; allowed are 0..7"),
        (np.array(-1), "6_exp.npy: unknown expression -1"),
        (np.array("happy"), "6_exp.npy: is not a NumPy file of one number"),
        (np.zeros(2), r"6_exp.npy: is not a NumPy file of one number \(it holds float64 \(2,\)\)"),
        (np.array({}), "6_exp.npy: is not a NumPy file of one number"),
    ],
)
def test_broken_annotation(content, message, tmp_path, faces):
    write_annotations(tmp_path / "affectnet", faces)
    np.save(tmp_path / "affectnet" / "train_set" / "annotations" / "6_exp.npy", content)
    with pytest.raises(DataError, match=message):
        load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no array", b"\x93NUMPY\x01\x00"])
def test_annotation_that_is_no_array(content, tmp_path, faces):
    write_annotations(tmp_path / "affectnet", faces)
    (tmp_path / "affectnet" / "val_set" / "annotations" / "6_aro.npy").write_bytes(content)
    with pytest.raises(DataError, match="6_aro.npy: is not a NumPy file of one number"):
        load(tmp_path)


@pytest.mark.parametrize(
    "old, new, message",
    [
        (",3,0.3,", ",11,0.3,", r"validation.csv, line 8: unknown expression '11'; allowed are 0..7"),
        (",3,0.3,", ",,0.3,", "validation.csv, line 8: unknown expression ''"),
        ("expression", "label", "neither has a header .* its first line has 9: subDirectory_filePath"),
        ("3/testé 0.jpg", "3/lost.jpg", r"3/lost.jpg is listed, but not there or empty \(1 of 96"),
    ],
)
def test_broken_list(old, new, message, tmp_path, faces):
    write_manifest(tmp_path / "affectnet", faces)
    path = tmp_path / "affectnet" / "Manually_Annotated_file_lists" / "validation.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load(tmp_path)


@pytest.mark.parametrize("name, message", [("11", "allowed are AffectNet's codes 0 neutral"), ("bored", "'bored'")])
def test_unknown_class_folder(name, message, tmp_path, faces):
    write_folders(tmp_path / "affectnet", faces, {**CODES, 8: name})
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_strange_file_among_pictures(tmp_path, faces):
    write_annotations(tmp_path / "affectnet", faces)
    (tmp_path / "affectnet" / "train_set" / "images" / "notes.txt").write_text("x")
    with pytest.raises(DataError, match="notes.txt: not a picture"):
        load(tmp_path)


def test_two_pictures_of_one_annotation(tmp_path, faces):
    write_annotations(tmp_path / "affectnet", faces)
    save(faces, tmp_path / "affectnet" / "train_set" / "images" / "4.png")
    with pytest.raises(DataError, match="4.(png|jpg) has the same annotations; move one away"):
        load(tmp_path)


@pytest.mark.parametrize("option", [{"missing": "ignore"}, {"crop": "box"}, {"image_size": 4}, {"image_channels": 2}])
def test_wrong_option(option, tmp_path):
    with pytest.raises(InputError, match=next(iter(option))):
        load(tmp_path, **option)


def test_lists_saved_on_windows_or_lying_deeper(tmp_path, faces):
    home = tmp_path / "affectnet"
    write_manifest(home, faces, codes=range(8))
    for name in ("training.csv", "validation.csv"):
        path = home / "Manually_Annotated_file_lists" / name
        text = path.read_text(encoding="utf-8").replace("/", "\\").replace("\n", "\r\n") + "\r\n"
        path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    (home / "Manually_Annotated").mkdir()
    (home / "Manually_Annotated_Images").rename(home / "Manually_Annotated" / "Manually_Annotated_Images")
    ds = load(tmp_path)
    assert len(ds.table) == 96
    assert ds.table["name"].str.startswith("Manually_Annotated/Manually_Annotated_Images/0/").sum() == 12


def test_sets_unpacked_into_themselves(tmp_path, faces):
    write_annotations(tmp_path / "affectnet" / "val_set", faces)  # …/val_set/val_set
    (tmp_path / "affectnet" / "val_set" / "train_set").rename(tmp_path / "affectnet" / "train_set")
    assert len(load(tmp_path).table) == 96


# --- reading


def test_annotations_are_read_once_and_again_when_one_changes(tmp_path, faces, monkeypatch):
    from fer_tf.data import affectnet_forms

    write_annotations(tmp_path / "affectnet", faces)
    first = load(tmp_path)
    reads, read = [], affectnet_forms._read_number
    monkeypatch.setattr(affectnet_forms, "_read_number", lambda path: reads.append(path) or read(path))
    again = load(tmp_path)
    assert reads == [] and again.table.equals(first.table) and again.source == first.source
    annotate(tmp_path / "affectnet" / "val_set", 0, 4)
    changed = load(tmp_path)
    assert len(reads) == 3 * 16 and changed.source != first.source
    assert (
        changed.class_names[changed.test.labels[0]] == "fear" and first.class_names[first.test.labels[0]] == "neutral"
    )


@pytest.mark.parametrize("form", ["manifest", "annotations"])
@pytest.mark.parametrize("options", [{}, {"size": (24, 40), "channels": 1}, {"classes": 6}])
def test_streamed_pictures_are_those_held_in_memory(form, options, tmp_path, faces):
    FORMS[form](tmp_path / "affectnet", faces)
    shape = {"image_size": SIDE, "image_channels": 3}
    streamed, held = (load(tmp_path, stream=stream, **shape, **options) for stream in (True, False))
    assert streamed.train.streamed and not held.train.streamed
    positions = np.array([5, 0, 17])
    pairs = [(streamed.train, held.train), (streamed.training_data().val, held.training_data().val)]
    for left, right in pairs:
        assert left.fetch(positions % len(left)).shape[1:] == streamed.image_shape
        # held pictures are cut and read at image_size first, then resized again
        np.testing.assert_allclose(
            left.fetch(positions % len(left)).astype(int).mean(axis=(1, 2)),
            right.fetch(positions % len(right)).astype(int).mean(axis=(1, 2)),
            atol=0 if "size" not in options else 2,
        )
        if "size" not in options:
            assert (left.images == right.images).all()
    assert len(streamed.test.paths) == len(streamed.test)
    assert streamed.test.fetch(np.array([], int)).shape == (0, *streamed.image_shape)


def test_large_sets_are_streamed_by_themselves(tmp_path, faces, monkeypatch):
    write_manifest(tmp_path / "affectnet", faces)
    assert not load(tmp_path, stream=None).train.streamed
    monkeypatch.setattr(affectnet, "MEMORY_LIMIT", 96 * 96 * 96 * 3 - 1)
    assert load(tmp_path, stream=None).train.streamed


def _boxed(tmp_path, boxes, size=(60, 40)):
    """A manifest whose first training pictures are white in `boxes` (left, top, right, bottom), on black."""
    home = tmp_path / "affectnet"
    rows = [f"0/{row}.png,{box},1;2,{row % 2},0,0" for row, box in enumerate(boxes)]
    for row, box in enumerate(boxes):
        left, top, width, height = (int(value or 0) for value in box.split(","))
        pixels = np.zeros((size[1], size[0], 3), np.uint8)
        pixels[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = 255
        (home / "Manually_Annotated_Images" / "0").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(home / "Manually_Annotated_Images" / "0" / f"{row}.png")
    write_list(home / "training.csv", rows[:-2])
    write_list(home / "validation.csv", rows[-2:])
    return home


@pytest.mark.parametrize("stream", [True, False])
def test_pictures_are_cut_to_the_face_box(stream, tmp_path):
    inside = ["10,5,30,20", "0,0,60,40", "-6,-6,30,30", "45,25,20,20"]  # the last two stick out
    _boxed(tmp_path, inside * 6 + ["8,8,8,8", "9,9,9,9"])
    ds = load(tmp_path, stream=stream, image_size=16)
    assert (ds.store.fetch(np.arange(26)) == 255).all()
    assert (ds.store.converted((8, 12), 1).fetch(np.arange(26)) == 255).all()
    whole = load(tmp_path, stream=stream, image_size=16, crop=False)
    assert (whole.store.fetch(np.arange(4)).mean(axis=(1, 2, 3)) < [128, 256, 128, 128]).all()
    assert ds.source != whole.source


def test_a_box_is_left_top_width_height():
    pixels = np.arange(20 * 30 * 3, dtype=np.uint16).reshape(20, 30, 3)
    assert (affectnet.cut_box(pixels, (4, 2, 20, 10), "x.jpg") == pixels[2:12, 4:24]).all()
    assert (affectnet.cut_box(pixels, (-3, 12, 20, 10), "x.jpg") == pixels[12:, :17]).all()


def test_pictures_without_a_box_are_used_whole_and_counted(tmp_path):
    _boxed(tmp_path, ["10,5,30,20"] * 22 + ["-1,-1,-1,-1", ",,,", "8,8,8,8", "9,9,9,9"])
    ds = load(tmp_path, stream=True, image_size=16)
    assert "2 pictures have no face box and are used whole" in ds.notes
    assert ds.store.fetch(np.array([22, 23])).max() == 0


def test_a_box_that_misses_the_picture_is_refused(tmp_path):
    home = _boxed(tmp_path, ["10,5,30,20"] * 26)
    Image.new("RGB", (20, 14)).save(home / "Manually_Annotated_Images" / "0" / "3.png")  # a resized copy
    ds = load(tmp_path, stream=True, image_size=16)
    with pytest.raises(DataError, match=r"3.png: its face box \(x 10, y 5, 30×20\) is not on .* 20×14; .*crop=False"):
        ds.store.fetch(np.arange(5))


# --- occlusion list


def test_occluded_test_pictures(tmp_path, faces):
    home = tmp_path / "affectnet"
    write_manifest(home, faces, codes=range(8))
    (home / "occlusion.txt").write_text("val/3/testé 1/\nval/7/gone/\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"'testé 1' names several test pictures \(7 such names\)"):
        load(tmp_path, occluded="occlusion.txt")
    for code in range(8):
        (home / "Manually_Annotated_Images" / str(code) / "testé 1.JPG").rename(
            home / "Manually_Annotated_Images" / str(code) / f"test{code}.JPG"
        )
    path = home / "Manually_Annotated_file_lists" / "validation.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(line.replace("testé 1.", f"test{line[0]}.") for line in lines), encoding="utf-8")
    (home / "occlusion.txt").write_text("val/3/test3/\nval/7/gone/\n0/trainé 0.jpg\n", encoding="utf-8")
    ds = load(tmp_path, occluded="occlusion.txt")
    assert list(ds.table["name"][ds.table["occluded"]]) == ["Manually_Annotated_Images/3/test3.JPG"]
    assert "occluded: 1 of the 3 names in occlusion.txt are test pictures" in ds.notes
    assert "occluded" not in load(tmp_path).table
    csv = tmp_path / "list.csv"
    csv.write_text("name,kind\ntest3.JPG,mask\ntest5.JPG,hand\n")
    assert load(tmp_path, occluded=str(csv)).table["occluded"].sum() == 2


@pytest.mark.parametrize("text, message", [(None, "there is no .*list.txt"), ("val/0/bc9a/\n", "none of its 1 names")])
def test_occluded_list_that_does_not_fit(text, message, tmp_path, faces):
    write_annotations(tmp_path / "affectnet", faces)
    if text:
        (tmp_path / "list.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        load(tmp_path, occluded=tmp_path / "list.txt")


def test_check_tells_form_and_counts(tmp_path, faces):
    write_manifest(tmp_path / "affectnet", faces)
    lines = check_dataset("affectnet", tmp_path)
    assert "(manifest): train 80, test 16 pictures of 8 emotions" in lines[0]
    assert any("10 uncertain" in line for line in lines) and "not 287,651" in lines[-1]
