"""Figures of the root module `plots`: they show what they were given, and nothing else."""

import numpy as np
import pandas as pd
import pytest

from fer_tf import plots

NAMES = ("anger", "fear", "joy")


def shown(figure):
    """The pictures of a figure, without empty axes."""
    return [np.asarray(axis.images[0].get_array()) for axis in figure.axes if axis.images]


@pytest.fixture
def faces(rng):
    """Nine pictures, three of each class: the class is in their first pixel."""
    images = rng.integers(0, 255, (9, 6, 6, 1), dtype=np.uint8)
    labels = np.tile(np.arange(3), 3)
    images[:, 0, 0, 0] = labels
    return images, labels


def test_a_sheets_row_has_pictures_of_its_class_only(faces):
    figure = plots.sample_sheet(*faces, NAMES, per_class=2)
    assert [picture[0, 0] for picture in shown(figure)] == [0, 0, 1, 1, 2, 2]
    assert [axis.texts[0].get_text() for axis in figure.axes if axis.texts] == list(NAMES)


def test_mean_faces_and_their_difference_from_all(faces):
    images, labels = faces
    pictures = shown(plots.mean_faces(*faces, NAMES))
    mean = images[labels == 1, ..., 0].mean(axis=0)
    np.testing.assert_allclose(pictures[1], mean)
    np.testing.assert_allclose(pictures[4], mean - images[..., 0].mean(axis=0))


def test_a_class_without_a_picture_differs_from_nothing(faces):
    images, labels = faces
    pictures = shown(plots.mean_faces(images[labels < 2], labels[labels < 2], NAMES))
    assert not pictures[5].any()


def test_counts_are_the_heights_of_the_bars():
    table = pd.DataFrame({"train": [3, 5, 8], "test": [1, 2, 3], "all": [4, 7, 11]}, index=["anger", "fear", "all"])
    axis = plots.class_counts(table.rename_axis("class")).axes[0]
    heights = sorted(patch.get_height() for patch in axis.patches if patch.get_height())
    assert heights == [1, 2, 3, 5]


@pytest.mark.parametrize("count", [1, 10, 11])
def test_a_row_of_pictures_breaks_after_ten(rng, count):
    images = rng.integers(0, 255, (count, 4, 4, 1), dtype=np.uint8)
    figure = plots.image_row(images, [str(number) for number in range(count)])
    assert len(shown(figure)) == count
    assert len(figure.axes) == (20 if count > 10 else count)


def test_masks_are_coloured_where_they_are(rng):
    images = np.full((1, 4, 4, 1), 100, np.uint8)
    mask = np.zeros((1, 4, 4), bool)
    mask[0, 1, 2] = True
    (picture,) = shown(plots.marked_masks(images, {"mouth": mask}, ["face"]))
    assert [tuple(place) for place in np.argwhere(np.ptp(picture, axis=2) > 0)] == [(1, 2)]


def test_learning_curves_mark_where_a_phase_begins():
    history = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.0], "accuracy": [0.1, 0.2, 0.3]})
    history = history.assign(val_loss=history["loss"], val_accuracy=history["accuracy"], phase=["head", "all", "all"])
    figure = plots.learning_curves({"cnn": history, "vgg": history.drop(columns="phase")})
    styles = [line.get_linestyle() for line in figure.axes[0].lines]
    assert (styles.count("--"), styles.count("-"), styles.count(":")) == (2, 2, 1)
    begin = next(line for line in figure.axes[0].lines if line.get_linestyle() == ":")
    assert set(begin.get_xdata()) == {1.5}


def test_confusion_shares_are_of_the_true_class():
    figure = plots.confusion_matrices([[3, 1], [0, 0]], ("anger", "fear"), "cnn")
    counts, shares = figure.axes[:2]
    assert [text.get_text() for text in counts.texts] == ["3", "1", "0", "0"]
    assert [text.get_text() for text in shares.texts] == ["0.75", "0.25", "0.00", "0.00"]
    assert counts.get_title() == "cnn counts"
