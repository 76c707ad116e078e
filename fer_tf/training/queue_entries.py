"""The list that a training queue works through: a csv or yaml file with one run per row."""

import io
import math
import re
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path

import pandas as pd

from .. import data, experiments
from ..common.checks import InputError, check_choice, check_names, check_whole
from ..common.hashes import fingerprint
from ..common.paths import reports_root
from ..experiments.classical import CLASSICAL
from ..experiments.settings import Experiment
from ..experiments.spaces import read_space
from ..runs import records
from ..runs.averaged_views import VIEWS
from ..saving.bundled import bundled_record
from .distillation import bundled_from, teacher_names
from .face_net_runs import face_net_run

ENSEMBLE = "ensemble"


@dataclass(frozen=True)
class Entry:
    """One row of a queue file.

    Attributes:
        experiment: a key of `EXPERIMENTS` or `CLASSICAL`, or "ensemble".
        dataset, protocol, seed: as for `fer-tf train`; protocol "" is the dataset's first.
        overrides: settings as text, "epochs=2 flip=true"; of an ensemble "select=greedy tta=flip".
        options: options of the dataset as text, "label_mode=soft".
        size: "full", "quick" or "smoke".
        space: search this space of settings instead of training once (`fer-tf search --space`).
        members: of an ensemble, the runs or bundled files that it averages, separated by "+".
        priority: larger numbers come first; rows of one priority run in the file's order.
        note: for the reader.
    """

    experiment: str
    dataset: str = "synthetic"
    protocol: str = ""
    seed: int = 0
    overrides: str = ""
    options: str = ""
    size: str = "full"
    space: str = ""
    members: str = ""
    priority: float = 0.0
    note: str = field(default="", compare=False)

    @property
    def kind(self) -> str:
        """How it is run: "train", "search", "classical" or "ensemble"."""
        if self.experiment == ENSEMBLE:
            return ENSEMBLE
        if self.experiment in CLASSICAL:
            return "classical"
        return "search" if self.space else "train"

    @cached_property
    def dataset_options(self) -> dict:
        """The dataset's options as a dict of typed values."""
        return data.parse_options(self.dataset, self.options.split())

    @cached_property
    def resolved(self) -> Experiment:
        """The `Experiment` with the row's overrides."""
        return experiments.resolve(self.experiment, self.size, experiments.parse_overrides(self.overrides))

    @property
    def protocol_name(self) -> str:
        """The protocol, also where the row leaves it to the dataset."""
        return self.protocol or next(iter(data.dataset_spec(self.dataset).protocols))

    @property
    def name(self) -> str:
        """The run's name, which is also that of the row's state and log."""
        if self.kind == ENSEMBLE:
            digest = fingerprint([sorted(self.member_names), self.overrides])[:6]
            return f"ensemble-{self.dataset}-{self.protocol_name}-{digest}"
        name = records.run_name(self.experiment, self.dataset, self.protocol_name, self.seed, self.dataset_options)
        return f"{name}-{read_space(self.space).name}" if self.kind == "search" else name

    @property
    def member_names(self) -> list:
        """The runs and bundled files of an ensemble."""
        return [name.strip() for name in self.members.split("+") if name.strip()]

    @property
    def ensemble_settings(self) -> dict:
        """The overrides of an ensemble, as text."""
        return dict(word.partition("=")[::2] for word in self.overrides.split())

    @property
    def needs(self) -> list:
        """Runs that must be finished first: those of an ensemble, a student's teachers, a fine-tuned face network."""
        if self.kind == ENSEMBLE:
            return [name for name in self.member_names if bundled_record(name) is None]
        if self.kind != "train":
            return []
        place = (self.dataset, self.protocol_name, self.seed, self.dataset_options)
        face_net = face_net_run(self.resolved, *place)
        teachers = [name for name in teacher_names(self.resolved, *place) if bundled_from(name) is None]
        return teachers + ([face_net] if face_net else [])

    @property
    def goes_after(self) -> list:
        """Runs that this one would train itself if they are not there: it waits for those that the queue has."""
        if self.kind != "train" or not self.resolved.salient_by:
            return []
        place = (self.dataset, self.protocol_name, self.seed, self.dataset_options)
        return [records.run_name(self.resolved.salient_by, *place)]

    @property
    def epochs(self) -> int:
        """The epochs of a training; 0 for what is not trained by epochs."""
        return self.resolved.epochs if self.kind == "train" else 0

    @property
    def directory(self) -> Path:
        """The folder of its record."""
        folder = {"search": "searches", ENSEMBLE: "evaluations"}.get(self.kind, "runs")
        return reports_root() / folder / self.name

    def command(self, data_dir: str | None = None) -> list:
        """The arguments after `python -m fer_tf`."""
        if self.kind == ENSEMBLE:
            words = [*self.member_names, "--name", self.name]
            for key, value in self.ensemble_settings.items():
                words += [f"--{key}", value]
        else:
            words = [self.experiment, "--dataset", self.dataset, "--protocol", self.protocol_name]
            words += ["--seed", str(self.seed), "--size", self.size]
            for option in self.options.split():
                words += ["--option", option]
        if self.kind == "search":
            words += ["--grid", "--space", self.space]
        if self.kind in ("train", "search"):
            words += records.setting_words(experiments.parse_overrides(self.overrides))
        return [self.kind, *words, *(["--data-dir", data_dir] if data_dir else [])]


def read_queue(path: str | Path) -> list:
    """The entries of a queue file, the most urgent first.

    Args:
        path: a .csv with a header, or a .yaml list of mappings; only `experiment` is required.
    Raises: `InputError` that names the row and its fault; also for two rows whose runs would have the same name.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"queue: no file {path}; a csv or yaml file with one run per row (queues/measured.csv is one)")
    rows = _yaml_rows(path) if path.suffix in (".yaml", ".yml") else _csv_rows(path)
    entries = [_entry(path, place, row) for place, row in rows]
    if not entries:
        raise InputError(f"{path}: has no rows")
    seen: dict = {}
    for (place, _), entry in zip(rows, entries, strict=True):
        if entry.name in seen:
            raise InputError(
                f"{path}: {place} and {seen[entry.name]} would both be the run {entry.name}; give one of them another "
                "seed, or make its settings a separate experiment"
            )
        seen[entry.name] = place
    return sorted(entries, key=lambda entry: -entry.priority)


def _csv_rows(path):
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        text = "\n".join("" if line.lstrip().startswith("#") else line for line in lines)
        table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, skipinitialspace=True)
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not a readable csv file ({str(error).strip()})") from None
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes cells beyond the header as names of the rows
        raise InputError(f"{path}: the first row has more cells than the header; text with commas needs quotes")
    return [(f"row {number}", row) for number, row in enumerate(table.to_dict("records"), start=1)]


def _yaml_rows(path):
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not readable yaml ({str(error).strip().splitlines()[0]})") from None
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise InputError(f"{path}: must be a list of mappings, each with `experiment:` and what else differs")
    rows = [{str(key): value for key, value in row.items()} for row in content]
    return [(f"entry {number}", row) for number, row in enumerate(rows, start=1)]


def _entry(path, place, row):
    """A row's `Entry`, with everything that can be wrong in it checked now and not hours later."""
    try:
        known = {item.name: item.type for item in fields(Entry)}
        check_names("columns", row, known)
        values = {
            key: _typed(key, known[key], value)
            for key, value in row.items()
            if value is not None and str(value).strip()
        }
        if "experiment" not in values:
            raise InputError("experiment: is missing")
        entry = Entry(**values)
        _check(entry)
    except InputError as error:
        raise InputError(f"{path}: {place}: {error}") from None
    return entry


def _typed(key, value_type, value):
    if value_type is str:
        return str(value).strip()
    try:
        number = float(str(value))
        if math.isnan(number) or (value_type is int and number != int(number)):
            raise ValueError
        return value_type(number)
    except (ValueError, OverflowError):
        whole = "whole " if value_type is int else ""
        raise InputError(f"{key}: must be a {whole}number; received {value!r}") from None


def _check(entry):
    check_choice("experiment", entry.experiment, [*experiments.EXPERIMENTS, *CLASSICAL, ENSEMBLE])
    check_choice("protocol", entry.protocol_name, data.dataset_spec(entry.dataset).protocols)
    check_choice("size", entry.size, experiments.SIZES)
    check_whole("seed", entry.seed, low=0)
    if entry.kind == ENSEMBLE:
        _check_ensemble(entry)
    elif entry.members:
        raise InputError("members: goes with experiment ensemble")
    if entry.kind == "classical" and entry.overrides:
        raise InputError(f"overrides: {entry.experiment} takes none in a queue")
    if entry.kind in ("train", "search"):
        entry.resolved  # noqa: B018 (raises what is wrong with the overrides)
    if entry.space:
        _check_space(entry)
    entry.dataset_options  # noqa: B018


def _check_ensemble(entry):
    if len(entry.member_names) < 2:
        raise InputError("members: an ensemble needs two or more runs or bundled files, separated by +")
    for name in entry.member_names:
        if name.endswith(".tflite") or (name.endswith(".h5") and bundled_record(name) is None):
            raise InputError(f"members: {name} is neither a run nor a bundled Keras model")
    allowed = {"select": ("all", "greedy"), "tta": VIEWS}
    chosen = entry.ensemble_settings
    check_names("overrides", chosen, allowed)
    for key, value in chosen.items():
        check_choice(key, value, allowed[key])


def _check_space(entry):
    if entry.kind != "search":
        raise InputError(f"space: goes with an experiment that is trained; received {entry.experiment}")
    twice = sorted(set(experiments.parse_overrides(entry.overrides)) & set(read_space(entry.space).values))
    if twice:
        raise InputError(f"overrides: {', '.join(twice)} is searched through; leave it out of one of the two")


def parse_budget(text: str) -> float:
    """Seconds out of "12m", "1h30m", "90s" or a number of seconds."""
    written = text.strip()
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", f"{written}s" if written.isdecimal() else written)
    hours, minutes, seconds = (int(number or 0) for number in match.groups()) if match else (0, 0, 0)
    if not hours + minutes + seconds:
        raise InputError(f"budget: must be a time such as 12m, 1h30m or 90s; received {text!r}")
    return float(3600 * hours + 60 * minutes + seconds)
