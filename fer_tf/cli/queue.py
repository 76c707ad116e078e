"""The command that trains a list of runs."""

import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from ..common.quiet import import_keras
from .common import ClusterName, DataDir, Devices, Gpus, app, for_processes

DEFAULT = "queues/measured.csv"


@app.command(
    epilog="Examples: `fer-tf queue queues/measured.csv` (resume it at any time by the same command), "
    "`fer-tf queue status`, `fer-tf queue mine.csv --workers 1 --threads 8`, "
    "`fer-tf queue mine.csv --workers 1 --budget 12m --pack out.tar` (with KERAS_BACKEND=jax: on a rented GPU), "
    "`fer-tf queue mine.csv --cluster ray --threads 4 --gpus 1`"
)
def queue(
    what: Annotated[str, typer.Argument(help="A csv or yaml file with one run per row, or `status`.")],
    file: Annotated[str | None, typer.Argument(help=f"After `status`: the file [default: {DEFAULT}].")] = None,
    workers: Annotated[
        int,
        typer.Option(min=0, help="Runs at the same time [default: cores / threads; of a cluster all cores]."),
    ] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each run; on a cluster also its cores.")] = 1,
    nice: Annotated[
        int, typer.Option(min=0, max=19, help="Process priority of the runs (Unix nice value); 19 is the lowest.")
    ] = 19,
    budget: Annotated[
        str,
        typer.Option(help="Stop after this time (12m, 1h30m). An epoch that cannot finish in time is not started."),
    ] = "",
    pack: Annotated[
        Path | None, typer.Option(help="At the end write records and small weights into this tar file.")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Start failed runs again.")] = False,
    data_dir: DataDir = None,
    devices: Devices = "",
    cluster: ClusterName = None,
    gpus: Gpus = None,
) -> None:
    """Trains a list of runs, several at the same time, each in its own process. You can stop and resume it at any time.

    A failed run is noted with its reason and does not stop the others. Finished runs are not run again, even if the
    code has changed: their records say which code it was.
    """
    import_keras(wake=False)  # leaves the accelerator's memory to the runs
    for_processes(devices)
    from ..common.checks import InputError
    from ..common.cluster import check_options, connected
    from ..common.paths import data_root
    from ..training.queue import Settings, run_queue
    from ..training.queue import pack as write_pack
    from ..training.queue_entries import parse_budget, read_queue
    from ..training.queue_state import status

    if what == "status":
        print(_shown(status(read_queue(file or DEFAULT))))
        return
    if file:
        raise InputError(f"queue: takes one file; received {what} and {file}")
    entries, share = read_queue(what), check_options(cluster, threads if cluster else None, gpus)
    # like Ctrl-C: stops the runs so that they can be resumed; otherwise they would continue without the queue
    signal.signal(signal.SIGTERM, _interrupt)
    # a script that starts the queue with `&` makes it and its runs ignore Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
    data_dir = os.path.abspath(data_root(data_dir)) if data_dir else None
    seconds = parse_budget(budget) if budget else None
    with connected(cluster, share) as computers:
        table = run_queue(entries, Settings(workers, threads, nice, seconds, data_dir, retry, computers))
    print(_shown(table))
    if pack:
        left_out = write_pack(entries, pack)
        print(f"packed into {pack}" + (f"; too large: {', '.join(left_out)}" if left_out else ""))
    states = set(table["state"])
    if "failed" in states or ("waiting" in states and not budget):
        raise typer.Exit(1)


def _interrupt(*_):
    """Does what Ctrl-C does."""
    raise KeyboardInterrupt


def _shown(table):
    """The status table as text, with rounded numbers and empty cells for missing values."""
    table = table.copy()
    for column in ("best val", "epoch", "of", "seconds an epoch", "minutes left"):
        form = ".3f" if column == "best val" else ".0f"
        table[column] = [format(value, form) if value == value and value is not None else "" for value in table[column]]
    return table.to_string(index=False)
