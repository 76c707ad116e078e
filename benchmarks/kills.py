"""Kills commands with `kill -9` at random moments, lets them end, and compares what they wrote with an undisturbed run.

    python benchmarks/kills.py --kills 50                                  # all commands
    python benchmarks/kills.py --commands predict queue --kills 20 --seed 3 --out kills.jsonl

A command runs in a new folder. It is killed and started again until it ends by itself, or was killed `IN_A_ROW` times
and is left to end. Then it begins in another new folder, until it was killed often enough. The moments come from the
seed, in seconds of processor time; what a process has done by then does not. The processes are forks of one that has
imported everything: a kill during the imports shows nothing. The runs of a queue are such forks, too, and notebooks are
executed without a kernel; `--real` starts new Pythons for both. Some of the kills also end what a queue or a notebook
has started. Faults are:

- half-written: after a kill, a file does not open under its final name;
- lost: a finished epoch, row, picture or file that was there after a kill is missing or different later;
- twice: a finished file is written again, or rows appear twice;
- a result that is not the one of the undisturbed run, a missing file, or one too many.
"""

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from _killed_processes import Process, imported, survivors, until_it_ends, without_new_pythons
from PIL import Image


@dataclass(frozen=True)
class Command:
    """A command and what its files must do.

    Attributes:
        words: of the command line.
        results: patterns of the files that must be the same as without kills.
        once: patterns of files that are finished as soon as they are there: they must not be written again.
        growing: patterns of files whose content after a kill must be the beginning of their later content.
        together: share of the kills that also end what the command has started.
    """

    words: tuple[str, ...]
    results: tuple[str, ...]
    once: tuple[str, ...] = ()
    growing: tuple[str, ...] = ()
    together: float = 0.5


_RUNS = ("reports/runs/*/predict.csv", "reports/runs/*/ground_truth.csv", "reports/runs/*/history.csv", "models/*.h5")
_RUNS_ONCE = ("reports/runs/*/metrics.json", "models/*.h5")
COMMANDS = {
    "predict": Command(
        ("predict", "photos", "--out", "out/scores.csv", "--no-detect", "--batch-size", "2"),
        ("out/scores.csv",),
        once=("out/scores.csv",),
    ),
    "prepare": Command(
        ("data", "prepare", "folder", "--data-dir", ".", "--out", "out", "--size", "96"),
        ("out/*.csv", "out/prepare.json", "out/record/*.csv", "out/t*/*/*", "out/val/*/*"),
        once=("out/t*/*/*", "out/val/*/*"),
    ),
    "train": Command(
        ("train", "cnn", "--size", "smoke", "--option", "count=300", "--set", "epochs=6"),
        _RUNS,
        _RUNS_ONCE,
        ("reports/runs/*/history.csv",),
    ),
    "search": Command(
        ("search", "cnn", "--space", "learning_rate=0.01,0.001,0.0001", "--size", "smoke")
        + ("--option", "count=200", "--set", "epochs=2", "--out", "out", "--grid"),
        ("out/trials.csv", "out/trials/*/history.csv"),
        ("out/trials/*/trial.json",),
        ("out/trials/*/history.csv",),
    ),
    "queue": Command(
        ("queue", "q.csv", "--workers", "2", "--nice", "0"), _RUNS, _RUNS_ONCE, ("reports/runs/*/history.csv",), 0.25
    ),
    "reproduce": Command(
        ("reproduce", "01_majority_baseline", "--size", "smoke", "--option", "count=300"),
        ("reports/runs/*/predict.csv", "reports/notebooks/*.ipynb", "reports/notebooks/*.html"),
        ("reports/runs/*/metrics.json", "reports/notebooks/*.ipynb"),
    ),
}
# Columns that differ between two runs of the same work.
_TIMES = ("seconds", "started", "ended", "time", "path", "directory")
# No results: the log, Jupyter's and matplotlib's own files, and a queue's notes (runs that outlive it have none).
INPUTS = ("photos", "folder")
_LEFT_OUT = (*INPUTS, "log.txt", ".ipython", ".config", ".local", "queue")
# Kills in a row, before a command is left to end.
IN_A_ROW = 8


def write_inputs(home, command):
    """The pictures, the dataset or the queue that a command reads."""
    for folder in sorted(set(command.words) & set(INPUTS)):
        for number in range(300):
            pixels = np.random.default_rng(number).integers(0, 256, (48, 48), dtype=np.uint8)
            path = home / folder / ("anger", "fear", "happiness")[number % 3] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
            os.utime(path, (number, number))  # a dataset is also known by its files' times
    rows = ["experiment,dataset,seed,size,overrides,options"]
    rows += [f"cnn,synthetic,{seed},smoke,epochs=3,count=200" for seed in (0, 1)]
    (home / "q.csv").write_text("\n".join(rows) + "\n")


# what is on the disk


def files_of(home, patterns):
    """Names of the files of some patterns, relative to the folder; temporary ones begin with a point."""
    found = [path.relative_to(home) for pattern in patterns for path in home.glob(pattern)]
    return {path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts)}


def everything(home):
    """(name, size, time of writing) of all files that a command may have written."""
    found = set()
    for path in home.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # moved by a run that outlived its queue
            if path.is_file() and not set(path.parts) & set(_LEFT_OUT) and path.suffix != ".lock":
                stat = path.stat()
                found.add((path.relative_to(home).as_posix(), stat.st_size, stat.st_mtime_ns))
    return found


def half_written(home):
    """The files with a final name that do not open."""
    faults = []
    for path in sorted(home.rglob("*")):
        parts = path.relative_to(home).parts
        if path.suffix in READERS and parts[0] not in INPUTS and not any(part.startswith(".") for part in parts):
            try:
                READERS[path.suffix](path)
            except FileNotFoundError:
                pass  # moved by a run that outlived its queue
            except Exception as error:
                faults.append(f"half-written: {'/'.join(parts)} ({type(error).__name__})")
    return faults


def weights(path):
    """The bytes of a model's weights, by their names; raises for a half-written file."""
    import h5py

    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()].tobytes()}) if hasattr(item, "dtype") else None)
    return found


def _arrays(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def _picture(path):
    with Image.open(path) as picture:
        picture.load()


def _page(path):
    if not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        raise ValueError("has no end")


READERS = {
    ".csv": lambda path: pd.read_csv(path, dtype=str),
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".ipynb": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".html": _page,
    ".h5": weights,
    ".npz": _arrays,
    ".png": _picture,
    ".jpg": _picture,
}


def finished_parts(command, home):
    """What must stay after a kill: dict file -> (time of writing or None, bytes that its content must begin with)."""
    found = {name: (None, (home / name).read_bytes()) for name in files_of(home, command.growing)}
    found |= {name: ((home / name).stat().st_mtime_ns, b"") for name in files_of(home, command.once)}
    note = home / "out" / "scores.csv.part.json"
    if note.is_file():  # predict: the rows up to this byte are finished
        whole = json.loads(note.read_text())["bytes"]
        found["out/scores.csv"] = None, (home / "out" / "scores.csv.part").read_bytes()[:whole]
    return found


def lost_or_twice(kept, home, has_ended=False):
    """Sentences on finished parts of an earlier moment that are missing, different, or written again.

    Between its start and its first epoch a resumed run has no history.csv, and writes it again from its checkpoint. So
    only at the end must it be there.
    """
    faults = []
    for name, (written, beginning) in kept.items():
        path = home / name
        if name == "out/scores.csv" and not path.is_file():
            path = home / "out" / "scores.csv.part"
        if path.name == "history.csv" and not path.is_file() and not has_ended:
            continue
        if not path.is_file() or not path.read_bytes().startswith(beginning):
            faults.append(f"lost: {name}")
        elif written not in (None, path.stat().st_mtime_ns):
            faults.append(f"twice: {name}")
    return faults


def differences(command, whole, killed):
    """Sentences on what differs between the files of two homes; [] if nothing does."""
    results = [files_of(home, command.results) for home in (whole, killed)]
    names = [{name for name, _, _ in everything(home)} for home in (whole, killed)]
    faults = [f"missing: {name}" for name in sorted(names[0] - names[1])]
    faults += [f"too many: {name}" for name in sorted(names[1] - names[0])]
    common = sorted(results[0] & results[1])
    return faults + [f"differs: {name}" for name in common if not same(whole / name, killed / name)]


def same(one, other):
    """True if two files have the same content, times and paths aside."""
    if one.suffix == ".csv":
        tables = [pd.read_csv(path, dtype=str, keep_default_na=False) for path in (one, other)]
        kept = [table[[name for name in table if not any(word in name for word in _TIMES)]] for table in tables]
        return kept[0].equals(kept[1])
    if one.suffix == ".h5":
        return weights(one) == weights(other)
    return one.suffix in (".ipynb", ".html") or one.read_bytes() == other.read_bytes()


# kills


class Tally:
    """The kills of one command so far.

    Attributes:
        kills: number of kills.
        working: those before which the process had written something.
        ends: how often the command was started again until it ended.
        faults: sentences on what was wrong.
    """

    def __init__(self):
        self.kills, self.working, self.ends, self.faults = 0, 0, 0, []


def killed_until_it_ends(command, home, whole, seconds, limit, rng, tally):
    """Kills a command in a new folder at most `limit` times, lets it end, and adds what it finds to the tally."""
    begin, kept = tally.kills, {}
    while tally.kills - begin < limit:
        before, process = everything(home), Process(command.words, home)
        with_children = rng.random() < command.together
        # what remains is less after each kill, and runs that outlive a killed queue continue
        latest = 0.7 if with_children or command.together == 0.5 else 0.25
        if process.wait(rng.uniform(0.02, latest) * seconds):
            if process.code == 0 and not survivors(home):
                break
            time.sleep(1)  # a run that outlived the killed command still works
            continue
        process.kill(with_children)
        tally.kills += 1
        tally.working += everything(home) != before
        tally.faults += half_written(home) + lost_or_twice(kept, home)
        kept |= finished_parts(command, home)
    until_it_ends(command.words, home)
    write_next_to_temporary_folders(home)
    tally.ends += 1
    tally.faults += half_written(home) + lost_or_twice(kept, home, has_ended=True) + differences(command, whole, home)


def write_next_to_temporary_folders(home):
    """Makes the temporary folders that killed processes left old, and writes next to them: that must remove them."""
    from fer_tf.common.files import write_text

    left = [folder for folder in home.rglob(".*.????????") if folder.is_dir()]
    for folder in left:
        os.utime(folder, (0, 0))
    for parent in {folder.parent for folder in left}:
        write_text(parent / "probe", "")
        (parent / "probe").unlink()


def try_command(name, kills, seed):
    """Kills a command until it was killed often enough; returns dict of figures. Folders with faults are kept."""
    command, folder = COMMANDS[name], Path(tempfile.mkdtemp(prefix=f"kills_{name}_"))
    whole, rng, tally = folder / "whole", np.random.default_rng([seed, len(name)]), Tally()
    whole.mkdir()
    write_inputs(whole, command)
    needed = until_it_ends(command.words, whole)
    while tally.kills < kills:
        home, faults = folder / f"killed{tally.ends}", len(tally.faults)
        home.mkdir()
        write_inputs(home, command)
        killed_until_it_ends(command, home, whole, needed, min(IN_A_ROW, kills - tally.kills), rng, tally)
        print(f"{name}: {tally.kills} of {kills} kills {tally.faults[faults:] or ''}", file=sys.stderr, flush=True)
        if len(tally.faults) == faults:
            shutil.rmtree(home)
    if not tally.faults:
        shutil.rmtree(folder)
    return {"command": name, "seconds": round(needed, 1), **vars(tally), "folder": str(folder)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--kills", type=int, default=1, help="kills of each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--real", action="store_true", help="new Pythons for a queue's runs and for kernels (slow)")
    parser.add_argument("--out", type=Path, help="file to which each command's figures are added as a line of JSON")
    options = parser.parse_args()
    imported()
    if not options.real:
        without_new_pythons()
    failed = False
    for name in options.commands:
        found = try_command(name, options.kills, options.seed)
        print(
            f"{name:10} {found['seconds']:6.0f} s  {found['kills']} kills ({found['working']} while it had written), "
            f"ended {found['ends']} times: {'; '.join(found['faults'][:8]) or 'the same files'}",
            flush=True,
        )
        if options.out:
            with open(options.out, "a", encoding="utf-8") as file:
                print(json.dumps(found), file=file)
        failed |= bool(found["faults"])
    sys.exit(failed)


if __name__ == "__main__":
    main()
