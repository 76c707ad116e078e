"""Figures of a search: what they show of which trials."""

import pandas as pd

from fer_tf.training import search_plots


def test_heat_map_takes_the_best_over_the_other_settings():
    table = pd.DataFrame(
        {
            "batch_size": [8, 8, 16],
            "learning_rate": [0.1, 0.1, 0.01],
            "dropout": [0.1, 0.5, 0.1],
            "val_accuracy": [0.3, 0.6, 0.4],
        }
    )
    figure = search_plots.heat_map(table, ["batch_size", "learning_rate", "dropout"])
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["0.400", "0.600"]
    assert figure.axes[0].get_xlabel() == "batch size"
    assert figure.axes[0].get_ylabel() == "learning rate"
    alone = search_plots.heat_map(table, ["dropout"])
    assert sorted(text.get_text() for text in alone.axes[0].texts) == ["0.400", "0.600"]


def test_parallel_coordinates_has_one_line_per_trial():
    table = pd.DataFrame({"optimizer": ["adam", "sgd"], "flip": [True, False], "val_accuracy": [0.3, 0.6]})
    axis = search_plots.parallel_coordinates(table, ["optimizer", "flip"]).axes[0]
    lines = [line.get_ydata() for line in axis.lines if len(line.get_ydata()) == 3]
    assert sorted(line[-1] for line in lines) == [0, 1]
    assert {"adam", "sgd", "True", "False", "0.300", "0.600"} <= {text.get_text() for text in axis.texts}
