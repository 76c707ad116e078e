"""Makes the pictures of a dataset in the processes of a cluster, in parts of some rows."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ...common.cluster import Cluster, need_file
from ..base import FaceDataset
from .pictures import Picture, pictures
from .settings import Settings
from .target import SETTINGS, Target

# Rows in a part. A part whose process was killed is made again.
PART = 512


def made_on_cluster(
    cluster: Cluster,
    ds: FaceDataset,
    rows: list[int],
    paths: np.ndarray,
    settings: Settings,
    target: Target,
    workers: int | None,
) -> Iterator[tuple[int, int]]:
    """Makes and writes the pictures of some rows. The journal gets a part's lines after its pictures are written.

    A picture without a line, whose part was written when this process was killed, is made again by the next call.

    Args:
        cluster: the cluster.
        ds: `FaceDataset`.
        rows: list of int, rows of its table.
        paths: object [N], the path of each row of the table, relative to the folder.
        settings: `Settings`.
        target: the folder to write.
        workers: largest number of processes; None for as many as fit.
    Yields: the numbers of pictures written and of rows, for each part.
    """
    parts = [_part(ds, rows[start : start + PART], paths) for start in range(0, len(rows), PART)]
    arguments = {"out": os.path.abspath(target.out), "settings": settings, "threads": cluster.share.threads}
    for made, written in cluster.each(PictureMaker, arguments, parts, workers):
        target.log(ds.name, made)
        yield written, len(made)


def _part(ds, rows, paths):
    """Some rows as a dataset of their own, which takes no other picture along, with their rows and paths."""
    table = ds.table.iloc[rows][["label", "split"]].reset_index(drop=True)
    alone = FaceDataset(ds.name, ds.protocol, ds.class_names, table, ds.store.taken(np.asarray(rows)))
    return {"ds": alone, "rows": rows, "paths": paths[rows]}


class PictureMaker:
    """Makes and writes the pictures of parts, in a process of a cluster.

    Args:
        out: the folder to write, prepared by the caller.
        settings: `Settings`.
        threads: for reading, encoding and writing.
    Raises: `InputError` if this computer does not see the folder.
    """

    def __init__(self, out: str, settings: Settings, threads: int) -> None:
        self.target, self.settings, self.threads = Target(out), settings, threads
        need_file(self.target.out / SETTINGS, "--out")

    def __call__(self, part: dict[str, Any]) -> tuple[list[Picture], int]:
        """Makes a part; returns its pictures without their images, and the number of pictures written."""
        made, written = [], 0
        with ThreadPoolExecutor(self.threads) as pool:
            for batch in pictures(part["ds"], list(range(len(part["rows"]))), self.settings, pool):
                written += self.target.add_batch(batch, part["paths"], pool, self.threads)
                made += [picture._replace(row=part["rows"][picture.row], image=None) for picture in batch]
        return made, written
