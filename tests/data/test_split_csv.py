"""A split csv must keep people and copies together, keep class shares, and load again as what it says."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer_tf.common.checks import DataError, InputError
from fer_tf.data import load_dataset, split_csv
from fer_tf.data.base import ArrayImages, FaceDataset


@pytest.fixture
def faces(tiny_faces):
    """200 drawn faces without subjects; rows 100..119 are rows 0..19 moved by a pixel."""
    images = tiny_faces.store.array[:200].copy()
    images[100:120] = np.roll(images[:20], 1, axis=2)
    table = pd.DataFrame({"label": np.arange(200) % 4, "split": "train"})
    return FaceDataset("faces", "p", ("anger", "fear", "happiness", "neutral"), table, ArrayImages(images))


def no_group_in_two(table, column):
    return (table.groupby(column)["split"].nunique() == 1).all()


def test_copies_stay_together_and_shares_are_kept(faces, tmp_path):
    table = split_csv.write_split(faces, tmp_path / "split.csv", seed=1)
    pd.testing.assert_frame_equal(table, pd.read_csv(tmp_path / "split.csv"), check_dtype=False)
    assert table.columns.tolist() == ["row", "label", "split", "group"]
    assert (table["row"] == np.arange(200)).all()
    assert (table["split"][:20].to_numpy() == table["split"][100:120].to_numpy()).all()
    assert no_group_in_two(table, "group")
    counts = pd.crosstab(table["label"], table["split"])
    assert (abs(counts["train"] - 40) <= 1).all()
    assert (abs(counts[["val", "test"]] - 5) <= 1).all().all()


def test_seed_decides(faces, tmp_path):
    first, again, other = (
        split_csv.write_split(faces, tmp_path / "split.csv", seed=seed, force=True)["split"] for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_subjects_are_joined_by_copies(faces):
    """Subject 0 has rows 0 and 1; row 100, of subject 9, is a copy of row 0; row 5 has no subject."""
    faces.table["subject"] = [f"s{row // 2}" if row != 5 else "" for row in range(200)]
    groups = split_csv.kept_together(faces, np.r_[np.arange(100), 0, np.arange(101, 200)])
    assert groups[0] == groups[1] == groups[100] == groups[101]
    assert (groups == groups[0]).sum() == 4
    assert (groups == groups[5]).sum() == 1
    assert (groups == groups[4]).sum() == 1


def test_missing_subjects_are_no_subject(faces):
    faces.table["subject"] = pd.Series([None] * 199 + ["a"], dtype=object)
    assert len(set(split_csv.kept_together(faces, np.arange(200)))) == 200


def test_few_groups_fill_every_split():
    groups = np.repeat([0, 1, 2, 3], [50, 30, 15, 5])
    assigned = split_csv.deal(groups, np.arange(100) % 2, (0.9, 0.05, 0.05), 0)
    assert set(assigned) == {"train", "val", "test"}
    assert all(len(set(assigned[groups == group])) == 1 for group in range(4))
    with pytest.raises(DataError, match="2 groups of images that belong together .* cannot fill 3 splits"):
        split_csv.deal(np.arange(100) % 2, np.zeros(100, int), (0.8, 0.1, 0.1), 0)


@pytest.fixture
def pictures(tmp_path, tiny_faces):
    """A data_dir of csv/list.csv with 60 pictures of 12 subjects below csv/, two of them the same."""
    home = tmp_path / "csv"
    (home / "img").mkdir(parents=True)
    for row, image in enumerate(tiny_faces.store.array[:60, :, :, 0]):
        Image.fromarray(image).save(home / "img" / f"{row}.png")
    Image.open(home / "img" / "0.png").save(home / "img" / "59.png")
    lines = [f"img/{row}.png,{('happy', 'sad', 'fear')[row % 3]},person{row // 5}" for row in range(60)]
    (home / "list.csv").write_text("path,label,subject\n" + "\n".join(lines))
    return tmp_path


def test_written_csv_loads_again(pictures, tmp_path):
    ds = load_dataset("csv", pictures, stream=True)
    out = tmp_path / "elsewhere" / "csv" / "split.csv"
    table = split_csv.write_split(ds, out, fractions=(0.6, 0.2, 0.2))
    assert table["path"][7] == "../../csv/img/7.png"
    assert no_group_in_two(table, "subject")
    assert no_group_in_two(table, "group")
    again = load_dataset("csv", out.parent.parent)
    assert (again.table["split"] == table["split"]).all()
    assert (again.table["subject"] == table["subject"]).all()
    assert [again.class_names[label] for label in again.table["label"]] == table["label"].tolist()
    np.testing.assert_array_equal(again.store.array, ds.store.fetch(np.arange(60)))
    assert table.loc[table["subject"].isin(["person0", "person11"]), "split"].nunique() == 1  # they share a picture


def test_refusals(faces, tmp_path):
    out = tmp_path / "split.csv"
    out.write_text("precious")
    with pytest.raises(InputError, match="split.csv already exists"):
        split_csv.write_split(faces, out)
    assert out.read_text() == "precious"
    for fractions, message in (
        ((0.8, 0.2), "one number each for train, val, test"),
        ((0.8, 0.3, 0.1), "must have the sum 1"),
        ((1.0, 0, 0), "fractions: must be a number >= 0.01"),
    ):
        with pytest.raises(InputError, match=message):
            split_csv.write_split(faces, tmp_path / "other.csv", fractions)
    assert not (tmp_path / "other.csv").exists()
