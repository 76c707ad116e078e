"""Executes the numbered notebooks, several at the same time. Notebooks for which nothing has changed are skipped."""

import contextlib
import functools
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

import nbclient
import nbformat
from nbconvert import HTMLExporter

from .. import experiments
from ..common.checks import InputError, check_choice, check_range
from ..common.cores import thread_variables, usable_cores
from ..common.files import replacing, write_text
from ..common.hashes import file_fingerprint, fingerprint
from ..common.paths import bundled_root, data_root, project_root, reports_root
from ..common.quiet import quiet_stderr
from ..data import check_dataset, dataset_spec, joined, parse_options
from . import records

KERNEL = "python3"


class NotebookError(InputError):
    """A cell of a notebook failed; the message says which cell, and where the partial notebook is."""


def notebook_paths() -> list:
    """The course's notebooks, in order."""
    return sorted((project_root() / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def default_jobs(dataset: str) -> int:
    """Notebooks that run at the same time: two on synthetic faces, each on half of the cores.

    Two small networks on one core each get more done than one after the other on two cores. One notebook at a time on
    real data, which needs the memory, and on an accelerator.
    """
    from .environment import has_accelerator

    is_small = dataset_spec(dataset).is_drawn
    return 2 if is_small and len(usable_cores()) > 1 and not has_accelerator() else 1


def reproduce(names: list | None, parameters: dict, force: bool = False, jobs: int = 1) -> list:
    """Executes notebooks and builds the report.

    Args:
        names: stems of notebooks, or None for all.
        parameters: dict of flat scalars; each notebook gets those it declares.
        force: also execute what has not changed.
        jobs: notebooks that run at the same time. A notebook that uses runs of an earlier one waits for it.
    Returns: list of executed notebooks' paths.
    Raises: `NotebookError` if a cell fails. Notebooks that are running then are executed to their end first.
    """
    check_range("jobs", jobs, 1, 64)
    paths = {path.stem: path for path in notebook_paths()}
    for name in names or []:
        check_choice("notebook", name, paths)
    _check_parameters(parameters)
    chosen = [paths[name] for name in names] if names else list(paths.values())
    started = time.perf_counter()
    tasks = {
        path: functools.partial(_run, path, parameters, force, f"[{number}/{len(chosen)}] {path.stem}")
        for number, path in enumerate(chosen, start=1)
    }
    with quiet_stderr():  # a kernel's own stderr; what cells write there is in the notebook
        jobs = min(jobs, len(tasks))
        if jobs == 1:  # with all cores
            seconds = {path: task() for path, task in tasks.items()}
        else:
            with _for_kernels() as share_cores:
                seconds = _run_side_by_side(tasks, jobs, bool(parameters["overrides"]), share_cores)
    from .report import build_report

    report = build_report()
    print("\n".join(f"{path.stem:32} {time_text(seconds[path]):>12}" for path in chosen))
    print(f"{'all, and the report':32} {time_text(time.perf_counter() - started):>12}\nreport: {report}", flush=True)
    return [_executed_path(path) for path in chosen]


def _run_side_by_side(tasks, jobs, is_changed, share_cores):
    """Runs tasks (path of a notebook -> function) in threads and returns their results.

    Each starts after those it needs. Those with the most work behind them start first, so that no core is idle at the
    end. `share_cores` is from `_for_kernels`: the last one alone gets all cores.
    """
    needed = {path: needed_before(path, tasks, is_changed) for path in tasks}
    waiting, running, results = _longest_chain_first(needed), {}, {}
    pool = ThreadPoolExecutor(jobs)
    try:
        while waiting or running:
            for path in list(waiting):
                if len(running) < jobs and all(other in results for other in needed[path]):
                    share_cores(min(jobs, len(running) + len(waiting)))
                    running[pool.submit(tasks[path])] = path
                    waiting.remove(path)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                path = running.pop(future)
                if future.exception() and running:
                    print(f"{path.stem}: failed; waiting for the others that are running", flush=True)
                    wait(running)
                results[path] = future.result()
    except KeyboardInterrupt:
        while wait(running, timeout=0.5).not_done:  # a kernel may just be starting
            _kill_kernels()
        raise
    finally:
        pool.shutdown()
    return results


def _longest_chain_first(needed):
    """Notebooks by the longest chain, in seconds, of themselves and others that cannot start before they have ended.

    A notebook's typical time is in its metadata (`fer_tf.seconds`); only the order depends on it.
    """
    seconds = {path: _about(nbformat.read(path, as_version=4)).get("seconds", 1) for path in needed}

    def chain(path):
        return seconds[path] + max((chain(other) for other, before in needed.items() if path in before), default=0)

    return sorted(needed, key=chain, reverse=True)


@contextlib.contextmanager
def _for_kernels():
    """A function that shares the cores among a number of kernels, those that start next.

    They inherit the folder and the variables with the number of threads. The user's own variables are kept.
    """
    own = set(thread_variables(1)) - set(os.environ)

    def share_cores(kernels):
        variables = thread_variables(max(1, len(usable_cores()) // kernels))
        os.environ.update({name: value for name, value in variables.items() if name in own})

    try:
        with contextlib.chdir(project_root()):  # papermill changes it for each notebook, and threads share it
            yield share_cores
    finally:
        for name in own:
            os.environ.pop(name, None)


def needed_before(path: Path, others: Iterable[Path], is_changed: bool = False) -> list[Path]:
    """Those of other notebooks that must be finished before one starts, in order.

    For each run it uses, this is the first of the earlier notebooks that makes it. A notebook that compares all runs
    needs all earlier ones that make any.

    Args:
        path: of the notebook.
        others: paths of notebooks.
        is_changed: settings are given for all notebooks. Some keep a setting of their own, and then two runs of one
            name may differ. So a notebook waits for all earlier ones that make a run of the same name.
    """
    earlier = sorted(other for other in others if other.stem < path.stem)
    about = _about(nbformat.read(path, as_version=4))
    makes = {other: _about(nbformat.read(other, as_version=4)).get("experiments", []) for other in earlier}
    if about.get("reads_runs"):
        return [other for other in earlier if makes[other]]
    makers: dict = {}
    for other, names in makes.items():
        for name in names:
            makers.setdefault(name, []).append(other)
    used = [makers[name] for name in about.get("experiments", []) if name in makers]
    return sorted({other for made in used for other in (made if is_changed else made[:1])})


def _kill_kernels():
    """Ends the notebooks' kernels. Their trainings resume after the last finished epoch."""
    import psutil

    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # it has just ended
            if any("ipykernel" in word for word in child.cmdline()):
                child.kill()


def time_text(seconds: float) -> str:
    """A time for people: "42 s", "3 min 05 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _check_parameters(parameters):
    """Checks all parameters before the first notebook runs."""
    spec = dataset_spec(parameters["dataset"])
    if parameters["protocol"]:
        check_choice("protocol", parameters["protocol"], spec.protocols)
    size = experiments.default_size(parameters["dataset"], parameters["size"])
    experiments.resolve("cnn", size, experiments.parse_overrides(parameters["overrides"]))
    parse_options(parameters["dataset"], parameters["dataset_options"])
    check_dataset(parameters["dataset"], parameters["data_dir"])


def _run(path, parameters, force, label):
    """Executes one notebook unless its copy in reports/notebooks/ is up to date; returns the seconds it took."""
    target, started = _executed_path(path), time.perf_counter()
    own = {key: value for key, value in parameters.items() if key in declared_parameters(path)}
    key = notebook_key(path, own)
    if not force and _is_current(target, path, own, key):
        print(f"{label}: unchanged", flush=True)
        return 0.0
    print(f"{label} ...", flush=True)
    _execute(path, target, own, key)
    seconds = time.perf_counter() - started
    print(f"{label}: done in {seconds:.1f} s", flush=True)
    return seconds


def _executed_path(path):
    return reports_root() / "notebooks" / path.name


def declared_parameters(path: str | Path) -> list:
    """Names assigned in the cell tagged `parameters`; papermill only warns of others, so they are never passed."""
    import papermill

    return list(papermill.inspect_notebook(str(path)))


def notebook_key(path: str | Path, parameters: dict) -> str:
    """Hash of all that an executed notebook depends on: its cells, parameters, the package, the dataset's files and,
    for notebooks that compare runs (metadata fer_tf.reads_runs), every run record, and for those that use the bundled
    models (fer_tf.reads_bundled) their records."""
    notebook = nbformat.read(path, as_version=4)
    basis = {
        "cells": [[cell.cell_type, cell.source] for cell in notebook.cells],
        "parameters": parameters,
        "package": _listing_hash(project_root() / "fer_tf", ("**/*.py", "**/*.csv", "**/*.j2")),
        "data": _data_state(parameters),
    }
    if _about(notebook).get("reads_runs"):
        basis["runs"] = _listing_hash(reports_root() / "runs", ("*/metrics.json",))
        basis["results"] = _listing_hash(project_root() / "reports" / "results", ("runs/*/metrics.json",))
    if _about(notebook).get("reads_bundled"):
        basis["bundled"] = _listing_hash(bundled_root(), ("*.json",))
    return fingerprint(basis)


def _about(notebook):
    return notebook.metadata.get("fer_tf", {})


def _listing_hash(root, patterns):
    files = sorted(path for pattern in patterns for path in root.glob(pattern))
    return fingerprint({str(path.relative_to(root)): file_fingerprint(path)[:16] for path in files})


def _data_state(parameters):
    """Names, sizes and times of what is at the top of the dataset's folder, and the times of its folders.

    Of a joined dataset, a list of these for each of its parts.
    """
    dataset = parameters.get("dataset", "")
    if joined.SIGN in dataset:
        return [_data_state({**parameters, "dataset": part}) for part in dataset.split(joined.SIGN)]
    folder = data_root(parameters.get("data_dir")) / dataset
    if not folder.is_dir():
        return None
    files = sorted((item.name, item.stat().st_size, item.stat().st_mtime_ns) for item in folder.iterdir())
    folders = sorted((item, os.stat(item).st_mtime_ns) for item, _, _ in os.walk(folder))
    return [files, folders]


def _is_current(target, source, parameters, key):
    """True if the executed copy and its HTML have this key, and the runs it made are still those on disk."""
    if not target.is_file() or not target.with_suffix(".html").is_file():
        return False
    try:
        stored = _about(nbformat.read(target, as_version=4))
    except (nbformat.reader.NotJSONError, nbformat.ValidationError):
        return False
    return stored.get("key") == key and stored.get("runs") == _made_runs(source, parameters)


def _made_runs(source, parameters):
    """Name -> fingerprint of the finished runs that a notebook makes (metadata fer_tf.experiments)."""
    names = _about(nbformat.read(source, as_version=4)).get("experiments", [])
    dataset, seed = parameters["dataset"], parameters.get("seed", 0)
    protocol = parameters.get("protocol") or next(iter(dataset_spec(dataset).protocols))
    options = parse_options(dataset, parameters.get("dataset_options", ""))
    runs = [records.run_name(name, dataset, protocol, seed, options) for name in names]
    return {run: records.finished_fingerprint(run) for run in runs}


def _execute(path, target, parameters, key):
    """Runs a notebook in this environment's kernel, with its printed lines on the screen, and writes copy and HTML."""
    import papermill

    target.parent.mkdir(parents=True, exist_ok=True)
    failed = target.with_suffix(".failed.ipynb")
    with replacing(target) as temporary:
        try:
            papermill.execute_notebook(
                str(path),
                str(temporary),
                parameters=parameters,
                kernel_name=KERNEL,
                cwd=str(project_root()),
                progress_bar=False,
                stdout_file=_Lines(f"    {path.stem[:2]} | "),
            )
        except papermill.PapermillExecutionError as error:
            temporary.replace(failed)
            raise NotebookError(
                f"{path.stem}, cell {error.cell_index}: {error.ename}: {error.evalue} (see {failed})"
            ) from None
        except nbclient.exceptions.DeadKernelError:
            raise NotebookError(f"{path.stem}: its kernel died; most likely the memory was not enough") from None
        executed = nbformat.read(temporary, as_version=4)
        executed.metadata["fer_tf"] = {**_about(executed), "key": key, "runs": _made_runs(path, parameters)}
        nbformat.write(executed, temporary)
        write_text(target.with_suffix(".html"), _html_exporter().from_notebook_node(executed)[0])
    failed.unlink(missing_ok=True)


@functools.cache
def _html_exporter():
    """One exporter for all notebooks: it compiles its templates when it is first used."""
    return HTMLExporter()


class _Lines:
    """Passes a notebook's printed lines on, each with the notebook's number."""

    name = "<stdout>"

    def __init__(self, prefix):
        self.prefix = prefix

    def write(self, text):
        for line in text.splitlines():
            if line.strip():
                print(f"{self.prefix}{line}", flush=True)

    def flush(self):
        sys.stdout.flush()
