"""Pictures that come from several datasets: where each is from, counts of each source, and copies between them.

The column `source` of a dataset's table names the source. A bool column for each source ("from ferplus") gives every
evaluation the accuracy on that source alone.
"""

from collections.abc import Iterable

import pandas as pd

from .base import SPLITS, FaceDataset

# The start of the names of the yes-or-no columns.
FROM = "from "


def sources_of(table: pd.DataFrame) -> list[str]:
    """The sources that a dataset's table has a yes-or-no column for; empty if the dataset is not joined."""
    columns = [str(name) for name in table if str(name).startswith(FROM) and table[name].dtype == bool]
    return [name.removeprefix(FROM) for name in columns]


def mark_sources(table: pd.DataFrame, sources: Iterable[str]) -> None:
    """Adds the columns `source` and "from <source>" to a table, in place, if there are two sources or more.

    Args:
        table: DataFrame, N rows.
        sources: the source of each row, N texts.
    """
    column = pd.Series(list(sources), table.index, object)
    if column.nunique() < 2:
        return
    table["source"] = column
    for name in dict.fromkeys(column):
        table[f"{FROM}{name}"] = column == name


def source_counts(ds: FaceDataset) -> dict[str, dict[str, int]]:
    """Images of each source of a joined dataset: dict source -> dict split -> count; empty if it is not joined."""
    splits = ds.table["split"]
    return {
        name: {split: int(((splits == split) & ds.table[f"{FROM}{name}"]).sum()) for split in SPLITS}
        for name in sources_of(ds.table)
    }


def pairs_between_sources(ds: FaceDataset, pairs: pd.DataFrame) -> pd.DataFrame:
    """Counts pairs of copies whose pictures come from different sources.

    Args:
        ds: a joined dataset.
        pairs: `Examination.pairs`.
    Returns: DataFrame with the columns sources ("ferplus, fer2013"), kind (exact, near or mirrored), pairs, and apart
        (pairs that are in two splits).
    """
    source, split = ds.table["source"].to_numpy(object), ds.table["split"].to_numpy(object)
    first, second = pairs["row_a"].to_numpy(int), pairs["row_b"].to_numpy(int)
    order = {name: number for number, name in enumerate(dict.fromkeys(source))}
    names = [", ".join(sorted(both, key=order.__getitem__)) for both in zip(source[first], source[second], strict=True)]
    used = (split[first] != "") & (split[second] != "")
    found = pd.DataFrame({"sources": names, "kind": pairs["kind"].to_numpy()})
    found["apart"] = used & (split[first] != split[second])
    found = found[source[first] != source[second]]
    return found.groupby(["sources", "kind"])["apart"].agg(pairs="size", apart="sum").reset_index()
