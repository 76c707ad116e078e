"""Evaluates a model's second output (valence and arousal, action units) on the test split, next to `evaluate`.

A record gets second.json (metrics) and second.csv: name, the true value and the answer of each value, one row for each
test image. Both are written before metrics.json, so that a finished run has them.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from ..common.files import read_json, write_json
from ..common.hashes import code_fingerprint
from ..common.inference import predict_both, whole_of
from ..data.base import FaceDataset
from ..emotions import SecondOutput
from ..evaluation import second_metrics
from ..evaluation.tables import write_csv


def is_current(directory: Path, record: dict, ds: FaceDataset) -> bool:
    """True if second.json is of this record's weights and of this code, or the dataset has no second output."""
    stored = read_json(Path(directory) / "second.json")
    return ds.second is None or all(stored.get(key) == value for key, value in _basis(record).items())


def _basis(record):
    return {"fingerprint": record["fingerprint"], "code": code_fingerprint([__file__, second_metrics.__file__])}


def common_values(model: keras.Model, ds: FaceDataset) -> SecondOutput | None:
    """The second output that a model and a dataset have in common: the same kind, and the values that both name.

    The order is the dataset's, and so is the strength from which an action unit counts as present.

    Returns: `SecondOutput`, or None if there is none.
    """
    whole = whole_of(model)
    if whole is None or ds.second is None or whole.second.kind != ds.second.kind:
        return None
    names = tuple(name for name in ds.second.names if name in whole.second.names)
    return ds.second._replace(names=names) if names else None


def write_second(directory: Path, model: keras.Model, ds: FaceDataset, record: dict) -> dict[str, Any]:
    """Reads the test split and writes second.csv and second.json; nothing if there is no common second output.

    Args:
        directory: of the run or the evaluation.
        model: of `load_model`.
        ds: with pictures as the model takes them.
        record: its fingerprint goes into second.json.
    Returns: the metrics, see `second_metrics`; {} if there are none.
    """
    directory, second, learned = Path(directory), common_values(model, ds), whole_of(model)
    (directory / "second.json").unlink(missing_ok=True)
    if second is None or learned is None:
        return {}
    names, values = list(second.names), predict_both(model, ds.test)[1]
    assert values is not None
    answers = values[:, [learned.second.names.index(name) for name in names]]
    rows = ds.table.iloc[ds.test.rows]
    truth = rows[names].to_numpy(np.float32)
    frame = pd.DataFrame({"name": rows["name"].to_numpy()})
    for name, true, answer in zip(names, truth.T, answers.T, strict=True):
        frame[f"true {name}"], frame[name] = true, answer
    write_csv(directory / "second.csv", frame.round(6))
    result = second_metrics.second_metrics(truth, answers, second)
    write_json(directory / "second.json", {**_basis(record), "present": second.present, "test": result})
    return result


def metric_lines(metrics: dict[str, Any]) -> list[str]:
    """The means and each value's metrics as lines of text, for the end of a run."""
    rows = {**metrics["per_value"], "mean": metrics["mean"]}
    return [f"{name}: " + ", ".join(_shown(key, value) for key, value in row.items()) for name, row in rows.items()]


def _shown(key, value):
    return f"{key} {'undefined' if value is None else value if key == 'n' else format(value, '.3f')}"
