"""What is known about a model file: its classes, its training, its measured accuracy and its limits, as text."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from ..common.checks import InputError
from ..common.paths import reports_root, results_root
from ..data import dataset_spec, is_known
from ..saving.bundled import bundled_records
from ..saving.declaration import declared_text
from ..saving.keras_files import model_info
from . import records

if TYPE_CHECKING:
    import keras

    from ..saving.runtimes import ExportedModel


def model_lines(model: "keras.Model | ExportedModel") -> list[str]:
    """Lines of text about a model: its name and classes, its training dataset, its test accuracy and its limits."""
    info = model_info(model)
    provenance = info.get("provenance", {})
    lines = [f"Model: {provenance.get('run') or model.name}; {', '.join(info['class_names'])}."]
    if declared := declared_text(provenance):
        lines.append(f"{declared[0].upper()}{declared[1:]}.")
    dataset, protocol = provenance.get("dataset"), provenance.get("protocol")
    if not dataset:
        return [*lines, "Its training dataset is not recorded."]
    lines.append(f"Trained on: {dataset}{f' ({protocol})' if protocol else ''}. {_measured(provenance)}")
    if is_known(dataset):
        lines.append(f"Limits: {dataset_spec(dataset).limits}.")
    return lines


def _measured(provenance):
    """A sentence with the test accuracy of the run that made a model, if there is a record of it."""
    subject = "Accuracy of the model that this was exported from" if "export" in provenance else "Accuracy"
    for test in _test_metrics(provenance):
        return f"{subject} on its {test['n']:,} test images: {100 * test['accuracy']:.1f} %."
    return "Its test accuracy is not recorded here."


def _test_metrics(provenance):
    """Yields the test metrics in the records of bundled models and of runs with this run name and fingerprint.

    A bundled model whose scores were adjusted has other figures than its run.
    """
    name, fingerprint = provenance.get("run"), provenance.get("fingerprint")
    if not fingerprint or not isinstance(name, str) or Path(name).name != name:  # the file may come from anywhere
        return
    for record in bundled_records():
        is_same = (record.get("run"), record.get("fingerprint")) == (name, fingerprint)
        if is_same and record.get("adjustment") == provenance.get("adjustment"):
            yield record["test"]
    if provenance.get("adjustment"):
        return
    for root in (reports_root() / "runs", results_root() / "runs"):
        with contextlib.suppress(InputError):
            run = records.read_run(root / name)
            if run.record["fingerprint"] == fingerprint:
                yield run.metrics["test"]
