"""Queues whose runs train nothing: entries, the files that finished runs leave, and processes that end as planned."""

import json
import time
from pathlib import Path

import pandas as pd

from fer_tf.common.files import as_json
from fer_tf.runs import records
from fer_tf.training.queue_entries import Entry

# Is called as `python -u -m fer_tf train ... --seed K`; HOME/K.json says what becomes of it.
FAKE = """#!{python} -SE
import json, os, signal, sys, time
home, words = {home!r}, sys.argv[4:]
seed = words[words.index("--seed") + 1] if "--seed" in words else words[0]

def tell(event):
    with open(home + "/events", "a") as file:
        file.write(f"{{event}} {{seed}}\\n")

def count(event):
    return sum(line.startswith(event + " ") for line in open(home + "/events"))

def stopped(*_):
    tell("stop")
    os._exit(130)

plan = json.load(open(home + "/" + seed + ".json")) if os.path.exists(home + "/" + seed + ".json") else {{}}
signal.signal(signal.SIGINT, signal.SIG_IGN if plan.get("deaf") else stopped)
tell("start")
until = time.time() + 60
while count("start") < plan.get("together", 0) and time.time() < until:
    time.sleep(0.02)
time.sleep(plan.get("seconds", 0.05))
print(plan.get("says", ""))
about = {{"words": words, "nice": os.getpriority(os.PRIO_PROCESS, 0), "environment": dict(os.environ)}}
json.dump(about, open(home + "/about-" + seed + ".json", "w"))
starts = sum(line == f"start {{seed}}\\n" for line in open(home + "/events"))
if starts <= plan.get("killed", 0):
    os.kill(os.getpid(), signal.SIGKILL)
code = plan.get("code", 0)
for path, text in plan.get("files", {{}}).items() if not code else ():
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
tell("end")
sys.exit(code)
"""


def cnn(seed=0, **columns):
    return Entry("cnn", seed=seed, **{"size": "smoke", **columns})


def record_of(entry, **other):
    """What the record of a finished run says."""
    options = {key: str(value) for key, value in entry.dataset_options.items()}
    record = {"experiment": entry.experiment, "seed": entry.seed, "dataset_options": options, "size": entry.size}
    record |= {"settings": as_json(entry.resolved.settings())} if entry.kind == "train" else {}
    record |= {"members": [{"run": name} for name in entry.member_names]} if entry.kind == "ensemble" else {}
    return {**record, "fingerprint": "f", "code": "c", **other}


def files_of(entry, **other):
    """The files that a finished run leaves, path -> text."""
    if entry.kind == "search":
        return {str(entry.directory / "trials.csv"): "trial\n"}
    metrics = {"fingerprint": "f", "test": {"accuracy": 0.5}}
    return {
        str(entry.directory / "record.json"): json.dumps(record_of(entry, **other)),
        str(records.model_path(entry.name)): "weights",
        str(entry.directory / "metrics.json"): json.dumps(metrics),
    }


def finish(entry, **other):
    for path, text in files_of(entry, **other).items():
        write(Path(path), text)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def write_history(entry, seconds, accuracies=None):
    accuracies = accuracies or [0.5] * len(seconds)
    rows = [
        {"epoch": epoch, "val_accuracy": accuracy, "seconds": float(length)}
        for epoch, (length, accuracy) in enumerate(zip(seconds, accuracies, strict=True), start=1)
    ]
    entry.directory.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_csv(entry.directory / "history.csv", index=False)


class FakeRuns:
    """Replaces `python -m fer_tf`: records what was started, and ends each run as planned."""

    def __init__(self, home):
        self.home = home
        home.mkdir()
        (home / "events").touch()

    def plan(self, entry, **how):
        """Plans what happens to the entry's process.

        Args:
            entry: finished when its process ends with code 0.
            how: seconds that it takes, what it says, its exit code, how often it is killed by a signal, after how many
                starts in all it continues (together), and whether it ignores Ctrl-C.
        """
        name = "ensemble" if entry.kind == "ensemble" else str(entry.seed)
        write(self.home / f"{name}.json", json.dumps({"files": files_of(entry), **how}))

    def events(self):
        return [tuple(line.split()) for line in (self.home / "events").read_text().splitlines()]

    def starts(self):
        return [seed for event, seed in self.events() if event == "start"]

    def about(self, entry):
        """Words, niceness and environment of the entry's process."""
        return json.loads((self.home / f"about-{entry.seed}.json").read_text())

    def wait_for(self, event):
        until = time.time() + 60
        while not any(found == event for found, _ in self.events()) and time.time() < until:
            time.sleep(0.02)
