"""An empty map is marked as empty wherever it is shown, and the models that ship have next to none."""

import numpy as np
import pytest

from fer_tf.common.paths import bundled_root, data_root
from fer_tf.data import load_dataset
from fer_tf.data.drawn_faces import draw_faces
from fer_tf.explain import METHODS, empty_reason, explain, is_empty, score_maps
from fer_tf.explain import plots as explain_plots
from fer_tf.saving import load_model

BUNDLED = sorted(path.name for path in bundled_root().glob("*.h5"))
REASON = "nothing in the last map supports this class"


def test_zero_and_not_finite_maps_are_empty(maps):
    np.testing.assert_array_equal(is_empty(maps), [False, True, True, False])
    np.testing.assert_array_equal(is_empty(maps[None]), [[False, True, True, False]])
    assert is_empty(maps[1])
    assert is_empty(np.full((3, 3), np.inf))
    assert is_empty(maps[:0]).shape == (0,)


def test_every_method_has_a_reason():
    for method in METHODS:
        assert empty_reason(method).startswith("empty: ")
        assert "supports this class" in empty_reason(method) or "cam" not in method
    assert empty_reason("gradcam, scrambled") == empty_reason("gradcam") == f"empty: {REASON}"
    assert empty_reason("change") == empty_reason() == "empty: nothing supports this class"


def test_the_table_of_scores_counts_them(maps):
    masks = np.zeros(maps.shape, bool)
    masks[:, 2:5, 2:5] = True
    found = np.where(np.isfinite(maps), maps, 0)
    found[0] = 0
    table = score_maps({"gradcam": found}, masks, replicates=10)
    assert table["empty"].tolist() == [0.5, 0, 0]
    labels = [label.get_text() for label in explain_plots.map_scores(table).axes[0].get_yticklabels()]
    assert labels == ["gradcam (50% empty)", "centre Gaussian", "uniform"]


@pytest.mark.parametrize("name", BUNDLED)
def test_a_model_that_ships_has_next_to_no_empty_maps_of_drawn_faces(name):
    faces = draw_faces(100, seed=3, size=48).images
    assert is_empty(explain(load_model(bundled_root() / name), faces)).mean() <= 0.02


@pytest.mark.skipif(not (data_root() / "fer2013").is_dir(), reason="FER2013 is not here")
@pytest.mark.parametrize("name", BUNDLED)
def test_a_model_that_ships_has_next_to_no_empty_maps_of_real_faces(name):
    faces, _ = load_dataset("fer2013", protocol="official").test.sample(100, 0)
    assert is_empty(explain(load_model(bundled_root() / name), faces)).mean() <= 0.02
