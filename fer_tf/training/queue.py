"""Working through a list of runs: each in its own process, several at once. It can be resumed at any time."""

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
from typing import IO

import pandas as pd

from ..common.checks import check_range, check_whole
from ..common.cluster import Cluster
from ..common.cores import thread_variables, usable_cores
from ..common.files import read_json, replacing, write_json
from ..common.paths import models_root, reports_root
from ..runs import records
from . import checkpoint, queue_state
from .cluster_runs import ClusterRun
from .queue_entries import Entry

OUT_OF_TIME, INTERRUPTED = 75, 130
# The largest number of starts of a process that a signal ends, for example because memory ran out.
ATTEMPTS = 3
# Weights above this size are not packed, so that the archive can be sent.
LARGEST_PACKED = 64_000_000
_GRACE = 15  # seconds that a run has for stopping by itself; no epoch ends later than this before the budget's end
_LAST = 5  # seconds before the budget's end when runs that have not stopped yet are ended


@dataclass(frozen=True)
class Settings:
    """How a queue runs.

    Attributes:
        workers: runs at once; 0: as many as the processor has cores, divided by `threads`, or as the cluster has room.
        threads: of each run. Two runs with one thread each do 1.45 times the work of one run with two.
        nice: added to the runs' niceness, so that other work on the machine goes first.
        budget: seconds after which everything must have stopped; None: no limit.
        data_dir: see `load_dataset`.
        retry: start failed entries again.
        cluster: runs are its tasks; None: processes of this computer.
    """

    workers: int = 0
    threads: int = 1
    nice: int = 19
    budget: float | None = None
    data_dir: str | None = None
    retry: bool = False
    cluster: Cluster | None = None

    def __post_init__(self):
        check_whole("workers", self.workers, low=0)
        check_whole("threads", self.threads, low=1)
        check_range("nice", self.nice, 0, 19)

    @property
    def slots(self) -> int:
        """Runs at once; on a cluster it changes when computers join or are lost."""
        if self.workers or self.cluster is None:
            return self.workers or max(1, len(usable_cores()) // self.threads)
        return self.cluster.size()


@dataclass
class _Job:
    """A run in progress; on a cluster it may still wait for room."""

    entry: Entry
    process: subprocess.Popen | ClusterRun
    slot: int
    lock: IO


def run_queue(entries: list, settings: Settings, verbose: bool = True) -> pd.DataFrame:
    """Runs all entries that are not finished; returns their `queue_state.status`.

    A failed run is noted with its reason and does not stop the others. Runs that another queue on the same folder has
    started are skipped. Ctrl-C stops the runs; the same call resumes each after its last finished epoch.

    Args:
        entries: of `read_queue`, most urgent first.
        settings: `Settings`.
        verbose: a line for each start and end, and one of progress every minute.
    """
    queue_state.queue_folder().mkdir(parents=True, exist_ok=True)
    stop_at = float("inf") if settings.budget is None else time.time() + settings.budget
    todo = queue_state.unfinished(entries)
    _forget_notes(todo, settings.retry)
    checkpoint.say(verbose, f"{len(entries)} runs, {len(entries) - len(todo)} finished; {settings.slots} at once")
    jobs: list = []
    last_line = time.monotonic()
    try:
        while True:
            for job in [job for job in jobs if job.process.poll() is not None]:
                jobs.remove(job)
                _end(job, verbose)
            is_late = time.time() >= stop_at - _LAST
            while not is_late and len(jobs) < settings.slots and _start_next(todo, jobs, settings, stop_at, verbose):
                pass
            if is_late:
                _stop(jobs, stop_at - time.time())
            if not jobs:
                break
            if time.monotonic() - last_line > 60:
                checkpoint.say(verbose, queue_state.progress_line(entries))
                last_line = time.monotonic()
            time.sleep(0.2)
    finally:
        _stop(jobs)
    return queue_state.status(entries)


def _forget_notes(todo, retry):
    """Forgets how the entries ended before; failures stay noted unless they are tried again."""
    for entry in todo:
        if retry or queue_state.note(entry).get("state") != "failed":
            queue_state.note_path(entry).unlink(missing_ok=True)


def _start_next(todo, jobs, settings, stop_at, verbose):
    """Starts the most urgent entry that can run now; True if there was one."""
    running = [job.entry for job in jobs]
    for entry in todo:
        if entry in running or _has_ended(entry) or queue_state.missing_needs(entry) or _awaits(entry, todo):
            continue
        lock = queue_state.acquire(entry) if _fits(entry, stop_at) else None
        if lock is None:
            continue
        # a run that another queue has just finished is not run again
        is_done = queue_state.is_finished(entry) and not queue_state.lacks_model(entry, todo)
        if _has_ended(entry) or is_done or queue_state.is_run_by_hand(entry):
            lock.close()
            continue
        # a cluster may have lost room in the meantime; there the number means nothing
        slot = min(set(range(settings.slots)) - {job.slot for job in jobs}, default=0)
        jobs.append(_Job(entry, _launch(entry, settings, stop_at, slot, lock), slot, lock))
        checkpoint.say(verbose, f"start  {entry.name}")
        return True
    return False


def _has_ended(entry):
    """True if a queue has run the entry and does not run it again, as it would after a stop from outside."""
    return queue_state.note(entry).get("state", "stopped") != "stopped"


def _awaits(entry, todo):
    """True if a run that the entry needs is still to be trained, even if one with other settings has its name."""
    names, is_finished = [*entry.needs, *entry.goes_after], queue_state.is_finished
    earlier = [other for other in todo if other.name in names]
    return any(not is_finished(other) or queue_state.lacks_model(other, [entry]) for other in earlier)


def _fits(entry, stop_at):
    """False if a run that has finished epochs cannot finish another one in time; a new run finds this out itself."""
    history = queue_state.history_of(entry)
    has_epochs_left = 0 < len(history) < entry.epochs and "seconds" in history
    needed = float(history["seconds"].iloc[-1]) if has_epochs_left else 0.0
    return time.time() + needed < stop_at - _GRACE


def _launch(entry, settings, stop_at, slot, lock):
    """The entry's process. It inherits the lock, so no queue starts it again while it outlives this one."""
    command = entry.command(settings.data_dir)
    again = ["--retry"] if settings.retry and entry.kind == "search" else []
    environment, path = _environment(settings, stop_at), queue_state.log_path(entry)
    with open(path, "a", encoding="utf-8") as log:
        log.write(f"\n== {time.strftime('%Y-%m-%d %H:%M:%S')} {' '.join(command)}\n")
        log.flush()
        if settings.cluster:
            return ClusterRun(settings.cluster, [*command, *again], path, Path(lock.name), environment, settings.nice)
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "fer_tf", *command, *again],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            pass_fds=[lock.fileno()] if os.name == "posix" else (),
            start_new_session=True,
        )
    _lower_priority(process.pid, settings.nice)
    with contextlib.suppress(OSError, AttributeError, ValueError):
        _pin(process.pid, slot, settings)
    return process


def _environment(settings, stop_at):
    """What a run's process adds to the environment: its number of threads and the time at which it must stop."""
    shared = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}  # else the first run takes all of a GPU's memory
    shared |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"} if settings.slots > 1 else {}
    environment = {key: os.environ.get(key, value) for key, value in shared.items()}
    environment |= {**thread_variables(settings.threads), checkpoint.ANY_CODE: "1"}
    return environment if settings.budget is None else {**environment, checkpoint.STOP_AT: str(stop_at - _GRACE)}


def _lower_priority(pid, nice):
    """Lets other work go first. Linux shares a processor between sessions first, so the session gets the same."""
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
    """Gives each run its own cores where runs fill the machine: JAX, unlike TensorFlow, takes no thread count."""
    cores = usable_cores()
    if settings.slots > 1 and settings.slots * settings.threads == len(cores):
        os.sched_setaffinity(pid, cores[slot * settings.threads : (slot + 1) * settings.threads])


def _end(job, verbose):
    """Notes how a process ended; only then another queue may have the entry."""
    code, entry = job.process.returncode, job.entry
    attempts = queue_state.note(entry).get("attempts", 0) + 1
    if code == 0:
        note = {"state": "done", "command": entry.command()}
        test = read_json(entry.directory / "metrics.json").get("test", {})
        score = f": test accuracy {test['accuracy']:.4f}" if "accuracy" in test else ""
        line = f"done   {entry.name}{score}"
    elif code == OUT_OF_TIME:
        note = {"state": "out of time"}
        line = f"paused {entry.name}: no time left for another epoch; the next queue resumes it"
    elif (code < 0 or code == INTERRUPTED) and attempts < ATTEMPTS:
        note = {"state": "stopped", "attempts": attempts}
        line = f"again  {entry.name}: was stopped from outside (code {code}); it resumes"
    else:
        reason = f"was ended by signal {-code}, {ATTEMPTS} times" if code < 0 else _last_line(entry)
        note, line = {"state": "failed", "reason": reason}, f"failed {entry.name}: {reason}"
    write_json(queue_state.note_path(entry), note)
    checkpoint.say(verbose, line)
    job.lock.close()


def _last_line(entry):
    """The last line that a failed process printed."""
    text = queue_state.log_path(entry).read_text(encoding="utf-8", errors="replace")
    lines = reversed([line.strip() for line in text.splitlines()])
    said = itertools.takewhile(lambda line: not line.startswith("== "), lines)  # of the last start
    return next((line[:300] for line in said if line), "ended with an error and printed nothing")


def _stop(jobs, seconds=_GRACE):
    """Stops the runs as Ctrl-C would. Runs that do not stop in time are ended by force."""
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


def pack(entries: list, path: str | Path) -> list:
    """Writes the records of the entries, their small weights and small checkpoints into one tar file.

    Unpacked in the project's folder (`tar xf FILE`), everything is in its place, and an unfinished run resumes there.

    Returns: names of what was left out because of its size.
    """
    left_out = []
    with replacing(path) as temporary, tarfile.open(temporary, "w") as archive:
        for entry in entries:
            files = list(entry.directory.rglob("*"))
            files += [queue_state.note_path(entry)] if entry.kind == "search" else []  # it says that a search is done
            places = [(file, Path("reports") / file.relative_to(reports_root())) for file in files]
            model = records.model_path(entry.name)
            places.append((model, Path("models") / model.relative_to(models_root())))
            for file, name in places:
                if not file.is_file() or "figures" in name.parts:
                    continue
                if file.stat().st_size > LARGEST_PACKED:
                    left_out.append(str(name))
                else:
                    archive.add(file, name)
    return left_out
