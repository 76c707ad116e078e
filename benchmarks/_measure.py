"""Measuring variants side by side: each in its own process (so memory is its own), in one run, as ratios."""

import json
import math
import os
import resource
import subprocess
import sys
import time

import pandas as pd


def in_own_process(script, variant, *arguments):
    """Runs `script variant …` in a fresh process and returns the dict that it prints as its last line."""
    command = [sys.executable, script, *map(str, (variant, *arguments))]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    if result.returncode:
        raise SystemExit(f"{variant}: failed\n{result.stderr[-2000:]}")
    return {"variant": variant, **json.loads(result.stdout.strip().splitlines()[-1])}


def report(**values):
    """Prints a variant's figures for `in_own_process`, with the process's peak memory."""
    print(json.dumps({**values, "peak MB": peak()}))


def peak():
    """Most resident memory of this process so far, MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)


def best_of(function, repeats=3):
    """The shortest time of some calls, in seconds: what else the machine does only ever adds."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return min(times)


def answers_per_second(ask, images):
    """Images a second, the best of five rounds of calls that take some tenths of a second together."""
    ask(images)
    calls = max(1, math.ceil(0.2 / best_of(lambda: ask(images))))
    return len(images) * calls / best_of(lambda: [ask(images) for _ in range(calls)], repeats=5)


def print_table(rows, column, reference, faster="higher"):
    """Prints rows with the ratio of `column` to that of the variant `reference` (above 1: better than it)."""
    table = pd.DataFrame(rows).set_index("variant")
    ratio = table[column] / table.loc[reference, column]
    table[f"times {reference}"] = (ratio if faster == "higher" else 1 / ratio).round(2)
    print(table.to_string())
    return table
