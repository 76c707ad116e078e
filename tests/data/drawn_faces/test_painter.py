"""The painter's colours: gray ones are the luminance of the coloured ones, and parts keep their order of brightness."""

import numpy as np

from fer_tf.data.drawn_faces.difficulty import resolve_difficulty
from fer_tf.data.drawn_faces.identity import draw_identities
from fer_tf.data.drawn_faces.painter import line_colours, paint, palette


def test_gray_is_the_luminance_of_a_colour():
    assert paint([[255, 0, 0], [0, 300, 0], [10, 20, 30]], 1) == [76, 150, 18]
    assert paint([[255, 0, 0], [-5, 300, 0]], 3) == [[255, 0, 0], [0, 255, 0]]


def test_every_part_of_every_face_has_a_colour():
    people = draw_identities(np.arange(6), 0, resolve_difficulty("default", {}))
    gray, coloured = palette(people, 1), palette(people, 3)
    assert set(gray) == set(coloured)
    for part, colours in coloured.items():
        assert gray[part] == paint(colours, 1) or np.abs(np.subtract(gray[part], paint(colours, 1))).max() <= 1, part
    assert (np.array(gray["sclera"]) > np.array(gray["pupil"])).all()
    assert (np.array(gray["skin"]) > np.array(gray["nostril"])).all()


def test_lines_are_darker_the_stronger_they_are():
    people = draw_identities(np.arange(2), 0, resolve_difficulty("default", {}))
    weak, strong = line_colours(people, np.array([[0.1, 0.9]] * 2), 1)[0]
    assert strong < weak < palette(people, 1)["skin"][0]
