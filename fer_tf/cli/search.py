"""Commands that search hyperparameters and combine runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ..common.quiet import import_keras
from .common import (
    ClusterName,
    DataDir,
    Dataset,
    Experiment,
    Gpus,
    Options,
    Protocol,
    Settings,
    Size,
    Threads,
    app,
)
from .runs import print_run


@app.command(
    epilog="Examples: `fer-tf search cnn4 --grid --dataset fer2013` (document [4]'s 128 settings in 16 trainings), "
    '`fer-tf search cnn --random 5 --space "learning_rate=0.01,0.001 batch_size=32,64 epochs=5,10" --size smoke`, '
    "`fer-tf search cnn4 --grid --dataset fer2013 --cluster ray --threads 4`"
)
def search(
    experiment: Experiment,
    grid: Annotated[bool, typer.Option("--grid", help="Try every combination of the space.")] = False,
    random: Annotated[
        int | None, typer.Option(min=1, help="Try this number of combinations, chosen at random with the seed.")
    ] = None,
    space: Annotated[
        str, typer.Option(help='document4, document3, document2, a .json file, or "name=value,value name=value".')
    ] = "document4",
    dataset: Dataset = "synthetic",
    protocol: Protocol = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, order, augmentation and random choices.")] = 0,
    size: Size = "full",
    options: Options = None,
    settings: Settings = None,
    data_dir: DataDir = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to [default: reports/searches/…].")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Run failed trials again.")] = False,
    repeats: Annotated[
        int, typer.Option("--repeat", min=0, help="Train the best three again with this number of other seeds.")
    ] = 0,
    cluster: ClusterName = None,
    threads: Threads = None,
    gpus: Gpus = None,
) -> None:
    """Searches hyperparameters on train and val. It never reads test images.

    It writes a table with one row per trial, figures, and the command that trains the best setting. The same command
    resumes an interrupted search. With --cluster, trials run on several computers at the same time.
    """
    import_keras()
    from ..common.checks import InputError
    from ..common.cluster import check_options, connected
    from ..data import parse_options
    from ..experiments.resolve import parse_overrides
    from ..training.search import run_search

    if grid == bool(random):
        raise InputError("search: give either --grid or --random N")
    overrides, trials = parse_overrides(" ".join(settings or [])), random or 0
    picked, share = parse_options(dataset, options or []), check_options(cluster, threads, gpus)
    with connected(cluster, share) as computers:
        place: dict[str, Any] = {"out": out, "retry": retry, "repeats": repeats, "cluster": computers}
        run_search(experiment, space, trials, dataset, protocol, seed, size, data_dir, picked, **place, **overrides)


@app.command(
    epilog="Examples: `fer-tf ensemble cnn-fer2013-official-seed0 resnet18-fer2013-official-seed0 --tta flip`, "
    "`fer-tf ensemble RUN RUN ferplus.h5 --select greedy`"
)
def ensemble(
    runs: Annotated[
        list[str],
        typer.Argument(help="Finished runs with the same test images, or bundled files: ferplus.h5."),
    ],
    weights: Annotated[
        list[float] | None, typer.Option("--weight", help="One per run, in their order [default: equal weights].")
    ] = None,
    select: Annotated[str, typer.Option(help="all, or greedy: choose the weights on val.")] = "all",
    tta: Annotated[str, typer.Option(help="Views of each image: none, flip or ten_crop.")] = "none",
    data_dir: DataDir = None,
    name: Annotated[str, typer.Option(help="Name of the record [default: ensemble-…].")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder to write to [default: reports/evaluations/…].")] = None,
) -> None:
    """Averages the probabilities of finished runs and evaluates the average on the test images they share."""
    import_keras()
    from ..runs.ensemble import ensemble_runs

    run = ensemble_runs(runs, data_dir, weights, select, tta, name, out)
    for member in run.record["members"]:
        print(f"{member['run']:44} weight {member['weight']:.3f}  val accuracy {member['val_accuracy']:.3f}")
    print_run(run)
