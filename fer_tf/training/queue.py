"""Working through a list of runs: each in a process of its own, several at once, resumable at every moment.

What is finished is read from the run records alone. reports/queue/ has for every entry a log, a lock and, for failed
ones, the reason; deleting the folder loses nothing but the logs.
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..common.checks import InputError, check_range, check_whole
from ..common.files import as_json, read_json, replacing, write_json
from ..common.paths import models_root, reports_root, results_root
from ..experiments.resolve import is_used
from ..experiments.settings import Experiment
from ..runs import records
from . import checkpoint
from .queue_entries import ENSEMBLE, Entry

OUT_OF_TIME, INTERRUPTED = 75, 130
# A process that a signal ends (out of memory, say) is started at most so often.
ATTEMPTS = 3
# Weights above this are not packed: the archive is to travel.
LARGEST_PACKED = 64_000_000
_GRACE = 15  # seconds that a run has for stopping by itself; no epoch ends later than this before the budget's end
_LAST = 5  # seconds before the budget's end at which what still runs is stopped


@dataclass(frozen=True)
class Settings:
    """How a queue runs.

    Attributes:
        workers: runs at once; 0: as many as the processor has cores, divided by `threads`.
        threads: of each run. Two runs with one thread each do 1.45 times the work of one run with two.
        nice: added to the runs' niceness, so that other work on the machine goes first.
        budget: seconds after which everything must have stopped; None: no limit.
        data_dir: see `load_dataset`.
        retry: start failed entries again.
    """

    workers: int = 0
    threads: int = 1
    nice: int = 19
    budget: float | None = None
    data_dir: str | None = None
    retry: bool = False

    def __post_init__(self):
        check_whole("workers", self.workers, low=0)
        check_whole("threads", self.threads, low=1)
        check_range("nice", self.nice, 0, 19)

    @property
    def slots(self) -> int:
        """Runs at once."""
        return self.workers or max(1, len(_cores()) // self.threads)


@dataclass
class _Job:
    """A run in progress."""

    entry: Entry
    process: subprocess.Popen
    slot: int
    lock: object


def _cores():
    """The processor's cores that this process may use: fewer than it has in a container or a cluster's job."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def queue_folder() -> Path:
    """Where logs, locks and reasons of failures are."""
    return reports_root() / "queue"


def log_path(entry: Entry) -> Path:
    """What the entry's process has printed."""
    return queue_folder() / f"{entry.name}.log"


def is_finished(entry: Entry) -> bool:
    """True if the entry's record is complete: these settings, this data's options, evaluated.

    A record that ships in reports/results/ counts, too. The training code may have changed since; the record says which
    it was.
    """
    if entry.kind == "search":
        note, wanted = _note(entry), {"state": "done", "command": entry.command()}
        return note == wanted and (entry.directory / "trials.csv").is_file()
    released = results_root() / "runs" / entry.name
    return any(_is_record_of(entry, directory) for directory in (entry.directory, released))


def _is_record_of(entry, directory):
    """True if a folder holds the complete record of this entry."""
    record, metrics = records.read_record(directory), read_json(directory / "metrics.json")
    if not metrics or metrics.get("fingerprint") != record.get("fingerprint"):
        return False
    if entry.kind == ENSEMBLE:
        return _is_ensemble_of(record, entry)
    options = {key: str(value) for key, value in entry.dataset_options.items()}
    wanted = {"experiment": entry.experiment, "seed": entry.seed, "dataset_options": options, "size": entry.size}
    if any(record.get(key) != value for key, value in wanted.items()):
        return False
    if entry.kind == "classical":
        return True
    # a setting that the kit did not have when the record was made was at its default
    known = {**Experiment("").settings(), **record.get("settings", {})}
    settings = {key: value for key, value in entry.resolved.settings().items() if is_used(key, entry.resolved)}
    return as_json({key: known[key] for key in settings}) == as_json(settings)


def _is_ensemble_of(record, entry):
    """True if the members are still the runs that were averaged: a member trained again gives another mean."""
    made_of = {member["run"]: member.get("fingerprint") for member in record.get("members", [])}
    if set(made_of) != set(entry.member_names):
        return False
    pairs = [(made_of[name], records.finished_fingerprint(name)) for name in made_of]
    return all(None in pair or pair[0] == pair[1] for pair in pairs)


def _todo(entries):
    """The entries that are not finished, and those whose model is missing although another entry needs it."""
    todo, count = [entry for entry in entries if not is_finished(entry)], -1
    while len(todo) != count:  # what lacks its model may need others that lack theirs
        count = len(todo)
        todo = [entry for entry in entries if entry in todo or _lacks_model(entry, todo)]
    return todo


def _lacks_model(entry, others):
    """True if one of `others` needs the entry's model and only its record is there."""
    is_needed = any(entry.name in other.needs for other in others)
    return is_needed and entry.kind == "train" and not records.model_path(entry.name).is_file()


def state(entry: Entry) -> str:
    """ "finished", "running", "failed", "waiting" (for another run), "interrupted" (resumable) or "new"."""
    if is_finished(entry):
        return "finished"
    if _is_locked(entry) or _is_run_by_hand(entry):
        return "running"
    if _note(entry).get("state") == "failed":
        return "failed"
    if missing_needs(entry):
        return "waiting"
    return "interrupted" if any(entry.directory.rglob(checkpoint.CHECKPOINT)) else "new"


def missing_needs(entry: Entry) -> list:
    """The runs that must be finished before this entry and are not."""
    return [name for name in entry.needs if records.finished_fingerprint(name) is None]


def status(entries: list) -> pd.DataFrame:
    """A row per entry: run, state, epoch, of, best val, seconds an epoch, minutes left, remark."""
    return pd.DataFrame([_status_row(entry) for entry in entries])


def _status_row(entry):
    history, total = _history(entry), _epochs(entry)
    done = len(history)
    now = state(entry)
    seconds = float(history["seconds"].median()) if done and "seconds" in history else None
    left = None if seconds is None or now == "finished" or not total else (total - done) * seconds / 60
    remark = _note(entry).get("reason", "") if now == "failed" else ""
    if now == "waiting":
        remark = f"needs {', '.join(missing_needs(entry))}"
    return {
        "run": entry.name,
        "state": now,
        "epoch": done if done else None,
        "of": total or None,
        "best val": history["val_accuracy"].max() if "val_accuracy" in history else None,
        "seconds an epoch": seconds,
        "minutes left": left,
        "remark": remark,
    }


def _history(entry):
    """The epochs of the entry's present training; of stage 1 where that has only begun."""
    for path in (entry.directory / "history.csv", entry.directory / "matching" / "history.csv"):
        with contextlib.suppress(OSError, ValueError):
            return pd.read_csv(path)
    return pd.DataFrame()


def _epochs(entry):
    return entry.resolved.epochs if entry.kind == "train" else 0


def run_queue(entries: list, settings: Settings, verbose: bool = True) -> pd.DataFrame:
    """Runs all entries that are not finished; returns their `status`.

    A failed run is noted with its reason and does not stop the others. What another queue on the same folder runs is
    left to it. Ctrl-C stops the runs; the same call resumes each after its last finished epoch.

    Args:
        entries: of `read_queue`, most urgent first.
        settings: `Settings`.
        verbose: a line for each start and end, and one of progress every minute.
    """
    queue_folder().mkdir(parents=True, exist_ok=True)
    stop_at = None if settings.budget is None else time.time() + settings.budget
    todo = _todo(entries)
    _forget_notes(todo, settings.retry)
    checkpoint.say(verbose, f"{len(entries)} runs, {len(entries) - len(todo)} finished; {settings.slots} at once")
    jobs: list = []
    last_line = time.monotonic()
    try:
        while True:
            for job in [job for job in jobs if job.process.poll() is not None]:
                jobs.remove(job)
                _end(job, verbose)
            is_late = stop_at is not None and time.time() >= stop_at - _LAST
            while not is_late and len(jobs) < settings.slots and _start_next(todo, jobs, settings, stop_at, verbose):
                pass
            if is_late and stop_at is not None:
                _stop(jobs, stop_at - time.time())
            if not jobs:
                break
            if time.monotonic() - last_line > 60:
                checkpoint.say(verbose, progress_line(entries))
                last_line = time.monotonic()
            time.sleep(0.2)
    finally:
        _stop(jobs)
    return status(entries)


def _forget_notes(todo, retry):
    """Forgets how the entries ended before; failures stay noted unless they are tried again."""
    for entry in todo:
        if retry or _note(entry).get("state") != "failed":
            _forget_note(entry)


def progress_line(entries: list) -> str:
    """Where a queue is, in a line: counts, and of each run in progress its epoch and the time left."""
    table = status(entries)
    counts = table["state"].value_counts()
    parts = [f"{counts[name]} {name}" for name in ("finished", "failed", "running") if name in counts]
    parts.append(f"{int(sum(counts.get(name, 0) for name in ('new', 'interrupted', 'waiting')))} to go")
    line = time.strftime("%H:%M  ") + ", ".join(parts)
    for row in table[table["state"] == "running"].to_dict("records"):
        epoch = 0 if pd.isna(row["epoch"]) else int(row["epoch"])
        of = "?" if pd.isna(row["of"]) else int(row["of"])
        left = "" if pd.isna(row["minutes left"]) else f", {row['minutes left']:.0f} min left"
        line += f" | {row['run']} {epoch}/{of}{left}"
    return line


def _start_next(todo, jobs, settings, stop_at, verbose):
    """Starts the most urgent entry that can run now; True if there was one."""
    for entry in todo:
        if entry in [job.entry for job in jobs] or _note(entry) or missing_needs(entry) or _awaits(entry, todo):
            continue
        if stop_at is not None and not _fits(entry, stop_at):
            continue
        lock = _acquire(entry)
        if lock is None:
            continue
        # what another queue ended a moment ago is not run once more
        is_done = is_finished(entry) and not _lacks_model(entry, todo)
        if _note(entry) or is_done or _is_run_by_hand(entry):
            lock.close()
            continue
        slot = min(set(range(settings.slots)) - {job.slot for job in jobs})
        jobs.append(_Job(entry, _launch(entry, settings, stop_at, slot, lock), slot, lock))
        checkpoint.say(verbose, f"start  {entry.name}")
        return True
    return False


def _awaits(entry, todo):
    """True if a run that the entry needs is still to be trained here; one of that name may be there already, with
    other settings."""
    first = [*entry.needs, *entry.goes_after]
    return any(other.name in first and (not is_finished(other) or _lacks_model(other, [entry])) for other in todo)


def _fits(entry, stop_at):
    """False if a run that has finished epochs before cannot finish another one in time; the others find out."""
    history = _history(entry)
    has_epochs_left = 0 < len(history) < _epochs(entry) and "seconds" in history
    needed = float(history["seconds"].iloc[-1]) if has_epochs_left else 0.0
    return time.time() + needed < stop_at - _GRACE


def _launch(entry, settings, stop_at, slot, lock):
    """The entry's process, with its threads, its cores and its niceness. It inherits the lock: if only the queue is
    killed, the run continues and no other queue starts it a second time."""
    threads = str(settings.threads)
    names = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {
        **os.environ,
        **dict.fromkeys(names, threads),
        "TF_NUM_INTEROP_THREADS": "1",
        checkpoint.ANY_CODE: "1",
    }
    environment.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # else the first run takes all of a GPU's memory
    if settings.slots > 1:
        environment.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if stop_at is not None:
        environment[checkpoint.STOP_AT] = str(stop_at - _GRACE)
    again = ["--retry"] if settings.retry and entry.kind == "search" else []
    with open(log_path(entry), "a", encoding="utf-8") as log:
        log.write(f"\n== {time.strftime('%Y-%m-%d %H:%M:%S')} {' '.join(entry.command(settings.data_dir))}\n")
        log.flush()
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "fer_tf", *entry.command(settings.data_dir), *again],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            pass_fds=[lock.fileno()] if os.name == "posix" else (),
            start_new_session=True,
        )
    _lower_priority(process.pid, settings.nice)
    with contextlib.suppress(OSError, AttributeError, ValueError):
        _pin(process.pid, slot, settings)
    return process


def _lower_priority(pid, nice):
    """Lets other work go first. Linux shares a processor between sessions before it looks at niceness within one (its
    autogroups), so a run, which is a session of its own, needs both."""
    if not nice:
        return
    with contextlib.suppress(OSError, AttributeError):
        nice = min(19, os.getpriority(os.PRIO_PROCESS, 0) + nice)
        os.setpriority(os.PRIO_PROCESS, pid, nice)
        for _ in range(3):
            try:
                Path(f"/proc/{pid}/autogroup").write_text(str(nice))
                break
            except BlockingIOError:  # Linux takes one change in a tenth of a second from ordinary users
                time.sleep(0.15)


def _pin(pid, slot, settings):
    """Gives each run cores of its own where the runs fill the machine: JAX, unlike TensorFlow, takes no number of
    threads."""
    cores = _cores()
    if settings.slots > 1 and settings.slots * settings.threads == len(cores):
        os.sched_setaffinity(pid, cores[slot * settings.threads : (slot + 1) * settings.threads])


def _end(job, verbose):
    """Notes how a process ended; only then another queue may have the entry."""
    code, entry = job.process.returncode, job.entry
    if code == 0:
        _write_note(entry, {"state": "done", "command": entry.command()})
        checkpoint.say(verbose, f"done   {entry.name}{_result(entry)}")
    elif code == OUT_OF_TIME:
        _write_note(entry, {"state": "out of time"})
        checkpoint.say(verbose, f"paused {entry.name}: no time left for another epoch; the next queue resumes it")
    elif (code < 0 or code == INTERRUPTED) and _attempts(entry) + 1 < ATTEMPTS:
        _attempts_path(entry).write_text(str(_attempts(entry) + 1))
        checkpoint.say(verbose, f"again  {entry.name}: was stopped from outside (code {code}); it resumes")
    else:
        reason = f"was ended by signal {-code}, {ATTEMPTS} times" if code < 0 else _last_line(entry)
        _write_note(entry, {"state": "failed", "reason": reason})
        checkpoint.say(verbose, f"failed {entry.name}: {reason}")
    job.lock.close()


def _result(entry):
    test = read_json(entry.directory / "metrics.json").get("test", {})
    return f": test accuracy {test['accuracy']:.4f}" if "accuracy" in test else ""


def _last_line(entry):
    """The last thing that a failed process said."""
    lines = [line.strip() for line in log_path(entry).read_text(encoding="utf-8", errors="replace").splitlines()]
    said = itertools.takewhile(lambda line: not line.startswith("== "), reversed(lines))  # of the last start
    return next((line[:300] for line in said if line), "ended with an error and said nothing")


def _stop(jobs, seconds=_GRACE):
    """Ends the runs as Ctrl-C would, and those that do not stop in time by force."""
    for job in jobs:
        with contextlib.suppress(OSError):
            # Windows has no SIGINT for another process; a run resumes after its last finished epoch either way
            job.process.send_signal(signal.SIGINT) if os.name == "posix" else job.process.terminate()
    until = time.monotonic() + seconds
    for job in jobs:
        try:
            job.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            job.process.kill()
            job.process.wait()
        job.lock.close()
    jobs.clear()


def _acquire(entry):
    """The entry's lock, an open file; None if another queue, or a run that outlived its queue, has it."""
    path = queue_folder() / f".{entry.name}.lock"
    file = open(path, "w")  # noqa: SIM115 (it stays open as long as the run)
    with contextlib.suppress(ImportError):
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return None
    return file


def _is_locked(entry):
    if not (queue_folder() / f".{entry.name}.lock").is_file():
        return False
    lock = _acquire(entry)
    if lock is None:
        return True
    lock.close()
    return False


def _is_run_by_hand(entry):
    """True while a command outside of every queue has the run's own lock."""
    if entry.kind == ENSEMBLE:
        return False
    try:
        with records.locked(f"search-{entry.name}" if entry.kind == "search" else entry.name):
            return False
    except InputError:
        return True


def _note_path(entry):
    return queue_folder() / f"{entry.name}.json"


def _note(entry):
    return read_json(_note_path(entry))


def _write_note(entry, content):
    _attempts_path(entry).unlink(missing_ok=True)
    write_json(_note_path(entry), content)


def _forget_note(entry):
    for path in (_note_path(entry), _attempts_path(entry)):
        path.unlink(missing_ok=True)


def _attempts_path(entry):
    return queue_folder() / f".{entry.name}.attempts"


def _attempts(entry):
    with contextlib.suppress(OSError, ValueError):
        return int(_attempts_path(entry).read_text())
    return 0


def pack(entries: list, path: str | Path) -> list:
    """Writes the records of the entries, their small weights and small checkpoints into one tar file.

    Unpacked in the project's folder (`tar xf FILE`), everything is in its place, and an unfinished run resumes there.

    Returns: names of what was left out because of its size.
    """
    left_out = []
    with replacing(path) as part, tarfile.open(part, "w") as archive:
        for entry in entries:
            files = [file for file in entry.directory.rglob("*") if file.is_file()]
            files = [(file, Path("reports") / file.relative_to(reports_root())) for file in files]
            files = [(file, name) for file, name in files if "figures" not in name.parts]
            note, model = _note_path(entry), records.model_path(entry.name)
            if entry.kind == "search" and note.is_file():  # what says that a search is done
                files.append((note, Path("reports") / note.relative_to(reports_root())))
            files += [(model, Path("models") / model.relative_to(models_root()))] if model.is_file() else []
            for file, name in files:
                if file.stat().st_size > LARGEST_PACKED:
                    left_out.append(str(name))
                else:
                    archive.add(file, name)
    return left_out


def finished_names(entries: list, reduced: bool = False) -> tuple:
    """The finished trainings and classical runs of a queue that `fer-tf release` takes.

    Args:
        entries: of `read_queue`.
        reduced: also take runs at less than their source's settings.
    Returns: names of the runs, and names of those that were left out because they are reduced.
    Raises: `InputError` if there is none to take.
    """
    # not those that are finished by their released record alone
    own = [
        entry.directory
        for entry in entries
        if entry.kind in ("train", "classical") and _is_record_of(entry, entry.directory)
    ]
    left_out = [] if reduced else [each.name for each in own if records.read_record(each).get("reduced")]
    names = [directory.name for directory in own if directory.name not in left_out]
    if not names:
        reason = f"; {len(left_out)} finished runs are reduced (--reduced takes them)" if left_out else ""
        raise InputError(f"queue: no finished run of it can be released{reason}")
    return names, left_out
