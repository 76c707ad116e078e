"""Figures of what the doctor found: pairs side by side, and images that show nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ... import plots
from ..base import FaceDataset
from .examine import Examination, worst_pairs

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def pair_sheet(first: np.ndarray, second: np.ndarray, pairs: pd.DataFrame, class_names: Sequence[str]) -> Figure:
    """Draws pairs of copies, five in a row. Titles give split and label, then kind and distance.

    Args:
        first, second: uint8 [N, H, W, C], the pictures of row_a and row_b.
        pairs: N rows of `Examination.pairs`.
        class_names: tuple of names.
    Returns: matplotlib figure.
    """
    images = np.stack([first, second], axis=1).reshape(-1, *first.shape[1:])
    titles = []
    for pair in pairs.itertuples():
        distance = "" if pair.kind == "exact" else f" {pair.distance:.2f}"
        titles.append(_title(pair.split_a, class_names[int(pair.label_a)], f"row {pair.row_a}"))
        titles.append(_title(pair.split_b, class_names[int(pair.label_b)], f"{pair.kind}{distance}"))
    return plots.image_row(images, titles)


def blank_sheet(images: np.ndarray, pictures: pd.DataFrame, class_names: Sequence[str]) -> Figure:
    """Draws pictures that show (nearly) nothing, ten in a row.

    Args:
        images: uint8 [N, H, W, C].
        pictures: N rows of `Examination.images`.
        class_names: tuple of names.
    Returns: matplotlib figure.
    """
    rows = zip(pictures.index, pictures["split"], pictures["label"], strict=True)
    return plots.image_row(images, [_title(split, class_names[label], f"row {row}") for row, split, label in rows])


def _title(split, name, text):
    return f"{split or 'unused'}\n{name}\n{text}"


def save_sheets(ds: FaceDataset, findings: Examination, directory: Path, count: int = 40) -> list[Path]:
    """Writes pairs.png and blank.png (and .svg) with the worst findings, if there are any.

    Args:
        ds: `FaceDataset`.
        findings: its `Examination`.
        directory: folder to write to.
        count: largest number of pairs.
    Returns: list of the written .png files.
    """
    written = []
    worst = worst_pairs(findings.pairs, count)
    if len(worst):
        first, second = (ds.store.fetch(worst[key].to_numpy()) for key in ("row_a", "row_b"))
        plots.save_figure(pair_sheet(first, second, worst, ds.class_names), directory / "pairs")
        written.append(directory / "pairs.png")
    blank = findings.images[findings.images["blank"] | findings.images["near_blank"]][: count + 20]
    if len(blank):
        images = ds.store.fetch(blank.index.to_numpy())
        plots.save_figure(blank_sheet(images, blank, ds.class_names), directory / "blank")
        written.append(directory / "blank.png")
    return written
