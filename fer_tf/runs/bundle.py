"""Makes a file that ships from the model of a run: adjusted, small, with a checksum, and measured again."""

import shutil
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from ..common.checks import InputError
from ..common.files import read_json, replacing, write_json, write_text
from ..common.hashes import file_fingerprint
from ..common.paths import models_root
from ..common.shipped import write_checksums
from ..data import dataset_spec
from ..data.base import FaceDataset
from ..evaluation import comparison, tables
from ..evaluation.intervals import percent_interval
from ..experiments.table import EXPERIMENTS
from ..saving import model_info, save_model
from ..saving.bundled import bundled_records
from ..saving.export import CALIBRATION, CHECKED, SamplePictures, export_model
from ..saving.keras_files import FACENET2EXPNET, load_model, save_facenet2expnet
from ..saving.opening import open_in_runtime
from . import evaluate, records
from .adjusting import Adjustment, adjust_model, choose_adjustment
from .datasets import dataset_of, typed_options

# Suffix of a file that ships -> (largest size in bytes, largest loss of validation accuracy by fewer bits, as a share,
# the kind of numbers that its kernels are stored in). A file above these limits is refused.
LIMITS = {".h5": (5_000_000, 0.001, "float16"), ".tflite": (500_000, 0.02, "int8")}
_HEAD = """# Models that ship

Written by `fer-tf bundle` from the records next to the files. The figures were measured again from the shipped files,
on the protocol's test split. Nothing was chosen by them.
"""
_USE = """These cards have the usual form (Mitchell et al. 2019). What all files share:

- **Intended use**: teaching, and research on expressions in pictures of faces. The label is a guess about the look of a
  face.
- **Not for**: judging, identifying or watching people, and decisions about them.
  [RESPONSIBLE_USE.md](../../RESPONSIBLE_USE.md) says what the labels are not.
- **People**: the datasets do not say the age, sex or skin of their people. So accuracy by group of people is not known;
  brightness is the only hint.
- **Licence**: the files have the kit's MIT licence. The pictures that they learned from have their own.
"""
QUARTERS = ("darkest quarter", "second", "third", "brightest quarter")
TEST_FIGURES = ("n", "accuracy", "balanced_accuracy", "macro_f1", "top2", "ece", "intervals")


def bundle_run(name: str, file: str, data_dir: str | None = None, adjust: bool = True) -> dict:
    """Writes models/bundled/<file>, its record, the checksums and README of the folder.

    A `.h5` file stores kernels as float16 (they are float32 again once loaded); batch norms and biases stay as they
    are. A `.tflite` file is an int8 export, calibrated on training images. The figures in the record are measured on
    the test split from the shipped file. Nothing is chosen by them.

    Args:
        name: of a finished run.
        file: name of the shipped file, ends in .h5 or .tflite; FaceNet2ExpNet.h5 gets the proposal's label order.
        data_dir: the folder of the run's dataset, see `load_dataset`.
        adjust: change the last layer by what `choose_adjustment` finds on the validation split.
    Raises: `InputError` if the file is larger than `LIMITS` allow, or if fewer bits cost more accuracy than that.
    """
    suffix = Path(file).suffix
    if suffix not in LIMITS or Path(file).name != str(file):
        raise InputError(f"file: must be a name that ends in {' or '.join(LIMITS)}; received {str(file)!r}")
    card = (_folder() / file).with_suffix(".json")
    if read_json(card).get("file", file) != file:
        raise InputError(f"file: {card.name} is the record of {read_json(card)['file']}; take another name than {file}")
    run = records.read_run(records.run_directory(name))
    ds = dataset_of(run, data_dir)
    model, adjustment = load_model(run.model_path), None
    if adjust:
        before = evaluate.class_probabilities(model, ds.val)
        adjustment = choose_adjustment(ds.val.labels, before, ds.train.labels)
        adjust_model(model, adjustment)
        _note_adjustment(model, adjustment)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file
        _write(model, path, ds)
        record = {**_record(run, path), **_measured(model, path, ds)}
        record |= {"adjustment": adjustment.about()} if adjustment else {}
        record["limits"] = limits(record)
        _check(record)
        with replacing(_folder() / file) as temporary:
            shutil.copyfile(path, temporary)
    write_json(card, record)
    write_index()
    return record


def _folder():
    """Where models are bundled: never the project's own where $FER_TF_MODELS is another."""
    return models_root() / "bundled"


def _write(model, path, ds):
    """Writes the file that ships, with as few bits as `LIMITS` say."""
    info = model_info(model)
    if path.suffix == ".tflite":
        pictures = SamplePictures(
            ds.train.sample(CALIBRATION)[0], ds.val.sample(CHECKED)[0], f"{ds.name} {ds.protocol}"
        )
        export_model(model, path, "tflite", "int8", pictures)
        return
    if path.name == FACENET2EXPNET:
        save_facenet2expnet(model, path)
    else:
        save_model(model, path, info["class_names"], info.get("provenance"))
    halve(path)


def _note_adjustment(model, adjustment: Adjustment):
    """Adds the adjustment to the description of a model, which goes into its file."""
    info = model_info(model)
    model.fer_tf_info = {**info, "provenance": {**info.get("provenance", {}), "adjustment": adjustment.about()}}


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
        run = evaluate.evaluate_model(open_in_runtime(path), ds, Path(path).stem, folder)
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


def _measured(model, shipped, ds):
    """Test figures of the shipped file, and what fewer bits change on the validation split."""
    small = open_in_runtime(shipped)
    whole, stored = (evaluate.class_probabilities(each, ds.val) for each in (model, small))
    right = [(each.argmax(axis=1) == ds.val.labels).mean() for each in (whole, stored)]
    return {
        "test": measure(shipped, ds),
        "stored_as": LIMITS[shipped.suffix][2],
        "stored_difference": float(np.abs(whole - stored).max()),
        "stored_loss": float(right[0] - right[1]),
    }


def _record(run, shipped):
    facts = ("experiment", "dataset", "protocol", "seed", "reduced", "source", "fingerprint", "image_shape")
    facts += (
        "dataset_options",
        "typed_options",
        "settings",
        "test_fingerprint",
        "teacher_runs",
        "started_from",
        "notes",
    )
    training = run.metrics["training"]
    return {
        "file": shipped.name,
        "sha256": file_fingerprint(shipped),
        "bytes": shipped.stat().st_size,
        "run": run.name,
        **{key: run.record[key] for key in facts if key in run.record},
        "command": command(run.record),
        "class_names": model_info(open_in_runtime(shipped))["class_names"],
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


def _check(record):
    """Refuses a file that is too large, or whose fewer bits cost too much accuracy."""
    largest, tolerance, numbers = LIMITS[Path(record["file"]).suffix]
    if record["stored_loss"] > tolerance:
        raise InputError(
            f"{record['run']}: {numbers} costs {record['stored_loss']:.4f} of the accuracy on the validation split; at "
            f"most {tolerance} is allowed"
        )
    if record["bytes"] > largest:
        raise InputError(
            f"{record['run']}: its file has {record['bytes']:,} bytes, more than the {largest:,} that ship"
        )


def write_index() -> None:
    """Writes SHA256SUMS (for `sha256sum -c`) and README.md of models/bundled/ from the records in it."""
    cards = bundled_records()
    write_checksums(_folder(), cards)
    write_text(_folder() / "README.md", _readme(cards))


def _readme(cards):
    return "\n".join([_HEAD, tables.markdown(index(cards)), _USE, *map(_card, cards)])


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


def _card(record):
    """The model card of one file (Mitchell et al. 2019), without what all files share."""
    test, environment, spec = record["test"], record["trained_on"], dataset_spec(record["dataset"])
    reduced = f" This was a reduced run: {record['reduced']}." if record["reduced"] else ""
    near = test["without_near_copies"].get("accuracy")
    without = "" if near is None else f" Without test images that have a near copy in train or val: {100 * near:.1f} %."
    lines = [
        f"## {record['file']}\n",
        f"**Model.** `{closest_experiment(record)}` ({record['source']}), {record['parameters']:,} parameters. "
        f"It takes pictures of {'×'.join(map(str, record['image_shape']))} and returns the probabilities of "
        f"{len(record['class_names'])} classes, stored as {record.get('stored_as', 'float16')}.\n",
        f"**Data.** {spec.title} (licence: {spec.licence}), protocol `{record['protocol']}`, seed {record['seed']}. "
        f"{_epochs(record)}, best epoch {record['best_epoch']} by validation.{reduced}{_learned_from(record)}\n",
        f"**How to make it again.** `{record['command']}`; this one on {environment['device']} "
        f"({environment['cores']} cores), revision {environment['revision']}. Then `fer-tf bundle`.\n",
        f"**Metrics** on {test['n']:,} test images: accuracy {100 * test['accuracy']:.1f} % "
        f"({percent_interval(test['intervals']['accuracy'])}), balanced accuracy "
        f"{100 * test['balanced_accuracy']:.1f} %, macro F1 {100 * test['macro_f1']:.1f} %, "
        f"expected calibration error {100 * test['ece']:.1f} points.{without}"
        f"{_adjustment_text(record)}\n",
        tables.markdown(_accuracy_by_group(test)),
        f"**Limits.** {_sentence(record.get('limits') or limits(record))}\n",
    ]
    return "\n".join(lines)


def _epochs(record):
    return f"{record['epochs']} epoch{'s' * (record['epochs'] != 1)}"


def _sentence(text):
    return f"{text[0].upper()}{text[1:]}."


def _accuracy_by_group(test):
    """One row per class, list of test images and quarter of brightness: the share of right answers."""
    rows = [{"test images": name, "right %": f"{100 * value:.0f}"} for name, value in test["recall"].items()]
    rows += [
        {"test images": f"list {name} ({scores['n']:,})", "right %": f"{100 * scores['accuracy']:.1f}"}
        for name, scores in test["lists"].items()
    ]
    rows += [
        {"test images": f"brightness: {group['group']}", "right %": f"{100 * group['accuracy']:.0f}"}
        for group in test["brightness"]
    ]
    return pd.DataFrame(rows)


def _adjustment_text(record):
    """A sentence on what was changed in the last layer; "" if nothing was."""
    adjustment = record.get("adjustment")
    if not adjustment:
        return ""
    return (
        f" The last layer was adjusted on the validation split: temperature {adjustment['temperature']:.2f}, strength "
        f"of the logit adjustment {adjustment['strength']:g}. Before that, the run had "
        f"{100 * record['test_accuracy_of_the_run']:.1f} %."
    )


def _learned_from(record):
    """Sentences on the other networks that a model learned from; "" if there are none."""
    settings, sentences = record["settings"], []
    absent = ", which does not ship ([models/README.md](../README.md))"
    if settings["matching_epochs"]:
        sentences.append(f"It was first matched to the maps of a face net, {settings['face_net']}{absent}")
    if "started_from" in record:
        sentences.append(f"It began with the weights of `{record['started_from']['file']}`")
    teachers = [name for name in record.get("teacher_runs") or [settings.get("teacher", "")] if name]
    if teachers:
        answers = "the mean answers" if len(teachers) > 1 else "the answers"
        names = " and ".join(f"`{name}`{'' if name.endswith('.h5') else ' (does not ship)'}" for name in teachers)
        sentences.append(f"It also learned {answers} of {names}")
    return "".join(f" {sentence}." for sentence in sentences)


def limits(record: dict) -> str:
    """The known limits of a model, in one line."""
    return f"{dataset_spec(record['dataset']).limits}; {weakness(record['test']['recall'])}"


def weakness(recall: dict) -> str:
    """The classes that a model never got right, or the one that it is worst at; recall: dict class -> 0..1."""
    missed = [name for name, value in recall.items() if value == 0]
    return f"never right on {' and '.join(missed)}" if missed else f"weakest at {min(recall, key=recall.__getitem__)}"
