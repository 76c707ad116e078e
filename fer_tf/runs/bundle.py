"""Makes a file that ships from the model of a run: small, with a checksum, and measured again."""

import shutil
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from ..common.checks import InputError
from ..common.files import replacing, write_json, write_text
from ..common.hashes import file_fingerprint
from ..common.paths import models_root
from ..common.shipped import write_checksums
from ..data import dataset_spec
from ..data.base import FaceDataset
from ..evaluation import comparison, tables
from ..evaluation.intervals import percent_interval
from ..experiments.table import EXPERIMENTS
from ..saving.bundled import bundled_records
from ..saving.keras_files import FACENET2EXPNET, load_model, read_description, save_facenet2expnet
from . import evaluate, records
from .datasets import dataset_of, typed_options

LARGEST = 5_000_000
# The largest loss of accuracy by half precision, as a share of the test set. Above it a file is refused.
TOLERANCE = 0.001
QUARTERS = ("darkest quarter", "second", "third", "brightest quarter")
TEST_FIGURES = ("n", "accuracy", "balanced_accuracy", "macro_f1", "top2", "ece", "intervals")


def bundle_run(name: str, file: str, data_dir: str | None = None) -> dict:
    """Writes models/bundled/<file>, its record, the checksums and README of the folder.

    Kernels are stored as float16 (they are float32 again once loaded); batch norms and biases stay as they are. The
    figures in the record are measured on the test split from the shipped file.

    Args:
        name: of a finished run.
        file: name of the shipped file, ends in .h5; FaceNet2ExpNet.h5 gets the proposal's label order.
        data_dir: the folder of the run's dataset, see `load_dataset`.
    Raises: `InputError` if the file is larger than 5 MB, or half precision costs more than a thousandth of accuracy.
    """
    if Path(file).suffix != ".h5" or Path(file).name != str(file):
        raise InputError(f"file: must be a name that ends in .h5; received {str(file)!r}")
    run = records.read_run(records.run_directory(name))
    ds = dataset_of(run, data_dir)
    with tempfile.TemporaryDirectory() as folder:
        shipped = _shipped(run, Path(folder) / file)
        record = {**_record(run, shipped), **_measured(run, shipped, ds)}
        record["limits"] = limits(record)
        _check(record, run)
        with replacing(_folder() / file) as temporary:
            shutil.copyfile(shipped, temporary)
    write_json((_folder() / file).with_suffix(".json"), record)
    write_index()
    return record


def _folder():
    """Where models are bundled: never the project's own where $FER_TF_MODELS is another."""
    return models_root() / "bundled"


def _shipped(run, path):
    if path.name == FACENET2EXPNET:
        save_facenet2expnet(load_model(run.model_path), path)
    else:
        shutil.copyfile(run.model_path, path)
    halve(path)
    return path


def halve(path: str | Path) -> None:
    """Stores the kernels in a .h5 file as float16: a file of half the size that loads as before."""
    with replacing(path) as temporary, h5py.File(path) as source, h5py.File(temporary, "w") as target:
        _copy(source, target)


def _copy(source, target):
    target.attrs.update(source.attrs)
    for key, item in source.items():
        if isinstance(item, h5py.Group):
            _copy(item, target.create_group(key))
        else:
            is_kernel = item.dtype == np.float32 and item.ndim >= 2
            target.create_dataset(key, data=item[()].astype(np.float16) if is_kernel else item[()])
            target[key].attrs.update(item.attrs)


def measure(path: str | Path, ds: FaceDataset) -> dict:
    """The figures of a model file on a dataset's test split, as a record has them."""
    with tempfile.TemporaryDirectory() as folder:
        run = evaluate.evaluate_model(load_model(path), ds, Path(path).stem, folder)
        test, near = run.metrics["test"], run.metrics["without_near_copies"]
        light = _by_brightness(run.predictions, ds)
    return {
        **{key: test[key] for key in TEST_FIGURES},
        "recall": {name: scores["recall"] for name, scores in test["per_class"].items()},
        "without_near_copies": {key: near[key] for key in ("n", "accuracy") if key in near},
        "lists": run.metrics["lists"],
        "brightness": light,
    }


def _by_brightness(predictions, ds):
    """Accuracy in quarters of the test images by mean pixel: the only hint at light and skin in unlabelled pictures."""
    names = ds.table["name"].iloc[ds.test.rows]
    mean = pd.Series([float(image.mean()) for image in ds.test.images], index=names).loc[predictions["name"]]
    groups = pd.qcut(mean.rank(method="first").to_numpy(), 4, labels=QUARTERS)
    table = comparison.accuracy_by(predictions, groups).set_index("group").reindex(list(QUARTERS))
    return table.drop(columns="macro F1").reset_index().to_dict("records")


def _measured(run, shipped, ds):
    images = ds.val.images[:256]
    models = load_model(run.model_path), load_model(shipped)
    whole, half = (evaluate.class_probabilities(model, images, ds.class_names) for model in models)
    return {"test": measure(shipped, ds), "float16_difference": float(np.abs(whole - half).max())}


def _record(run, shipped):
    facts = ("experiment", "dataset", "protocol", "seed", "reduced", "source", "fingerprint", "image_shape")
    facts += ("dataset_options", "typed_options", "settings", "test_fingerprint", "notes")
    training = run.metrics["training"]
    return {
        "file": shipped.name,
        "sha256": file_fingerprint(shipped),
        "bytes": shipped.stat().st_size,
        "run": run.name,
        **{key: run.record[key] for key in facts if key in run.record},
        "command": command(run.record),
        "class_names": read_description(shipped)["class_names"],
        **{key: training[key] for key in ("parameters", "epochs", "best_epoch")},
        "trained_on": training["environment"],
        "test_accuracy_of_the_run": run.metrics["test"]["accuracy"],
    }


def command(record: dict) -> str:
    """The command that trains a run's model again, by its `closest_experiment`."""
    experiment = closest_experiment(record)
    changed = _changed(experiment, record)
    words = ["fer-tf", "train", experiment, "--dataset", record["dataset"], "--protocol", record["protocol"]]
    words += ["--seed", str(record["seed"]), *records.setting_words(changed)]
    return " ".join([*words, *records.option_words(typed_options(record))])


def closest_experiment(record: dict) -> str:
    """The experiment of the same model that needs the fewest changes to be a run's settings."""
    model = EXPERIMENTS[record["experiment"]].model
    changes = {name: len(_changed(name, record)) for name, entry in EXPERIMENTS.items() if entry.model == model}
    return min(changes, key=lambda name: (changes[name], name != record["experiment"]))


def _changed(experiment, record):
    """The record's settings that are not the experiment's."""
    usual = EXPERIMENTS[experiment].settings()
    return {name: value for name, value in record["settings"].items() if usual.get(name) != value}


def _check(record, run):
    lost = run.metrics["test"]["accuracy"] - record["test"]["accuracy"]
    if abs(lost) > TOLERANCE:
        raise InputError(
            f"{run.name}: its file gives accuracy {record['test']['accuracy']:.4f} in half precision, "
            f"its record says {run.metrics['test']['accuracy']:.4f}"
        )
    if record["bytes"] > LARGEST:
        raise InputError(f"{run.name}: its file has {record['bytes']:,} bytes, more than the {LARGEST:,} that ship")


def write_index() -> None:
    """Writes SHA256SUMS (for `sha256sum -c`) and README.md of models/bundled/ from the records in it."""
    cards = bundled_records()
    write_checksums(_folder(), cards)
    write_text(_folder() / "README.md", _readme(cards))


def _readme(cards):
    parts = [
        "# Models that ship\n\nWritten by `fer-tf bundle` from the records next to the files; figures were measured "
        "again from the shipped files, on the protocol's test split; nothing was chosen by them.\n",
        tables.markdown(index(cards)),
        *map(_limits, cards),
    ]
    return "\n".join(parts) + "\nWhat the labels are and are not: [RESPONSIBLE_USE.md](../../RESPONSIBLE_USE.md).\n"


def index(cards: list) -> pd.DataFrame:
    """One row per bundled model: file, what it was trained on, test accuracy with its interval (percent), size."""
    return pd.DataFrame(map(_row, cards))


def _row(record):
    test = record["test"]
    near = test["without_near_copies"].get("accuracy")
    return {
        "file": record["file"],
        "experiment": closest_experiment(record),
        "classes": len(record["class_names"]),
        "trained on": f"{record['dataset']} {record['protocol']}, seed {record['seed']}",
        "epochs": record["epochs"],
        "test accuracy": f"{100 * test['accuracy']:.1f}",
        "95 % interval": percent_interval(test["intervals"]["accuracy"]),
        "without near copies": "" if near is None else f"{100 * near:.1f}",
        "macro F1": f"{100 * test['macro_f1']:.1f}",
        "MB": f"{record['bytes'] / 1e6:.1f}",
    }


def _limits(record):
    test, environment = record["test"], record["trained_on"]
    recall = ", ".join(f"{name} {100 * value:.0f}" for name, value in test["recall"].items())
    lists = [
        f"- On the list {name} ({scores['n']:,} images): {100 * scores['accuracy']:.1f} %."
        for name, scores in test["lists"].items()
    ]
    brightness = ", ".join(f"{group['group']} {100 * group['accuracy']:.0f}" for group in test["brightness"])
    lines = [
        f"## {record['file']}\n",
        f"- Trained by `{record['command']}` on {environment['device']} ({environment['cores']} cores), revision "
        f"{environment['revision']}, best epoch {record['best_epoch']} of {record['epochs']}"
        + (f"; reduced: {record['reduced']}." if record["reduced"] else "."),
        f"- Recall of each class on the {test['n']:,} test images (%): {recall}.",
        f"- Expected calibration error {100 * test['ece']:.1f} points; largest change of a probability by half "
        f"precision {record['float16_difference']:.4f}.",
        *_teacher(record["settings"]),
        *lists,
        f"- By brightness of the picture (%): {brightness}.",
        f"- Limits: {record.get('limits') or limits(record)}.",
    ]
    return "\n".join(lines) + "\n"


def _teacher(settings):
    """A line on the face net that a model was matched to, which does not ship; no line without a face net."""
    if not settings["matching_epochs"]:
        return []
    return [
        f"- First matched to the maps of a face net, {settings['face_net']}, which does not ship: what it is, its "
        "licence and where it goes is in [models/README.md](../README.md)."
    ]


def limits(record: dict) -> str:
    """The known limits of a model, in one line."""
    return f"{dataset_spec(record['dataset']).limits}; {weakness(record['test']['recall'])}"


def weakness(recall: dict) -> str:
    """The classes that a model never got right, or the one that it is worst at; recall: dict class -> 0..1."""
    missed = [name for name, value in recall.items() if value == 0]
    return f"never right on {' and '.join(missed)}" if missed else f"weakest at {min(recall, key=recall.__getitem__)}"
