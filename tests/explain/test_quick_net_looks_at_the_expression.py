"""On drawn faces the truth is known: chapter 9's network must look at what carries the expression, not the middle."""

import numpy as np
import pytest

from fer_tf.data import load_dataset
from fer_tf.explain import default_method, explain, score_maps
from fer_tf.saving import load_model
from fer_tf.training import run_experiment


@pytest.mark.slow
def test_maps_of_the_quick_cnn_beat_a_spot_in_the_middle(fresh_home):
    """The method for this head, which flattens its last map, and SmoothGrad; by mass only SmoothGrad with squares.

    Grad-CAM and occlusion maps do not clearly differ from the spot at this size.
    """
    run = run_experiment("cnn", size="quick", verbose=0)
    model, ds = load_model(run.model_path), load_dataset("synthetic")
    expressive = np.flatnonzero(np.array(ds.class_names)[ds.test.labels] != "neutral")[:150]
    faces, masks = ds.test.fetch(expressive), ds.masks(ds.test.rows[expressive])["expression"]
    own = default_method(model)
    assert own == "hirescam"
    choices = {own: {}, "smoothgrad": {}, "smoothgrad²": {"squared": True}}
    maps = {name: explain(model, faces, name.rstrip("²"), **options) for name, options in choices.items()}
    table = score_maps(maps, masks).set_index("method")
    middle = table.loc["centre Gaussian"]
    for name in (own, "smoothgrad"):
        assert table.loc[name, "pointing"] > middle["pointing"], name
        assert table.loc[name, "pointing p"] < 0.05, name
    squared = table.loc["smoothgrad²"]
    assert squared["mass inside"] > middle["mass inside"]
    assert squared["mass p"] < 0.05
