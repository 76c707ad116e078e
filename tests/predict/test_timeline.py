"""Timelines: drawn for films of any name."""

import pandas as pd
import pytest

from fer_tf.predict.timeline import timeline


@pytest.mark.parametrize("name", ["party_$5_and_$6", r"$\frac$", "_^{"])
def test_names_of_films_are_no_formulas(name, tmp_path):
    table = pd.DataFrame({"time": [0.0, 1.0], "track": [0, 0], "fear": [0.2, 0.6], "anger": [0.8, 0.4]})
    timeline(table, ["fear", "anger"], name).savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size
