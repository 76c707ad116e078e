"""The regions of drawn faces: they lie where the expression does."""

import numpy as np

from fer_tf.data.drawn_face_parts import FACE_REGIONS, region_masks
from fer_tf.data.drawn_faces import draw_faces


def test_regions_of_drawn_faces_lie_where_the_expression_does():
    faces = draw_faces(40, seed=4, size=48, identities=20, masks=True)
    found = region_masks(np.arange(40), 4, "default", 20)
    assert tuple(found) == FACE_REGIONS
    together = np.any(list(found.values()), axis=0)
    expression = faces.expression_masks
    assert (expression & ~together).sum() <= 0.01 * expression.sum()
    assert 0.15 < together.mean() < 0.5
    happy = (faces.table["emotion"] == "happiness").to_numpy() & (faces.table["AU12"] > 0.3).to_numpy()
    assert happy.any()
    assert expression[happy][found["mouth"][happy]].all(), "a smile is in the mouth"
    heights = {name: np.mean(np.nonzero(masks)[1]) for name, masks in found.items()}
    assert sorted(heights, key=heights.get) == ["brows", "eyes", "nose", "cheeks", "mouth", "chin"] or (
        heights["brows"] < heights["eyes"] < heights["nose"] < heights["mouth"] < heights["chin"]
    )


def test_a_drawn_set_gives_its_regions(tiny_faces):
    rows = tiny_faces.test.rows[:5]
    found = tiny_faces.masks(rows, regions=True)
    assert {masks.shape for masks in found.values()} == {(5, 48, 48)}
    again = tiny_faces.masks(rows[::-1], regions=True)
    for name, masks in found.items():
        np.testing.assert_array_equal(again[name][::-1], masks)
    assert tiny_faces.masks(rows[:0], regions=True)["eyes"].shape == (0, 48, 48)
