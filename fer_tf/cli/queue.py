"""The command that works through a list of runs."""

import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from ..common.quiet import import_keras
from .common import DataDir, app

DEFAULT = "queues/measured.csv"


@app.command(
    epilog="Examples: `fer-tf queue queues/measured.csv` (resume it at any time by the same command), "
    "`fer-tf queue status`, `fer-tf queue mine.csv --workers 1 --threads 8`, "
    "`fer-tf queue mine.csv --workers 1 --budget 12m --pack out.tar` (with KERAS_BACKEND=jax: on a rented GPU)"
)
def queue(
    what: Annotated[str, typer.Argument(help="A csv or yaml file with one run per row, or `status`.")],
    file: Annotated[str | None, typer.Argument(help=f"After `status`: the file [default: {DEFAULT}].")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Runs at once [default: cores / threads].")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each run.")] = 1,
    nice: Annotated[int, typer.Option(min=0, max=19, help="Niceness of the runs: 19 lets all else go first.")] = 19,
    budget: Annotated[
        str, typer.Option(help="Stop after this time (12m, 1h30m): no epoch begins that cannot end in time.")
    ] = "",
    pack: Annotated[Path | None, typer.Option(help="Then write records and small weights into this tar file.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Start failed runs again.")] = False,
    data_dir: DataDir = None,
):
    """Trains a list of runs, each in a process of its own, several at once; resumable at every moment.

    A failed run is noted with its reason and does not stop the others. Finished runs are not run again, also if the
    code has changed since: their records say which code it was.
    """
    import_keras(wake=False)  # the accelerator's memory is for the runs
    from ..common.checks import InputError
    from ..common.paths import data_root
    from ..training.queue import Settings, run_queue, status
    from ..training.queue import pack as write_pack
    from ..training.queue_file import parse_budget, read_queue

    if what == "status":
        print(_shown(status(read_queue(file or DEFAULT))))
        return
    if file:
        raise InputError(f"queue: takes one file; received {what} and {file}")
    entries = read_queue(what)
    # as Ctrl-C: the runs are stopped and can be resumed, instead of going on without the queue
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a script's `&` ignores it, and the runs inherit that
    data_dir = os.path.abspath(data_root(data_dir)) if data_dir else None
    settings = Settings(workers, threads, nice, parse_budget(budget) if budget else None, data_dir, retry)
    table = run_queue(entries, settings)
    print(_shown(table))
    if pack:
        left_out = write_pack(entries, pack)
        print(f"packed into {pack}" + (f"; too large: {', '.join(left_out)}" if left_out else ""))
    states = set(table["state"])
    if "failed" in states or ("waiting" in states and not budget):
        raise typer.Exit(1)


def _interrupt(*_):
    """What Ctrl-C does, also where the shell that started the queue in the background has Ctrl-C ignored."""
    raise KeyboardInterrupt


def _shown(table):
    """The status table as text."""
    table = table.copy()
    table["best val"] = [f"{value:.3f}" if value == value and value is not None else "" for value in table["best val"]]
    for column in ("epoch", "of", "seconds an epoch", "minutes left"):
        table[column] = [f"{value:.0f}" if value == value and value is not None else "" for value in table[column]]
    return table.to_string(index=False)
