"""The table of ensembles: what the mean of several networks gains over its best member."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from .comparison import verdict
from .intervals import percent_interval
from .over_seeds import p_text
from .significance import paired_changes


def ensembles_table(ensembles: Iterable[Any], runs: Mapping[str, Any]) -> pd.DataFrame:
    """Ensembles next to their best member, on the same test images.

    The best member has the highest validation accuracy. Chosen by the test images, it would be too good. Its accuracy
    is that of its run, with one view of each picture. So the gain includes the one of the ensemble's further views.

    Args:
        ensembles: runs with name, record (members with weight and val_accuracy), metrics and predictions.
        runs: dict name -> run, with predictions: the members whose records are available.
    Returns: DataFrame, one row for each ensemble: dataset, protocol, ensemble, members (their number), views (of each
        picture), accuracy, 95 % interval, best member, its accuracy, gain (points), 95 % interval of the gain, p Holm
        (text; McNemar, corrected for the ensembles of the table), verdict, reduced. Accuracies are in per cent. The
        columns from its accuracy to verdict are missing or "" where the member's predictions are not available. Those
        of a bundled file are not.
    """
    listed = list(ensembles)
    leaders = {each.name: _leader(each.record["members"]) for each in listed}
    changes = paired_changes(
        {
            each.name: (runs[leaders[each.name]].predictions, each.predictions)
            for each in listed
            if leaders[each.name] in runs
        }
    )
    return pd.DataFrame([_row(each, leaders[each.name], changes) for each in listed])


def _leader(members):
    """The name of the member that is best on validation images; of equals, the first."""
    return max((member for member in members if member["weight"]), key=lambda member: member["val_accuracy"])["run"]


def _row(ensemble, leader, changes):
    record, test = ensemble.record, ensemble.metrics["test"]
    row = {
        "dataset": record["dataset"],
        "protocol": record["protocol"],
        "ensemble": " + ".join(f"{member['weight']:.2f} {member['run']}" for member in record["members"]),
        "members": sum(member["weight"] > 0 for member in record["members"]),
        "views": record["tta"],
        "accuracy": 100 * test["accuracy"],
        "95 % interval": percent_interval(test["intervals"]["accuracy"]),
        "best member": leader,
        **{"its accuracy": None, "gain": None, "95 % interval of the gain": "", "p Holm": "", "verdict": ""},
        "reduced": record["reduced"],
    }
    if ensemble.name not in changes.index:
        return row
    change = changes.loc[ensemble.name]
    return row | {
        "its accuracy": 100 * change["before"],
        "gain": 100 * change["difference"],
        "95 % interval of the gain": percent_interval((change["low"], change["high"])),
        "p Holm": p_text(change["p_holm"]),
        "verdict": verdict(change["difference"], change["p_holm"]),
    }
