"""Figures of what the dataset doctor found: pairs side by side, and images that show nothing."""

import numpy as np

from ... import plots
from .examine import worst_pairs


def pair_sheet(first, second, pairs, class_names):
    """Pairs of copies, five a row: each picture over its split and label, the second with the kind and the distance.

    Args:
        first, second: uint8 [N, H, W, C], the pictures of the pairs' rows a and b.
        pairs: N rows of `doctor.Examination.pairs`.
        class_names: tuple of names.
    """
    images = np.stack([first, second], axis=1).reshape(-1, *first.shape[1:])
    titles = []
    for pair in pairs.itertuples():
        distance = "" if pair.kind == "exact" else f" {pair.distance:.2f}"
        titles.append(_title(pair.split_a, class_names[pair.label_a], f"row {pair.row_a}"))
        titles.append(_title(pair.split_b, class_names[pair.label_b], f"{pair.kind}{distance}"))
    return plots.image_row(images, titles)


def blank_sheet(images, found, class_names):
    """Pictures that show nothing, or next to nothing, ten a row.

    Args:
        images: uint8 [N, H, W, C].
        found: N rows of `doctor.Examination.images`.
        class_names: tuple of names.
    """
    rows = zip(found.index, found["split"], found["label"], strict=True)
    return plots.image_row(images, [_title(split, class_names[label], f"row {row}") for row, split, label in rows])


def _title(split, name, text):
    return f"{split or 'unused'}\n{name}\n{text}"


def save_sheets(ds, found, directory, count=40):
    """Writes pairs.png and blank.png (and .svg) of the worst findings into `directory`, as far as there are any.

    Args:
        ds: `FaceDataset`; found: its `Examination`; count: pairs shown.
    Returns: list of the written .png files.
    """
    written = []
    worst = worst_pairs(found.pairs, count)
    if len(worst):
        sides = (ds.store.fetch(worst[key].to_numpy()) for key in ("row_a", "row_b"))
        plots.save_figure(pair_sheet(*sides, worst, ds.class_names), directory / "pairs")
        written.append(directory / "pairs.png")
    blank = found.images[found.images["blank"] | found.images["near_blank"]][: count + 20]
    if len(blank):
        plots.save_figure(
            blank_sheet(ds.store.fetch(blank.index.to_numpy()), blank, ds.class_names), directory / "blank"
        )
        written.append(directory / "blank.png")
    return written
