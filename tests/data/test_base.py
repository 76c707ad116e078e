"""`FaceDataset`: splits, subsets of classes, limits, fingerprints, streaming."""

import numpy as np
import pandas as pd
import pytest

from fer_tf.common.checks import InputError
from fer_tf.data import base, load_dataset


def test_splits_partition_the_table(tiny_faces):
    sizes = [len(tiny_faces.split(name)) for name in base.SPLITS]
    assert sum(sizes) == len(tiny_faces.table) == 400
    assert min(sizes) > 0
    assert tiny_faces.train.images.shape == (sizes[0], 48, 48, 1)
    assert tiny_faces.train.images.dtype == np.uint8


def test_labels_are_codes_into_the_class_names(tiny_faces):
    names = np.array(tiny_faces.class_names)[tiny_faces.test.labels]
    np.testing.assert_array_equal(names, tiny_faces.table["emotion"].to_numpy()[tiny_faces.test.rows])


def test_training_data_holds_no_test_split(tiny_faces):
    view = tiny_faces.training_data()
    assert set(vars(view)) == {"train", "val", "class_names", "image_shape", "second"}
    for mine, split in ((view.train, tiny_faces.train), (view.val, tiny_faces.val)):
        np.testing.assert_array_equal(mine.images, split.images)
        np.testing.assert_array_equal(mine.labels, split.labels)
        assert len(mine.store.array) == len(split), "no other picture is even in memory there"


def test_fewer_classes_drop_their_rows_and_say_so(tiny_faces):
    six = load_dataset("synthetic", count=400, classes=6)
    assert six.class_names == tiny_faces.class_names[:6]
    kept = tiny_faces.table["label"] < 6
    assert len(six.table) == kept.sum()
    np.testing.assert_array_equal(six.table["label"], tiny_faces.table["label"][kept])
    np.testing.assert_array_equal(six.store.fetch([0, 5]), tiny_faces.store.array[np.flatnonzero(kept)[[0, 5]]])
    assert f"{400 - kept.sum()} images of neutral, contempt left out" in six.notes[-1]


def test_named_classes_are_recoded():
    two = load_dataset("synthetic", count=400, classes=("contempt", "fear"))
    assert two.class_names == ("fear", "contempt")
    assert set(two.table["label"]) == {0, 1}
    assert (two.table["emotion"] == np.array(two.class_names)[two.table["label"]]).all()


def test_size_and_channels_are_converted():
    ds = load_dataset("synthetic", count=400, size=32, channels=3)
    assert ds.image_shape == (32, 32, 3)
    image = ds.test.images[0]
    assert (image[..., 0] == image[..., 2]).all()


def test_limit_keeps_class_shares(tiny_faces):
    small = tiny_faces.limited(60)
    assert len(small.train) == 60
    assert len(small.table) == 400
    whole = np.bincount(tiny_faces.train.labels, minlength=8) / len(tiny_faces.train)
    np.testing.assert_allclose(np.bincount(small.train.labels, minlength=8) / 60, whole, atol=0.02)
    assert len(tiny_faces.train) > 60, "the original must stay as it was"


def test_train_share_keeps_class_shares_val_and_test(tiny_faces):
    part = load_dataset("synthetic", count=400, train_share=0.3)
    whole = tiny_faces.train
    assert len(part.train) == round(0.3 * len(whole))
    assert len(part.table) == 400
    shares = np.bincount(whole.labels, minlength=8) / len(whole)
    np.testing.assert_allclose(np.bincount(part.train.labels, minlength=8), shares * len(part.train), atol=1)
    assert set(part.train.rows) <= set(whole.rows)
    left_out = sorted(set(whole.rows) - set(part.train.rows))
    assert (part.table["split"].iloc[left_out] == "").all()
    for name in ("val", "test"):
        np.testing.assert_array_equal(part.split(name).rows, tiny_faces.split(name).rows)
    assert part.notes[-1].startswith(f"train_share 0.3: {len(part.train)} of {len(whole)} training images are used")


def test_a_smaller_train_share_is_part_of_a_larger_and_follows_the_seed(tiny_faces):
    shares = (0.001, 0.02, 0.05, 0.1, 0.11, 0.3, 0.5, 0.99)
    drawn = [set(tiny_faces.with_train_share(share, seed=3).train.rows) for share in shares]
    assert all(small <= large for small, large in zip(drawn, drawn[1:], strict=False))
    assert len(drawn[0]) == 8, "an image of every class stays"
    assert drawn[5] == set(tiny_faces.with_train_share(0.3, seed=3).train.rows)
    assert drawn[5] != set(tiny_faces.with_train_share(0.3, seed=4).train.rows)


def test_every_class_keeps_an_image_in_a_small_share():
    labels = np.repeat([0, 1, 3], [500, 300, 2])  # class 2 has none
    table = pd.DataFrame({"label": labels, "split": "train", "name": [str(row) for row in range(802)]})
    store = base.ArrayImages(np.zeros((802, 4, 4, 1), np.uint8))
    ds = base.FaceDataset("x", "y", ("anger", "disgust", "fear", "happiness"), table, store)
    part = ds.with_train_share(0.1)
    assert len(part.train) == 80
    np.testing.assert_allclose(np.bincount(part.train.labels), [49.4, 29.6, 0, 1], atol=1)
    assert list(np.bincount(ds.with_train_share(1e-6).train.labels)) == [1, 1, 0, 1]


def test_train_share_changes_the_fingerprint_but_not_what_is_tested(tiny_faces):
    part = load_dataset("synthetic", count=400, train_share=0.3)
    assert part.fingerprint() != tiny_faces.fingerprint()
    assert part.test_fingerprint() == tiny_faces.test_fingerprint()
    for everything in (None, 1, 1.0):
        whole = load_dataset("synthetic", count=400, train_share=everything)
        assert whole.fingerprint() == tiny_faces.fingerprint()
        assert whole.notes == tiny_faces.notes


def test_train_share_is_of_the_chosen_classes():
    six = load_dataset("synthetic", count=400, classes=6)
    part = load_dataset("synthetic", count=400, classes=6, train_share=0.5)
    assert len(part.train) == round(len(six.train) / 2)


def test_fingerprint_follows_labels_splits_and_source(tiny_faces):
    assert tiny_faces.fingerprint() == load_dataset("synthetic", count=400).fingerprint()
    others = [
        tiny_faces.limited(60),
        load_dataset("synthetic", count=400, seed=1),
        load_dataset("synthetic", count=400, size=32),
    ]
    assert len({tiny_faces.fingerprint(), *(other.fingerprint() for other in others)}) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "fer2014"}, "dataset: allowed are synthetic, fer2013.*received 'fer2014'"),
        ({"name": "synthetic", "protocol": "official"}, "protocol: allowed are identity; received 'official'"),
        ({"name": "synthetic", "folds": 3}, "options of synthetic: unknown 'folds'; allowed are count, difficulty"),
        ({"name": "synthetic", "count": 3}, "count: must be a number >= 40; received 3"),
        ({"name": "synthetic", "count": 400, "channels": 2}, "channels: allowed are 1, 3; received 2"),
        ({"name": "synthetic", "train_share": 0}, "train_share: must be a number above 0 and at most 1 .* received 0"),
        ({"name": "synthetic", "train_share": 1.5}, "train_share: .* received 1.5"),
        ({"name": "synthetic", "train_share": float("nan")}, "train_share: .* received nan"),
        ({"name": "synthetic", "train_share": "half"}, "train_share: .* received 'half'"),
        ({"name": "synthetic", "train_share": True}, "train_share: .* received True"),
    ],
)
def test_wrong_arguments_name_the_allowed(arguments, message):
    with pytest.raises(InputError, match=message):
        load_dataset(**arguments)
