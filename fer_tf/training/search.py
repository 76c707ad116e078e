"""Searches hyperparameters by grid or at random: one row per trial, resumable, chosen on validation data alone.

reports/searches/<search>/ holds search.json (its space, data and code), plan.json, trials.csv, figures/ and
trials/<trial>/ with each trial's trial.json and history.csv. repeats/seed<k>/ has the same of trials that were trained
again with another seed, and repeats.csv their spread. No model is kept: `train` trains the best settings and tests them
once.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from .. import experiments, plots
from ..common import hashes
from ..common.checks import InputError
from ..common.cluster import Cluster
from ..common.files import as_json, read_json, write_json
from ..common.paths import reports_root
from ..evaluation.intervals import wilson
from ..evaluation.tables import write_csv
from ..experiments.spaces import read_space
from ..runs import records
from ..runs.datasets import check_classes_alone, check_splits, load_for
from ..runs.environment import environment
from . import checkpoint, fitting, run, search_plots
from .trial_runs import read_history, run_trials, trials_table
from .trials import Trial, family, ordered, ranked, repeated_trials

_BASIS = (
    "experiment",
    "settings",
    "seed",
    "dataset",
    "protocol",
    "dataset_options",
    "class_names",
    "image_shape",
    "dataset_fingerprint",
    "dataset_source",
    "code",
)


@dataclass(frozen=True)
class Search:
    """A search on disk.

    Attributes:
        name, directory: of its record.
        table: DataFrame, one row per trial as it was run: trial, the settings, status ("done" or "failed"), message,
            val_accuracy, val_loss, best_epoch, epochs_run, seconds, parameters, trained_with (the trial whose training
            the row was read from).
        best_settings: dict of the settings searched, of the best trial; of the best mean where trials were repeated.
        train_command: what trains the best settings and tests them once.
        repeated: DataFrame, one row for each repeated trial, the best mean first: the settings, seeds (their number),
            mean, low and high (95 % interval of the mean by Student's t over the seeds), smallest and largest
            validation accuracy. Empty where nothing was repeated.
    """

    name: str
    directory: Path
    table: pd.DataFrame
    best_settings: dict
    train_command: str
    repeated: pd.DataFrame

    def top(self, count: int = 5) -> pd.DataFrame:
        """The best trials first: by validation accuracy, then validation loss, then the fewest epochs."""
        return ranked(self.table).head(count)

    def history(self, trial: str) -> pd.DataFrame:
        """The epochs of the training that the trial was read from, which may be longer than the trial."""
        rows = self.table.set_index("trial")
        return read_history(self.directory, rows.loc[trial, "trained_with"])

    def best_on_validation(self) -> dict[str, Any]:
        """The 95 % interval of the best trial's accuracy, and the images of each class, as `learning_note` takes them.

        The interval is Wilson's, over the validation images. It is of one training, also where trials were repeated.
        """
        counts = read_json(self.directory / "search.json")["counts"]["val"]
        images = counts.pop("all")
        interval = wilson(round(images * self.table["val_accuracy"].max()), images)
        supports = {name: {"support": count} for name, count in counts.items()}
        return {"intervals": {"accuracy": interval}, "per_class": supports}


def run_search(
    name: str,
    space: str | dict = "document4",
    random: int = 0,
    dataset: str = "synthetic",
    protocol: str | None = None,
    seed: int = 0,
    size: str = "full",
    data_dir: str | None = None,
    dataset_options: dict | None = None,
    out: str | Path | None = None,
    retry: bool = False,
    repeats: int = 0,
    share: bool = True,
    verbose: bool = True,
    cluster: Cluster | None = None,
    **overrides,
) -> Search:
    """Trains an experiment with every combination of a space's settings, or with some drawn at random.

    Only train and val are read. A trial whose training is the beginning of another's (fewer epochs, or earlier
    stopping, with the same rates) is read from the longer one's history instead of being trained again. An
    interrupted search resumes: finished trials are not run again, the interrupted one resumes after its last epoch.

    Args:
        name: a key of `EXPERIMENTS`.
        space: see `read_space`.
        random: number of settings to draw from the space by `seed`; 0: all of them.
        dataset, protocol, seed, size, data_dir, dataset_options: see `run_experiment`.
        out: folder to write to; default reports/searches/<experiment>-<dataset>-<protocol>-seed<k>-<space>/.
        retry: run failed trials again.
        repeats: train the best three trials again with this number of other seeds (`seed` + 1, ...) on the same images,
            and take the setting with the best mean.
        share: read shorter trainings from longer ones.
        verbose: a bar over trials on a terminal, one line per trial, and the result.
        cluster: trials run as its tasks; None for one after another in this process. The table is the same.
        **overrides: settings of `Experiment` that are the same in all trials.
    Raises: `InputError` for unknown names, and where no trial came to an end.
    """
    searched, options = read_space(space), dataset_options or {}
    base, combinations = _experiments(name, size, overrides, searched, random, seed)
    ds = _load(base, dataset, data_dir, protocol, seed, options)
    record = run.run_record(name, base, ds, size, seed, options)
    networks = _networks([base, *(experiment for _, experiment in combinations)], seed)
    basis = as_json({**{key: record[key] for key in _BASIS}, "space": searched.values, **networks})
    trials = [
        Trial(hashes.fingerprint([basis, settings]), settings, experiment, family(experiment))
        for settings, experiment in combinations
    ]
    title = f"{records.run_name(name, dataset, ds.protocol, seed, options)}-{searched.name}"
    directory = Path(out) if out else reports_root() / "searches" / title
    command = _command(name, dataset, data_dir, ds.protocol, seed, size, options)
    with records.locked(f"search-{hashes.fingerprint(str(directory.resolve()))}" if out else f"search-{title}"):
        _bind(directory, title, basis, searched, record)
        how: dict[str, Any] = {"share": share, "retry": retry, "verbose": verbose, "cluster": cluster}
        rows = run_trials(directory, ordered(trials), ds.training_data, seed, **how)
        seeds = range(seed + 1, seed + 1 + repeats)
        repeated = _repeat(title, directory, rows, trials, ds, seeds, how)
        return _result(title, directory, rows, repeated, [*command, *records.setting_words(overrides)], verbose)


def _repeat(title, directory, rows, trials, ds, seeds, how):
    """Trains the best three trials again with each seed; returns their spread, an empty frame for no seeds."""
    if not seeds:
        return pd.DataFrame()
    best = set(_ranked_or_refused(title, trials_table(rows)).head(3)["trial"])
    again = ordered([trial for trial in trials if trial.id in best])
    tables = [trials_table(rows)]
    for seed in seeds:
        checkpoint.say(how["verbose"], f"the best {len(again)} again with seed {seed}")
        repeated = run_trials(directory / "repeats" / f"seed{seed}", again, ds.training_data, seed, **how)
        tables.append(trials_table(repeated))
    return repeated_trials(tables)


def _ranked_or_refused(title, table):
    best = ranked(table)
    if best.empty:
        raise InputError(f"{title}: no trial came to an end; the first failed with: {table['message'].iloc[0]}")
    return best


def _experiments(name, size, overrides, space, random, seed):
    """The experiment that all trials vary, and for each trial its settings and its experiment."""
    twice = sorted(set(overrides) & set(space.values))
    if twice:
        raise InputError(f"overrides: {', '.join(twice)} is searched through; leave it out of one of the two")
    base = experiments.resolve(name, size, overrides)
    return base, [_resolved(name, size, overrides, settings) for settings in space.combinations(random, seed)]


def _networks(resolved, seed):
    """{"networks": fingerprints} of the trained networks that trials are given, {} if there are none."""
    experiments_by_files = {(item.face_net, bool(item.matching_epochs), item.weights): item for item in resolved}
    files = sorted(experiments_by_files)
    fingerprints = {str(names): run.given_networks(experiments_by_files[names], seed) for names in files}
    return {"networks": fingerprints} if any(fingerprints.values()) else {}


def _load(base, dataset, data_dir, protocol, seed, options):
    """The dataset of all trials; `InputError` if it cannot be trained on."""
    ds = load_for(base, dataset, data_dir, protocol, seed, options)
    check_classes_alone(ds, "the search")
    ds = ds.limited(base.limit, seed) if base.limit else ds
    check_splits(ds, learns=base.epochs > 0)
    return ds


def _resolved(name, size, overrides, settings):
    """The settings, typed, and the experiment with them; `InputError` for a value that is not allowed."""
    experiment = experiments.resolve(name, size, {**overrides, **settings})
    if experiment.epochs < 1 or experiment.model == "majority":
        raise InputError(f"search: {name} with epochs {experiment.epochs} is not trained by epochs; nothing to select")
    if experiment.salient_by:
        raise InputError(
            f"search: {name} learns pictures that another model's maps change; search {experiment.salient_by}"
        )
    if experiment.teacher:
        raise InputError(f"search: {name} learns a teacher's answers; search the same model without one")
    if fitting.needs_face_net(experiment) and experiment.face_net in experiments.EXPERIMENTS:
        raise InputError(
            f"search: {name} takes the face network of another run of the same data; give that run's file with "
            f"face_net=FILE"
        )
    return {key: getattr(experiment, key) for key in settings}, experiment


def _bind(directory, title, basis, space, record):
    """Prepares `directory` for this basis: a search on another one is put aside, an earlier one on this comes back."""
    fingerprint, stored = hashes.fingerprint(basis), read_json(directory / "search.json")
    place = directory.with_name(f"{directory.name}-replaced")
    replaced = records.swap_folders(directory, stored.get("fingerprint", ""), fingerprint, place)
    if replaced:
        differing = [key for key in basis if stored.get("basis", {}).get(key) != basis[key]]
        print(f"{title}: the search with other {', '.join(differing)} is kept in {replaced}", flush=True)
    about = {
        "name": title,
        "space_source": space.source,
        **{key: record[key] for key in ("counts", "notes", "reduced")},
        "environment": environment(),
    }
    write_json(directory / "search.json", {"fingerprint": fingerprint, "basis": basis, **about})


def _result(title, directory, rows, repeated, command, verbose):
    """The `Search`, with figures written and the best printed."""
    table = trials_table(rows)
    best = (_ranked_or_refused(title, table) if repeated.empty else repeated)["trial"].iloc[0]
    settings = rows[best]["settings"]
    _save_figures(directory, table, list(settings))
    if not repeated.empty:
        write_csv(directory / "repeats.csv", repeated)
    words = [*command, *records.setting_words(settings)]
    search = Search(title, directory, table, settings, shlex.join(words), repeated)
    if verbose:
        print(search.top().drop(columns=["message", "status", "trained_with"]).round(4).to_string(index=False))
        if not repeated.empty:
            print(f"with other seeds:\n{repeated.drop(columns='trial').round(4).to_string(index=False)}")
        print(f"record {directory}\ntrain the best, and test it once:\n  {search.train_command}", flush=True)
    return search


def _save_figures(directory, table, settings):
    done = table[table["status"] == "done"]
    varied = [key for key in settings if done[key].nunique() > 1]
    if varied:
        plots.save_figure(search_plots.heat_map(done, varied), directory / "figures" / "heat_map")
        plots.save_figure(search_plots.parallel_coordinates(done, varied), directory / "figures" / "parallel")


def _command(name, dataset, data_dir, protocol, seed, size, options):
    """The words of the `fer-tf train` line on this dataset; settings follow."""
    words = ["fer-tf", "train", name, "--dataset", dataset, "--protocol", protocol, "--seed", str(seed), "--size", size]
    return [*words, *(["--data-dir", str(data_dir)] if data_dir else []), *records.option_words(options)]
