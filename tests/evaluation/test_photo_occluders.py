"""Objects that cover photographed faces."""

import pytest

from fer_tf.evaluation.photo_occluders import SHAPES, occluder


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_occluders_cover_their_share_and_what_they_are_named_for(name, share):
    cover, shade = occluder(name, share, 48, 48)
    assert cover.shape == shade.shape == (48, 48)
    assert cover.mean() == pytest.approx(share, abs=0.01)
    assert cover.min() >= 0
    assert cover.max() <= 1
    assert (shade[cover > 0] > 0).all()
    eyes, mouth = cover[17:21, 12:18].mean(), cover[33:39, 20:28].mean()
    if name == "sunglasses":
        assert eyes > 0.9
        assert share > 0.3 or mouth == 0
    else:
        assert mouth > 0.5
        assert share > {"mask": 0.3, "hand": 0.1}[name] or eyes < 0.2
