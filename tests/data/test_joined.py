"""Several datasets as one: classes by name, each with its own split, and no picture on both sides of a split."""

import numpy as np
import pandas as pd
import pytest
from fixtures import run_cli
from joined_copies import write_disfa, write_noise, write_small_sets
from PIL import Image

from fer_tf.common.checks import InputError, MissingDataError
from fer_tf.data import check_dataset, dataset_spec, join_datasets, joined, load_dataset, parse_options, stores
from fer_tf.data.doctor.examine import dataset_hashes
from fer_tf.data.stores import ArrayImages, JoinedImages
from fer_tf.emotions import EMOTIONS

FIVE = "ferplus+rafdb+ckplus+tfeid+disfa"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Four of document [4]'s five datasets; FER+ is in `five`."""
    home = write_small_sets(tmp_path_factory.mktemp("my dätä"))
    write_disfa(home)
    return home


@pytest.fixture
def five(home, ferplus_root):
    for name in ("rafdb", "ckplus", "tfeid", "disfa"):
        (ferplus_root / name).symlink_to(home / name)
    return ferplus_root


def by_name(ds):
    """The class of each picture, by its name."""
    return dict(zip(ds.table["name"], np.array(ds.class_names)[ds.table["label"]], strict=True))


def test_labels_pixels_and_splits_are_those_of_each_source(home):
    ds = load_dataset("rafdb+ckplus+tfeid", home)
    assert ds.name == "rafdb+ckplus+tfeid"
    assert ds.protocol == "own"
    assert ds.class_names == EMOTIONS[:6]  # CK+48 has no neutral, RAF-DB no contempt
    assert ds.image_shape == (48, 48, 1)  # the smallest size, and gray as two of them are
    assert list(ds.table["source"].unique()) == ["rafdb", "ckplus", "tfeid"]
    assert ds.table["name"].is_unique
    for name, protocol in (("rafdb", "official"), ("ckplus", "subject"), ("tfeid", "subject")):
        alone = load_dataset(name, home, protocol, size=48, channels=1).with_classes(EMOTIONS[:6])
        rows = np.flatnonzero(ds.table[f"from {name}"])
        part = ds.table.iloc[rows]
        assert (part["source"] == name).all()
        assert list(part["name"]) == [f"{name}/{text}" for text in alone.table["name"]]
        assert list(part["split"]) == list(alone.table["split"])
        assert list(part["label"]) == list(alone.table["label"])
        np.testing.assert_array_equal(ds.store.array[rows], alone.store.array)
    assert ds.notes[0].startswith("joined of 3 sources, each with its own split (train/val/test): rafdb official ")


def test_pictures_are_read_at_the_wanted_size_and_not_resized_twice(home):
    ds = load_dataset("rafdb+tfeid", home, size=60)
    alone = load_dataset("tfeid", home, image_size=60).with_classes(ds.class_names)
    np.testing.assert_array_equal(ds.store.array[ds.table["from tfeid"].to_numpy()], alone.store.array)


def test_people_of_two_sources_are_not_one_person(home):
    people = load_dataset("ckplus+tfeid", home).table["subject"]
    assert {"ckplus S000", "tfeid f00"} <= set(people)


def test_document_4s_five_sets_at_its_size(five):
    ds = load_dataset(FIVE, five, "six", **{"disfa.stride": 1})
    assert ds.class_names == EMOTIONS[:6]
    assert ds.image_shape == (64, 64, 3)
    assert "disfa has no anger" in ds.notes
    counts = ds.table.groupby("source", sort=False)["label"].nunique().to_dict()
    assert counts == {"ferplus": 6, "rafdb": 6, "ckplus": 6, "tfeid": 6, "disfa": 5}
    assert (ds.table.groupby("source")["split"].nunique() == 3).all()
    assert "not on disk" not in ds.deviation


def test_classes_may_be_chosen_and_a_source_may_lack_some(home):
    ds = load_dataset("ckplus+rafdb", home, classes=("neutral", "contempt", "fear"))
    assert ds.class_names == ("fear", "neutral", "contempt")
    assert set(by_name(ds).values()) == {"fear", "neutral", "contempt"}
    assert {"ckplus has no neutral", "rafdb has no contempt"} <= set(ds.notes)
    with pytest.raises(InputError, match="classes: rafdb has none of contempt"):
        load_dataset("ckplus+rafdb", home, classes=("contempt",))
    with pytest.raises(InputError, match="classes: bored not in this dataset"):
        load_dataset("ckplus+rafdb", home, classes=("bored", "fear"))


def test_sets_that_are_not_on_disk_are_named(home, tmp_path):
    ds = load_dataset(FIVE, home, **{"disfa.stride": 1})
    assert ds.notes[0] == "without ferplus, which is not on disk"
    assert ds.deviation.startswith("without ferplus, which is not on disk")
    assert set(ds.table["source"]) == {"rafdb", "ckplus", "tfeid", "disfa"}
    assert ds.name == FIVE
    neutral = load_dataset(FIVE, home)  # of every tenth frame, which are all neutral; CK+48 has no neutral
    assert "disfa has no picture of disgust, fear, happiness, sadness, surprise: it adds nothing" in neutral.notes
    assert "disfa" not in set(neutral.table["source"])
    (tmp_path / "rafdb").symlink_to(home / "rafdb")
    with pytest.raises(MissingDataError, match=r"only rafdb is in .*needs two.*`fer-tf data check ferplus`"):
        load_dataset("rafdb+ferplus", tmp_path)
    with pytest.raises(MissingDataError, match="none of them is in"):
        load_dataset("tfeid+ferplus", tmp_path)
    lines = check_dataset("rafdb+ckplus+ferg", home)
    assert lines[0].startswith("rafdb: ")
    assert lines[-1] == "ferg: not on disk, left out"


def test_a_damaged_set_is_not_a_missing_one(home, tmp_path):
    (tmp_path / "tfeid").symlink_to(home / "tfeid")
    (tmp_path / "rafdb" / "EmoLabel").mkdir(parents=True)
    (tmp_path / "rafdb" / "EmoLabel" / "list_patition_label.txt").write_text("train_00001.jpg 1\n")
    with pytest.raises(MissingDataError, match="train_00001_aligned.jpg is missing"):
        load_dataset("tfeid+rafdb", tmp_path)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ckplus+mine", {}, "dataset: allowed are .*received 'mine'"),
        ("ckplus+", {}, "dataset: allowed are .*received ''"),
        ("ckplus+ckplus", {}, "dataset: a joined dataset is two or more datasets, each once"),
        ("ckplus+rafdb", {"fold": 3}, r"unknown 'fold'; allowed are ckplus.crop, ckplus.fold"),
        ("ckplus+rafdb", {"ckplus.fold": 10}, "fold"),
        ("ckplus+rafdb", {"ckplus.image_size": "big"}, "image_size"),
    ],
)
def test_wrong_names_and_options(home, name, options, message):
    with pytest.raises(InputError, match=message):
        load_dataset(name, home, **options)


def test_options_of_one_part(home):
    options = parse_options("ckplus+rafdb", "ckplus.fold=3 classes=fear,anger size=32")
    assert options == {"ckplus.fold": 3, "classes": ("fear", "anger"), "size": 32}
    ds = load_dataset("ckplus+rafdb", home, **options)
    assert ds.image_shape == (32, 32, 1)
    alone = load_dataset("ckplus", home, fold=3, classes=("anger", "fear"))
    assert list(ds.table.loc[ds.table["from ckplus"], "split"]) == list(alone.table["split"])
    with pytest.raises(InputError, match="unknown 'rafdb.fold'"):
        parse_options("ckplus+rafdb", "rafdb.fold=3")
    spec = dataset_spec("ckplus+synthetic")
    assert spec.options["ckplus.fold"] == 0
    assert not spec.is_drawn
    assert dataset_spec("ckplus+folder").own_classes


def test_a_share_of_the_training_images_of_each_source(home):
    whole, half = (load_dataset("rafdb+tfeid", home, train_share=share) for share in (None, 0.5))
    for name in ("rafdb", "tfeid"):
        counts = [(ds.table["from " + name] & (ds.table["split"] == "train")).sum() for ds in (whole, half)]
        assert counts[1] == pytest.approx(counts[0] / 2, abs=1)
    assert half.test_fingerprint() == whole.test_fingerprint()


def test_fingerprints_depend_on_every_part(home):
    names = ("rafdb+tfeid", "tfeid+rafdb", "rafdb+tfeid+ckplus")
    prints = {load_dataset(name, home).fingerprint() for name in names}
    assert len(prints) == 3
    assert load_dataset(names[0], home).fingerprint() in prints
    assert load_dataset(names[0], home, seed=1).fingerprint() not in prints  # val is drawn by the seed


# --- the same pictures in two sets ---


def assert_no_picture_on_both_sides(ds):
    """No picture of one source is in train while another source has it in val or test, nor in val against test."""
    rows = pd.DataFrame({"hash": dataset_hashes(ds), "split": ds.table["split"], "source": ds.table["source"]})
    for earlier, later in (("train", "val"), ("train", "test"), ("val", "test")):
        pairs = rows[rows["split"] == earlier].merge(rows[rows["split"] == later], on="hash")
        assert not (pairs["source_x"] != pairs["source_y"]).any()


def doubled(ferplus_root):
    """Changes FER2013's csv: training row 3 and PublicTest row 143 get the pixels of a PrivateTest row each."""
    path = ferplus_root / "fer2013" / "fer2013.csv"
    lines = path.read_text().splitlines()
    (ferplus_root / "fer2013").unlink()  # a link to what other tests read
    path.parent.mkdir()
    for row, twin in ((3, 200), (143, 201), (10, 150)):
        emotion, _, usage = lines[row + 1].split(",")
        lines[row + 1] = ",".join([emotion, lines[twin + 1].split(",")[1], usage])
    path.write_text("\n".join(lines) + "\n")


def test_ferplus_and_fer2013_have_every_picture_on_one_side(ferplus_root, own_cache):
    doubled(ferplus_root)
    ds = load_dataset("ferplus+fer2013", ferplus_root)
    assert_no_picture_on_both_sides(ds)
    assert any("pictures are in ferplus and in fer2013: they count twice, with two labels" in note for note in ds.notes)
    assert (
        "4 of train, 2 of val are left out: they are val or test pictures of another source, pixel for pixel"
        in ds.notes
    )
    unused = ds.table.loc[ds.table["split"] == "", "name"]
    assert sorted(unused) == sorted(f"{name}/row{row}" for name in ("ferplus", "fer2013") for row in (3, 10, 143))
    tested = ds.table[ds.table["split"] == "test"]["name"]
    assert {"fer2013/row200", "ferplus/row200"} <= set(tested)  # no test image is left out


def test_the_same_pictures_in_other_splits_are_refused(ferplus_root):
    votes = load_dataset("ferplus", ferplus_root)
    pooled, official = (load_dataset("fer2013", ferplus_root, protocol) for protocol in ("pooled", "official"))
    with pytest.raises(
        InputError, match=r"ferplus \(official\) and fer2013 \(pooled\) have the same pictures in differ"
    ):
        join_datasets([votes, pooled])
    assert_no_picture_on_both_sides(join_datasets([votes, official]))
    with pytest.raises(InputError, match=r"tfd \(official\) and kdef \(subject\) have the same pictures"):
        load_dataset("tfd+kdef", ferplus_root)  # TFD is made of KDEF and others
    with pytest.raises(InputError, match="need two or more with pictures of one shape"):
        join_datasets([votes, load_dataset("fer2013", ferplus_root, size=32)])
    with pytest.raises(InputError, match="need two or more"):
        join_datasets([votes])


def test_a_folder_with_anothers_test_pictures_is_not_trained_on(fer2013_root, tmp_path):
    (tmp_path / "fer2013").symlink_to(fer2013_root / "fer2013")
    faces, rng = load_dataset("fer2013", tmp_path), np.random.default_rng(0)
    rows = np.flatnonzero((faces.table["split"] == "test") & faces.table["label"].isin([2, 3]))
    for split in ("train", "val", "test"):
        for emotion in ("happy", "fear"):
            write_noise(tmp_path / "folder" / split / emotion / "other.png", rng)
    for row in rows:
        save(tmp_path / "folder" / ("val" if row % 2 else "train") / "fear" / f"{row}.png", faces.store.array[row])
    ds = load_dataset("fer2013+folder", tmp_path)
    assert_no_picture_on_both_sides(ds)
    found = "5 of train, 5 of val are left out: they are val or test pictures of another source, pixel for pixel"
    assert found in ds.notes
    assert "10 pictures are in fer2013 and in folder: " in " ".join(ds.notes)


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image[..., 0]).save(path)


def test_soft_labels_stand_next_to_certain_ones(ferplus_root):
    ds = load_dataset("fer2013+ferplus", ferplus_root, **{"ferplus.label_mode": "probability"})
    assert ds.probabilities.shape == (len(ds.table), 7)
    np.testing.assert_allclose(ds.probabilities.sum(axis=1), 1)
    certain = ds.table["from fer2013"].to_numpy()
    assert (ds.probabilities[certain].max(axis=1) == 1).all()
    assert (ds.probabilities[certain].argmax(axis=1) == ds.table["label"][certain]).all()
    assert (ds.probabilities[~certain].max(axis=1) < 1).any()


def test_lists_of_one_source_are_no_for_the_others(ferplus_root, home):
    lists = ferplus_root / "ferplus" / "lists"
    lists.mkdir()
    (lists / "occlusion.csv").write_text("row,label\n175,4\n")
    (ferplus_root / "tfeid").symlink_to(home / "tfeid")
    ds = load_dataset("tfeid+ferplus", ferplus_root)
    assert ds.table["occluded"].dtype == bool
    assert list(ds.table.loc[ds.table["occluded"], "name"]) == ["ferplus/row175"]


# --- pictures that stay on disk ---


def test_pictures_on_disk_and_in_memory_are_one_set(home, monkeypatch):
    held = load_dataset("rafdb+ckplus", home, size=32, channels=3)
    mixed = load_dataset("rafdb+ckplus", home, size=32, channels=3, **{"rafdb.stream": True})
    assert isinstance(held.store, ArrayImages)
    assert isinstance(mixed.store, JoinedImages)
    assert any("copies between sources were not searched" in note for note in mixed.notes)
    assert mixed.fingerprint() == held.fingerprint()
    for split in ("train", "val", "test"):
        np.testing.assert_array_equal(mixed.split(split).images, held.split(split).images)
    both = load_dataset("rafdb+folder", prepared(home), **{"rafdb.stream": True, "folder.stream": True})
    assert both.store.streamed
    assert len(both.store.paths) == len(both.table)
    monkeypatch.setattr(stores, "MEMORY_LIMIT", 10)
    with pytest.raises(InputError, match="streamed images do not fit memory"):
        _ = mixed.train.images


def prepared(home):
    """The same data_dir, with a folder of one's own."""
    rng = np.random.default_rng(1)
    for number in range(30):
        write_noise(home / "folder" / ("anger", "fear")[number % 2] / f"{number}.png", rng)
    return home


# --- the command line ---


def test_commands_take_joined_sets(capsys, home, tmp_path, monkeypatch):
    monkeypatch.setenv("FER_TF_REPORTS", str(tmp_path / "reports"))
    answer = run_cli(capsys, "data", "counts", "rafdb+ckplus", "--data-dir", home, "--option", "ckplus.fold=1")
    assert answer.code == 0
    assert "note: joined of 2 sources" in answer.out
    answer = run_cli(capsys, "data", "doctor", "rafdb+tfeid", "--data-dir", home)
    assert answer.code == 0
    assert "pairs of copies between sources" in answer.out
    assert (tmp_path / "reports" / "doctor" / "rafdb+tfeid-own" / "pairs.csv").is_file()
    answer = run_cli(capsys, "data", "counts", "rafdb+none", "--data-dir", home)
    assert answer.code == 2
    assert "dataset: allowed are" in answer.err


def test_the_honest_protocol_is_taken():
    assert joined.honest(dataset_spec("jaffe")) == "subject"
    assert joined.honest(dataset_spec("folder")) == "stratified"


def test_a_second_output_is_known_for_its_own_source_only(home):
    """A source that was not asked for its units must not count as a face without any."""
    name, units = "synthetic+disfa", {"disfa.targets": "expression+action_units"}
    options = {"synthetic.count": 40, "synthetic.image_size": 16, "disfa.stride": 1}
    ds = load_dataset(name, home, **options, **units)
    alone = load_dataset("disfa", home, stride=1, targets="expression+action_units")
    assert ds.second == alone.second
    values, is_disfa = ds.table[list(ds.second.names)], ds.table["from disfa"]
    assert values[is_disfa].notna().all(axis=None)
    assert values[~is_disfa].isna().all(axis=None)
    assert load_dataset(name, home, **options).second is None
    with pytest.raises(InputError, match="targets: sources with different second outputs cannot be joined"):
        load_dataset(name, home, **options, **units, **{"synthetic.targets": "expression+action_units"})
