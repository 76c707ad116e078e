"""Fuzzing: mutated pictures, films, lists, model files, label files of the datasets and command lines.

    python benchmarks/fuzz.py --count 20000 --out fuzz.jsonl      # the same command resumes it
    python benchmarks/fuzz.py --only films:17                     # one input again, in this process

Each input is made from its kind and its number alone. It must give rows (each with a label or a reason), a result, or
an `InputError` in words. Findings are: another exception, a crash, a lost row, more than 20 seconds, more than 2 GB.
The inputs run in their own process, which is started again after a hang or a crash.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
from _fuzzed_inputs import KINDS, SHARES, recognizer

# Seconds of work, seconds of waiting on a busy machine, and memory that one input may take.
SECONDS, WAIT, MEGABYTES = 20.0, 300.0, 2000
# A fresh process after this number of inputs: TensorFlow keeps something of every model that was loaded.
INPUTS_A_PROCESS = 3000


class Fuzzer:
    """Runs inputs in this process, with everything that is written in a temporary folder."""

    def __init__(self, folder):
        self.folder, self.made = Path(folder), {}
        for name in ("REPORTS", "MODELS", "CACHE", "DATA"):
            os.environ[f"FER_TF_{name}"] = str(self.folder / name.lower())

    def run(self, kind, number):
        """ "accepted" or "refused"; another exception than `InputError` gets out."""
        if kind not in self.made:
            place = self.folder / kind
            place.mkdir(parents=True, exist_ok=True)
            self.made[kind] = KINDS[kind](place)
        rng = np.random.default_rng([zlib.crc32(kind.encode()), number])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.made[kind](rng)


def inputs(count, kinds):
    """The first `count` inputs, (kind, number from 0), the kinds mixed by their shares."""
    pattern = [kind for kind in kinds for _ in range(SHARES[kind])]
    seen: Counter = Counter()
    for place in range(count):
        kind = pattern[(place * 7) % len(pattern)] if len(pattern) % 7 else pattern[place % len(pattern)]
        yield kind, seen[kind]
        seen[kind] += 1


# the separate process


def _work(connection, folder):
    """The process: receives inputs, answers with (outcome, detail)."""
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    fuzzer = Fuzzer(folder)
    recognizer()
    connection.send(("ready", ""))
    while item := connection.recv():
        try:
            connection.send((fuzzer.run(*item), ""))
        except BaseException:
            connection.send(("finding", traceback.format_exc()))


class Worker:
    """A process that runs inputs; it is killed after a hang and started again for the next input."""

    def __init__(self):
        self.process = None

    def run(self, kind, number):
        """(outcome, detail) of one input."""
        if self.process is None or self.left == 0:
            self._start()
        self.left -= 1
        self.connection.send((kind, number))
        return self._answer(SECONDS, WAIT)

    def _start(self):
        self.stop()
        self.folder = tempfile.mkdtemp(prefix="fuzz_")
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_work, args=(other, self.folder), daemon=True)
        self.process.start()
        other.close()
        self.left = INPUTS_A_PROCESS
        if self._answer(600, 600)[0] != "ready":
            raise SystemExit("the separate process does not start")

    def _answer(self, seconds, wait):
        """The process's answer; a finding if it dies, or uses or waits for more time than allowed, or for memory."""
        used, end = self._seconds() + seconds, time.monotonic() + wait
        while not self.connection.poll(0.2):
            if not self.process.is_alive():
                return self._ended(f"crash: exit code {self.process.exitcode}")
            if self._seconds() > used or time.monotonic() > end:
                return self._ended(f"hang: more than {seconds:.0f} seconds of work or {wait:.0f} of waiting")
            if self._megabytes() > MEGABYTES:
                return self._ended(f"memory: more than {MEGABYTES} MB")
        try:
            return self.connection.recv()
        except EOFError:
            self.process.join()
            return self._ended(f"crash: exit code {self.process.exitcode}")

    def _seconds(self):
        """Seconds that the process has computed so far: other work on the machine does not count."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _megabytes(self):
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def _ended(self, fault):
        self.stop()
        return "finding", fault

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.join()
            shutil.rmtree(self.folder, ignore_errors=True)
            self.process = None


def read_results(path):
    """dict (kind, number) -> result, of an earlier call; findings, and a line that was cut short, are run again."""
    results = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        with contextlib.suppress(ValueError, KeyError):
            result = json.loads(line)
            results[result["kind"], result["number"]] = result
    return {item: result for item, result in results.items() if result["outcome"] != "finding"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="number of inputs")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--out", type=Path, help="file for the results; the same command resumes it")
    parser.add_argument("--only", help="KIND:NUMBER, one input in this process")
    options = parser.parse_args()
    if options.only:
        kind, number = options.only.split(":")
        with tempfile.TemporaryDirectory() as folder:
            print(Fuzzer(folder).run(kind, int(number)))
        return
    results = read_results(options.out) if options.out else {}
    run_all([item for item in inputs(options.count, options.kinds) if item not in results], options, results)
    print_summary(results.values())


def run_all(items, options, results):
    """Runs the inputs that have no result yet, and writes each result at once."""
    from tqdm import tqdm

    worker = Worker()
    with contextlib.ExitStack() as stack:
        stack.callback(worker.stop)
        file = stack.enter_context(open(options.out, "a", encoding="utf-8")) if options.out else None
        total = len(items) + len(results)
        for kind, number in tqdm(items, total=total, initial=len(results), unit="input", mininterval=2):
            outcome, detail = worker.run(kind, number)
            result = {"kind": kind, "number": number, "outcome": outcome, "detail": detail}
            results[kind, number] = result
            if file:
                print(json.dumps(result), file=file, flush=True)


def print_summary(results):
    """Inputs, accepted, refused and findings of each kind, and the last line of every finding."""
    results = list(results)
    print(f"{'kind':10} {'inputs':>7} {'accepted':>9} {'refused':>8} {'findings':>9}")
    for kind in KINDS:
        counts = Counter(result["outcome"] for result in results if result["kind"] == kind)
        print(
            f"{kind:10} {sum(counts.values()):7,} {counts['accepted']:9,} {counts['refused']:8,} {counts['finding']:9,}"
        )
    print(f"{'all':10} {len(results):7,}")
    for result in results:
        if result["outcome"] == "finding":
            print(f"{result['kind']}:{result['number']}: {result['detail'].strip().splitlines()[-1][:200]}")


if __name__ == "__main__":
    main()
