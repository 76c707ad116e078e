"""Kills commands with `kill -9` at random moments, lets them end, and compares what they wrote with an undisturbed run.

    python benchmarks/kills.py --rounds 5              # all commands, up to five kills each
    python benchmarks/kills.py --commands predict queue --seed 3

Every file of the undisturbed run must be there with the same content (times, seconds and paths aside), there must be
no other, and no half-written one. The moments come from the seed, but what a process has done by then does not.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

# command -> (its words, patterns of the files that must be the same as without kills)
COMMANDS = {
    "predict": (["predict", "photos", "--out", "out/scores.csv", "--no-detect", "--batch-size", "2"], ["out/*"]),
    "prepare": (
        ["data", "prepare", "folder", "--data-dir", ".", "--out", "out", "--size", "96"],
        ["out/*.csv", "out/t*/*/*", "out/val/*/*"],
    ),
    "train": (
        ["train", "cnn", "--size", "smoke", "--option", "count=400", "--set", "epochs=6"],
        ["reports/runs/*/predict.csv", "reports/runs/*/history.csv", "models/*.h5"],
    ),
    "search": (
        ["search", "cnn", "--random", "3", "--space", "learning_rate=0.01,0.001 batch_size=32,64", "--size", "smoke"]
        + ["--option", "count=200", "--out", "out"],
        ["out/trials.csv"],
    ),
    "queue": (
        ["queue", "q.csv", "--workers", "2"],
        ["reports/runs/*/predict.csv", "reports/runs/*/history.csv", "models/*.h5"],
    ),
    "reproduce": (
        ["reproduce", "01_majority_baseline", "02_custom_cnn", "--size", "smoke"],
        ["reports/runs/*/predict.csv", "reports/runs/*/history.csv", "models/*.h5", "reports/notebooks/*.ipynb"],
    ),
}
# Columns that differ between two runs of the same work.
_TIMES = ("seconds", "started", "ended", "time", "path", "directory")
LONGEST = 1800


def write_inputs(home):
    """The pictures, datasets and the queue that the commands read."""
    for number in range(300):
        pixels = np.random.default_rng(number).integers(0, 256, (48, 48), dtype=np.uint8)
        name = ("anger", "fear", "happiness")[number % 3]
        for path in (home / "photos" / f"{number}.png", home / "folder" / name / f"{number}.png"):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    rows = ["experiment,dataset,seed,size,overrides,options"]
    rows += [f"cnn,synthetic,{seed},smoke,epochs=3,count=200" for seed in (0, 1, 2)]
    (home / "q.csv").write_text("\n".join(rows) + "\n")


def start(words, home):
    """The command's process, whose output goes to a file."""
    folders = {f"FER_TF_{name}": str(home / name.lower()) for name in ("REPORTS", "MODELS", "CACHE")}
    with open(home / "log.txt", "a", encoding="utf-8") as log:
        command = [sys.executable, "-m", "fer_tf", *words]
        return subprocess.Popen(command, cwd=home, env={**os.environ, **folders}, stdout=log, stderr=log)


def killed_again_and_again(words, home, rounds, seconds, rng):
    """Kills the command up to `rounds` times, then lets it end; returns the number of kills."""
    kills = 0
    for _ in range(rounds):
        process = start(words, home)
        try:
            process.wait(rng.uniform(0.2, 0.9) * seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
    until_it_ends(words, home)
    return kills


def until_it_ends(words, home):
    """Runs the command until it ends without an error: runs of a killed queue may still hold their locks."""
    end = time.monotonic() + LONGEST
    while start(words, home).wait(LONGEST):
        if time.monotonic() > end:
            raise SystemExit(f"{words[0]} does not end: {(home / 'log.txt').read_text()[-2000:]}")
        time.sleep(5)


def differences(whole, killed, patterns):
    """Sentences on what differs between the files of two homes; [] if nothing does."""
    faults = []
    for pattern in patterns:
        names = [{path.relative_to(home).as_posix() for path in home.glob(pattern)} for home in (whole, killed)]
        faults += [f"lost: {name}" for name in sorted(names[0] - names[1])]
        faults += [f"too many: {name}" for name in sorted(names[1] - names[0])]
        common = sorted(names[0] & names[1])
        faults += [f"differs: {name}" for name in common if not same(whole / name, killed / name)]
    return faults


def same(one, other):
    """True if two files have the same content, times and paths aside."""
    if one.is_dir():
        return other.is_dir()
    if one.suffix == ".csv":
        tables = [pd.read_csv(path, dtype=str, keep_default_na=False) for path in (one, other)]
        kept = [table[[name for name in table if not any(word in name for word in _TIMES)]] for table in tables]
        return kept[0].equals(kept[1])
    if one.suffix == ".h5":
        return weights(one) == weights(other)
    return one.suffix == ".ipynb" or one.read_bytes() == other.read_bytes()


def weights(path):
    """The bytes of a model's weights, by their names; raises for a half-written file."""
    import h5py

    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()].tobytes()}) if hasattr(item, "dtype") else None)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--rounds", type=int, default=1, help="kills of each command, at most")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, failed = np.random.default_rng(options.seed), False
    for name in options.commands:
        words, patterns = COMMANDS[name]
        folder = Path(tempfile.mkdtemp(prefix="kills_"))
        for home in (folder / "whole", folder / "killed"):
            home.mkdir()
            write_inputs(home)
        begin = time.monotonic()
        until_it_ends(words, folder / "whole")
        seconds = time.monotonic() - begin
        kills = killed_again_and_again(words, folder / "killed", options.rounds, seconds, rng)
        faults = differences(folder / "whole", folder / "killed", patterns)
        print(f"{name:10} {seconds:6.0f} s  {kills} kills: {'; '.join(faults[:5]) or 'the same files'}", flush=True)
        failed |= bool(faults)
        if not faults:
            shutil.rmtree(folder)
    sys.exit(failed)


if __name__ == "__main__":
    main()
