"""Document [3]'s tables, claimed beside measured. Those of [1], [2] and [4] stand in `tables`."""

import re

import numpy as np
import pandas as pd

from .comparison import _answers, _why_not

# Document [3] has a table a dataset, in this order, and its own method stands last in each.
DOCUMENT3_DATASETS = {"fer2013": "FER 2013", "ckplus": "CK+", "jaffe": "JAFFE", "ferg": "FERG"}
DOCUMENT3_METHODS = {
    "bag of words": "Bag of Words (Ionescu et al.)", "VGG+SVM": "VGG+SVM (Georgescu et al.)",
    "deep_emotion": "Deep-Emotion (Minaee et al.)", "deepfer": "Proposed Method (DeepFER)",
}  # fmt: skip


def document3_table(runs, claims):
    """Document [3]'s four tables, accuracies on FER 2013, CK+, JAFFE and FERG, below each other: method, accuracy;
    claimed beside measured.

    Args:
        runs: (name, record, metrics) triples; a run answers the claims its experiment names, on the claim's dataset.
        claims: DataFrame of `comparison.read_claims`.
    Returns: DataFrame, a row a claim and measured protocol, the claim's own first: Dataset, Method, settings, claimed,
        claimed val, measured under, measured (mean ± sd over seeds), 95 % interval (of one seed), measured val, seeds,
        remark. Accuracies in per cent; measured ones are missing where nothing was run, and the remark says why.
        `for name, part in table.groupby("Dataset", sort=False)` gives the document's own tables.
    """
    said = claims[(claims["document"].astype(str) == "3") & (claims["metric"] == "accuracy")]
    rows = []
    for claim in sorted(said.itertuples(), key=_place):
        for (protocol, reduced), group in (_answers(claim, runs) or {("", ""): []}).items():
            rows.append(_claimed(claim) | _measured(claim, protocol, reduced, group))
    return pd.DataFrame(rows)


def _place(claim):
    """Datasets in the document's order; of one, its table's methods in their order, others before them."""
    methods = list(DOCUMENT3_METHODS)
    known = methods.index(claim.model) if claim.model in methods else -1
    return list(DOCUMENT3_DATASETS).index(claim.dataset), known, claim.id


def _claimed(claim):
    val = re.search(r"validation ([\d.]+)", claim.note)
    return {
        "Dataset": DOCUMENT3_DATASETS[claim.dataset], "Method": DOCUMENT3_METHODS.get(claim.model, claim.model),
        "settings": "; ".join(filter(None, [claim.protocol, claim.settings])), "claimed": float(claim.value),
        "claimed val": float(val[1]) if val else np.nan,
    }  # fmt: skip


def _measured(claim, protocol, reduced, group):
    tests = [100 * metrics["test"]["accuracy"] for _, _, metrics in group]
    row = {
        "measured under": protocol, "measured": _mean(tests), "95 % interval": "",
        "measured val": _mean([100 * metrics["val"]["accuracy"] for _, _, metrics in group]), "seeds": len(group) or "",
        "remark": f"reduced: {reduced}" if reduced else "",
    }  # fmt: skip
    if not group:
        row["remark"] = "quoted by the document" if claim.note == "quoted" else _why_not(claim)
    if len(group) == 1:
        low, high = group[0][2]["test"]["intervals"]["accuracy"]
        row["95 % interval"] = f"{100 * low:.1f} to {100 * high:.1f}"
    return row


def _mean(values):
    if not values:
        return ""
    spread = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{spread}"
