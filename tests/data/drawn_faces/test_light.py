"""Light on drawn faces: 128 changes nothing, and the lit side is the side of the lamp."""

import numpy as np
import pytest

from fer_tf.data.drawn_faces.geometry import Pose
from fer_tf.data.drawn_faces.light import UNCHANGED, Lamp, head_shading, shine


@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 3)])
def test_a_light_map_multiplies_the_picture(rng, shape):
    picture = rng.integers(0, 120, shape, dtype=np.uint8)
    np.testing.assert_array_equal(shine(picture, np.full((6, 8), UNCHANGED, np.uint8)), picture)
    dark = shine(picture, np.full((6, 8), UNCHANGED // 2, np.uint8))
    np.testing.assert_allclose(dark, picture / 2, atol=0.51)


def lit(x, y):
    zero = np.zeros(1)
    pose = Pose(**dict.fromkeys(Pose.__dataclass_fields__, zero))
    return head_shading(Lamp(np.array([x]), np.array([y])), pose, 32)[0].astype(int)


def test_the_head_is_brighter_on_the_side_of_the_lamp():
    right, above = lit(0.8, 0.0), lit(0.0, -0.8)
    assert right[:, 16:].mean() > right[:, :16].mean() + 10
    assert above[:16].mean() > above[16:].mean() + 10
    np.testing.assert_array_equal(lit(0.0, 0.0), lit(0.0, 0.0)[::-1, ::-1])
