"""Errors for wrong arguments name the parameter, what is allowed and what was received."""

import re

import numpy as np
import pytest

from fer_tf.data.drawn_faces import DIFFICULTIES, Difficulty, draw_faces


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"count": -1}, ("count", "at least 0", "-1")),
        ({"seed": 1.5}, ("seed", "whole number", "1.5")),
        ({"start": -3}, ("start", "at least 0", "-3")),
        ({"size": 8}, ("size", "at least 16", "8")),
        ({"channels": 2}, ("channels", "1 (gray) or 3 (RGB)", "2")),
        ({"difficulty": "brutal"}, ("difficulty", "'easy', 'default', 'hard'", "'brutal'")),
        ({"emotions": ["joy", "anger"]}, ("emotions", "happiness", "'joy'")),
        ({"emotions": ["anger"]}, ("emotions", "2 images", "got 1")),
        ({"identities": 0}, ("identities", "at least 1", "0")),
        ({"identities": [1, -2]}, ("identities", "2 whole numbers", "[1, -2]")),
        ({"identities": np.array([0.5, 1])}, ("identities", "whole numbers", "0.5")),
        ({"fog": 1}, ("'fog'", "intensity, yaw", "beard")),
        ({"intensity": 1.5}, ("intensity", "0..1", "1.5")),
        ({"intensity": (0.8, 0.2)}, ("intensity", "(low, high)", "(0.8, 0.2)")),
        ({"yaw": (0, 10)}, ("yaw", "a number in 0..45", "(0, 10)")),
        ({"noise": "much"}, ("noise", "0..60", "'much'")),
        ({"jpeg": True}, ("jpeg", "a number in 0..1", "True")),
        ({"occluder": "scarf"}, ("occluder", "'sunglasses'", "'scarf'")),
    ],
)
def test_a_wrong_argument_is_explained(settings, words):
    with pytest.raises(ValueError, match=re.escape(words[0])) as error:
        draw_faces(**{"count": 2, **settings})
    for word in words:
        assert word in str(error.value)


def test_a_level_of_ones_own_is_checked_and_used():
    with pytest.raises(ValueError, match="blur must be"):
        Difficulty(blur=-1)
    own = Difficulty(intensity=0.5, yaw=0)
    assert own.intensity == (0.5, 0.5)
    table = draw_faces(5, size=16, emotions=["fear"] * 5, difficulty=own).table
    assert (table.intensity == 0.5).all()
    assert (table.yaw == 0).all()
    assert DIFFICULTIES["default"] == Difficulty()
