"""Identities: a pool of people who keep their looks."""

import numpy as np

from fer_tf.data.drawn_faces import draw_faces


def test_identities_are_a_pool_or_given_one_by_one():
    assert set(draw_faces(60, identities=3).table.identity) == {0, 1, 2}
    assert draw_faces(3, identities=np.array([7, 900, 7])).table.identity.tolist() == [7, 900, 7]


def test_one_identity_keeps_its_looks_from_image_to_image():
    table = draw_faces(40, identities=np.arange(40) % 10).table
    assert (table.groupby("identity")[["glasses", "beard"]].nunique() == 1).all(axis=None)
    still = {"difficulty": "easy", "emotions": ["neutral"] * 3, "yaw": 0, "pitch": 0, "roll": 0, "shift": 0, "zoom": 1}
    plain = {"light": 0, "exposure": 0, "noise": 0, "blur": 0, "background": 0, "person": 1}
    same = draw_faces(3, start=8, identities=np.array([4, 4, 5]), **still, **plain).images[:, 12:40, 12:36].astype(int)
    assert np.abs(same[0] - same[1]).mean() < 0.3 * np.abs(same[0] - same[2]).mean()
