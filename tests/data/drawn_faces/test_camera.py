"""What the camera does to a drawn picture."""

import numpy as np
import pytest

from fer_tf.data.drawn_faces import draw_faces

CLEAR = {"blur": 0, "noise": 0, "jpeg": 0}  # nothing after the occluder that would spread it over the picture


@pytest.mark.parametrize(
    "setting", [{"blur": 2}, {"noise": 20}, {"jpeg": 1}, {"light": 1}, {"shadow": 1}, {"exposure": 1}, {"roll": 30}]
)
def test_every_disturbance_disturbs(setting):
    none = {"difficulty": "easy", **CLEAR, "light": 0, "shadow": 0, "exposure": 0, "roll": 0}
    before = draw_faces(6, **none).images.astype(int)
    after = draw_faces(6, **{**none, **setting}).images.astype(int)
    assert (np.abs(after - before).mean(axis=(1, 2, 3)) > 0.1).all()


def test_noise_has_the_spread_asked_for():
    before = draw_faces(6, difficulty="easy", noise=0).images.astype(int)
    grain = draw_faces(6, difficulty="easy", noise=10).images.astype(int) - before
    inside = (before > 60) & (before < 200)
    assert grain[inside].std() == pytest.approx(10, rel=0.1)
    assert abs(grain[inside].mean()) < 1
