"""What is drawn of recognised faces: boxes where the faces are, bars as long as the probabilities, room for all."""

import numpy as np
import pytest

from fer_tf.plots import PALETTE
from fer_tf.predict.annotate import COLUMNS, LONGEST, PANEL, SHORTEST, Shown, annotate

CLASSES = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
ONE = np.array([0.1, 0.0, 0.05, 0.6, 0.0, 0.05, 0.2])


def colour(number):
    return tuple(round(255 * share) for share in PALETTE[number])


def of_colour(image, number):
    """Where an image has exactly the colour of a face: bool [H, W]."""
    return (image == np.array(colour(number))).all(axis=2)


def gray(height, width, channels=1):
    return np.full((height, width, channels), 128, np.uint8)


def test_the_picture_stays_as_it_is_left_of_the_panel():
    pixels = np.random.default_rng(0).integers(0, 256, (400, 500, 3), dtype=np.uint8)
    kept = pixels.copy()
    image = annotate(pixels, [Shown(0, None, ONE)], CLASSES)
    assert image.shape == (400, 500 + PANEL, 3)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image[:, :500], pixels)
    np.testing.assert_array_equal(pixels, kept)


def test_a_box_is_drawn_around_its_face_and_said_above():
    image = annotate(gray(400, 500), [Shown(1, (100, 120, 200, 180), ONE)], CLASSES)
    rows, columns = np.nonzero(of_colour(image[:, :500], 1))
    assert (columns.min(), columns.max(), rows.max()) == (100, 300, 300)
    assert 100 < rows.min() < 105, "the label is on the box"
    assert not of_colour(image[:, :500], 1)[125:290, 110:290].any(), "the face itself is left free"


@pytest.mark.parametrize("box", [(-30, -20, 200, 100), (450, 380, 100, 100), (0, 0, 500, 400), (490, 5, 5, 5)])
def test_a_label_stays_in_the_picture(box):
    image = annotate(gray(400, 500), [Shown(0, box, ONE)], CLASSES)
    drawn = of_colour(image[:, :500], 0)
    rows, columns = np.nonzero(drawn)
    assert len(rows)
    assert max(np.count_nonzero(drawn, axis=1)) > 40
    assert columns.max() < 500


def bars(image, left, number=0):
    """Lengths of the bars in pixels, one per line, from the top."""
    drawn = of_colour(image[26:, left:], number)
    starts = np.flatnonzero(np.diff(np.concatenate([[False], drawn.any(axis=1)]).astype(int)) == 1)
    return [int(np.count_nonzero(drawn[start + 3])) for start in starts]


def test_bars_are_as_long_as_the_probabilities():
    shares = np.array([0.5, 0.25, 0.1, 0.05, 0.04, 0.03, 0.03])
    lengths = bars(annotate(gray(400, 500), [Shown(0, None, shares)], CLASSES), 500)
    wide = PANEL - 84 - 48
    np.testing.assert_allclose(lengths, shares * wide, atol=1.5)
    certain = annotate(gray(400, 500), [Shown(0, None, np.eye(7)[2])], CLASSES)
    assert bars(certain, 500) == [wide + 1], "no bar at all for what is 0"


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 1), (SHORTEST, SHORTEST)),
        ((48, 48), (SHORTEST, SHORTEST)),
        ((400, 300), (400, 300)),
        ((4000, 2000), (LONGEST, LONGEST // 2)),
        ((1, 20000), (1, LONGEST)),
        ((20000, 3), (LONGEST, 1)),
    ],
)
def test_small_pictures_are_enlarged_and_large_ones_shrunk(shape, expected):
    image = annotate(gray(*shape, 3), [Shown(0, (0, 0, *shape[::-1]), ONE)], CLASSES)
    assert image.shape[1] == expected[1] + PANEL
    assert image.shape[0] == max(expected[0], 26 + 16 * len(CLASSES))


def test_boxes_are_enlarged_with_their_picture():
    image = annotate(gray(48, 48), [Shown(0, (12, 24, 24, 12), ONE)], CLASSES)
    scale = SHORTEST / 48
    rows, columns = np.nonzero(of_colour(image[:, :SHORTEST], 0))
    assert rows.max() == round(36 * scale)
    assert columns.min() == round(12 * scale)


def test_many_faces_get_more_panels_and_the_rest_is_counted():
    faces = [Shown(number, (10 * number, 200, 8, 8), ONE) for number in range(40)]
    widths = [annotate(gray(300, 500), faces[:count], CLASSES).shape[1] for count in (0, 1, 2, 3, 5, 40)]
    assert widths == [500 + columns * PANEL for columns in (1, 1, 1, 2, 3, COLUMNS)]
    with_rest, without = (annotate(gray(300, 500), faces[:count], CLASSES) for count in (9, 8))
    assert (with_rest[280:, 500:] != without[280:, 500:]).any(), "and 1 more"


def test_frames_of_a_film_come_out_in_one_size():
    crop = np.zeros((48, 48, 1), np.uint8)
    of_many = [Shown(number, (0, 0, 9, 9), ONE, crop, np.ones((48, 48))) for number in range(9)]
    for with_crops, some in ((True, of_many), (False, [face._replace(crop=None, map=None) for face in of_many])):
        shapes = {
            annotate(gray(120, 160), some[:count], CLASSES, steady=True, with_crops=with_crops).shape
            for count in (0, 1, 9)
        }
        assert len(shapes) == 1


def test_a_crop_stands_beside_its_map():
    crop = np.full((48, 48, 1), 200, np.uint8)
    item = np.zeros((48, 48))
    item[:24] = 1
    image = annotate(gray(400, 500), [Shown(0, None, ONE, crop, item)], CLASSES)
    shown = image[26:130, 508:612]
    assert (shown == 200).all()
    beside = image[26:130, 620:724].astype(int)
    assert np.ptp(beside[10], axis=1).min() > 50
    assert (np.abs(beside[10] - beside[90]) > 50).any()
