"""The four documents' tables in their own form, out of run records: Markdown, LaTeX and csv."""

import pandas as pd

from .evaluation import ablations, comparison, rendering
from .evaluation import document_tables as documents

DOCUMENT2 = ("cnn", "cnn_batch32", "vgg16", "mobilenet")
DOCUMENT4 = ("cnn4", "cnn4_se", "cnn4_se_aug", "cnn4_se_residual", "resnet18")
DOCUMENT3 = ("deepfer", "deepfer_salient", "deep_emotion")
CAPTIONS = {
    "document1": "Document [1]: macro averages of recall, precision and F1, and accuracy, in per cent, 95 % intervals",
    "document2": "Document [2], tables 1 and 2: accuracy in per cent, claimed beside measured",
    "document3": "Document [3]: accuracy in per cent, claimed beside measured",
    "document4": "Document [4], table 1: accuracy in per cent, claimed beside measured",
    "lists": "Accuracy in per cent on the published lists of occluded and turned faces, beside the whole test set",
    "ablations": "Variants beside the first of their group: accuracy in per cent, each p against that first one",
    "claimed_and_reproduced": "Every figure the documents claim, in per cent, beside what was measured",
}


def claimed_accuracy(run):
    """The accuracy that a run's experiment answers to, in per cent as the document prints it; "" where it claims none
    on the set that the run is of.

    Args:
        run: `fer_tf.runlog.Run`.
    """
    claims = comparison.read_claims()
    is_of_run = claims["id"].isin(run.record["claims"]) & (claims["dataset"] == run.record["dataset"])
    chosen = claims[is_of_run & (claims["metric"] == "accuracy")]
    return chosen["value"].iloc[0] if len(chosen) else ""


def document_tables(runs, answers=None):
    """The documents' tables over given runs.

    Args:
        runs: list of `fer_tf.runlog.Run`.
        answers: runs that document 3's claims may be answered by, None for `runs`: a row there is a claim, and one that
            is measured elsewhere is not to be called not measured.
    Returns: dict "document1" .. "document4", "lists" where a set has some and "ablations" where a model and one without
        a part of it were run, -> DataFrame, a row a run with the set and protocol it was tested on (document 3's: a row
        a claim); a document of whose models none was run is missing.
    """
    makers = {
        "document1": (documents.DOCUMENT1_MODELS, _document1),
        "document2": (DOCUMENT2, _document2),
        "document4": (DOCUMENT4, _document4),
    }
    found = {}
    for name, (experiments, make) in makers.items():
        order = list(experiments)  # the document's own
        chosen = [run for run in runs if run.record["experiment"] in order]
        chosen.sort(key=lambda run: (run.record["seed"], order.index(run.record["experiment"])))
        if chosen:
            found[name] = _with_place(make(chosen), chosen)
    if any(run.record["experiment"] in DOCUMENT3 for run in runs):
        triples = [(run.name, run.record, run.metrics) for run in answers or runs]
        found["document3"] = documents.document3_table(triples, comparison.read_claims())
    lists = documents.lists_table([(run.record, run.metrics) for run in runs])
    parts = _ablations([run for run in runs if run.record["experiment"] in ablations.EXPERIMENTS])
    more = {name: table for name, table in (("lists", lists), ("ablations", parts)) if len(table)}
    return dict(sorted(found.items())) | more


def write_tables(folder, tables_by_name):
    """Writes tables, dict name of `CAPTIONS` -> DataFrame, as <folder>/<name>.md, .tex and .csv; returns the paths."""
    for name in set(CAPTIONS) - set(tables_by_name):  # of runs that are no longer there
        for suffix in (".md", ".tex", ".csv"):
            (folder / name).with_suffix(suffix).unlink(missing_ok=True)
    return [
        path
        for name, table in tables_by_name.items()
        for path in rendering.write_table(folder / name, table, CAPTIONS[name], digits=1)
    ]


def _ablations(runs):
    return ablations.ablations_table([(run.record, run.metrics, run.predictions) for run in runs])


def _document1(runs):
    return documents.document1_table([(run.record, run.metrics) for run in runs])


def _document2(runs):
    return documents.document2_table([(run.record, run.metrics, claimed_accuracy(run)) for run in runs])


def _document4(runs):
    claims = comparison.read_claims().set_index("id", drop=False)
    of_run = {run.name: claims.loc[run.record["claims"][0]] for run in runs}
    rows = []
    for run in runs:
        claim = of_run[run.name]
        is_answer = claim["dataset"] == run.record["dataset"]
        rows.append((run.record, run.metrics, run.history, claim if is_answer else None))
    return documents.document4_table(rows)


def _with_place(table, runs):
    """The table with the set, protocol and seed of each row's run before it."""
    place = pd.DataFrame([{key: run.record[key] for key in ("dataset", "protocol", "seed")} for run in runs])
    return pd.concat([place, table.reset_index(drop=True)], axis=1).sort_values(["dataset", "protocol"], kind="stable")
