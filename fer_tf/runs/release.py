"""Makes measured results part of the kit: copies records into reports/results/ and renders tables from them."""

import re
import shutil

import pandas as pd

from ..common.checks import InputError
from ..common.files import write_text
from ..common.paths import project_root, results_root
from ..evaluation import comparison, document_tables, over_seeds, tables
from ..evaluation.intervals import percent_interval, percent_mean
from . import records
from .datasets import typed_options
from .result_tables import (
    as_of_now,
    claims,
    compare,
    documents,
    ensembles,
    released_ensembles,
    released_runs,
    shown,
    shown_claims,
)

FILES = (
    "record.json",
    "metrics.json",
    "training.json",
    "history.csv",
    "predict.csv",
    "ground_truth.csv",
    "second.json",
    "second.csv",
    "matching/history.csv",
)
# The runs in README's table: a main method of each document, the control of region attention, and the models that are
# best on validation images.
HEADLINES = (
    "cnn-fer2013-pooled-seed0",
    "deepfer-fer2013-balanced-seed0",
    "face_transfer-fer2013-official-seed0",
    "cnn4_se-ferplus-six-seed0",
    "ran-ferplus-official-seed0",
    "ran_mean-ferplus-official-seed0",
    "ran_facenet2expnet-ferplus-official-seed0",
    "compact_taught-ferplus-official-soft-seed0",
)
MARKS = ("<!-- results -->", "<!-- /results -->")


def add_runs(names: list, reduced: bool = False) -> None:
    """Copies the records of finished runs into reports/results/runs/, and of ensembles into reports/results/ensembles/.

    Args:
        names: of runs in reports/runs/, or of ensembles in reports/evaluations/.
        reduced: also take runs at less than their source's settings; every table then says in which way.
    """
    found = {run.name: run for run in records.finished_ensembles()}
    runs = [found.get(name) or records.read_run(records.run_directory(name)) for name in names]
    for run in runs:
        if run.record["reduced"] and not reduced:
            raise InputError(f"{run.name}: is reduced ({run.record['reduced']}); release it as such with --reduced")
    for run in runs:
        target = results_root() / ("ensembles" if run.name in found else "runs") / run.name
        temporary = target.with_name(f".{run.name}.part")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        for name in FILES:
            if (run.directory / name).is_file():
                (temporary / name).parent.mkdir(exist_ok=True)
                shutil.copy2(run.directory / name, temporary / name)
        shutil.rmtree(target, ignore_errors=True)
        temporary.replace(target)


def render_results() -> list:
    """Renders the released tables and README's block from the released records; returns the written paths."""
    runs, root = released_runs(), results_root()
    table, claimed = compare(runs), claims(runs)
    tables.write_csv(root / "comparison.csv", table)
    tables.write_csv(root / "claimed_and_reproduced.csv", claimed)
    write_text(root / "claimed_and_reproduced.md", tables.markdown(shown_claims(claimed)))
    rendered = {**documents(runs), **ensembles(released_ensembles(), runs)}
    document_tables.write_tables(root / "tables", {**rendered, "claimed_and_reproduced": shown_claims(claimed)})
    write_text(root / "comparison.md", tables.markdown(shown(table)))
    readme = project_root() / "README.md"
    write_text(readme, fill_block(readme.read_text(encoding="utf-8"), readme_block(runs)))
    return [root / "comparison.md", root / "claimed_and_reproduced.md", readme]


def readme_block(runs: list) -> str:
    """README's results: the runs of `HEADLINES`, and how many claims are measured. reports/results/ has all others."""
    claimed = claims(runs)
    groups = {run.name: members for members in over_seeds.grouped(as_of_now(runs)) for run in members}
    rows = [_headline(groups[name], claimed) for name in HEADLINES if name in groups]
    table = tables.markdown(pd.DataFrame(rows)) if rows else ""
    return f"{table}\n{comparison.claims_sentence(claimed)}\n"


def _headline(members, claimed):
    """The runs of a model with all its seeds, next to the accuracies that documents claim for it on its dataset."""
    record, tests = members[0].record, [run.metrics["test"] for run in members]
    is_its_own = claimed["id"].isin(record["claims"]) & (claimed["metric"] == "accuracy") & (claimed["claimed"] != "")
    figures = claimed.loc[is_its_own & (claimed["dataset"] == record["dataset"])].drop_duplicates("claimed")
    is_same_split = figures["claimed under"] == record["protocol"]
    figures = figures[is_same_split] if is_same_split.any() else figures
    interval = percent_interval(tests[0]["intervals"]["accuracy"]) if len(tests) == 1 else f"{len(tests)} seeds"
    return {
        "document": ", ".join(f"[{number}]" for number in figures["document"].unique()),
        "model": _variant(record),
        "dataset": f"{record['dataset']}, {record['protocol']}",
        "claimed %": ", ".join(figures["claimed"] + figures["kind"].map({"own": "", "quoted": " (quoted)"})),
        "measured %": percent_mean([test["accuracy"] for test in tests]),
        "95 % interval": interval,
        "run": record["extent"],
    }


def _variant(record):
    """The experiment of a run, with its options, and its seed if it is not 0."""
    names = records.task_names(typed_options(record)) + ([f"seed{record['seed']}"] if record["seed"] else [])
    return f"{record['experiment']} ({'-'.join(names)})" if names else record["experiment"]


def fill_block(text: str, block: str) -> str:
    """The text, with a new block between the marks."""
    pattern = re.compile(f"{re.escape(MARKS[0])}.*?{re.escape(MARKS[1])}", re.DOTALL)
    if not pattern.search(text):
        raise InputError(f"README.md: has no block {MARKS[0]} … {MARKS[1]}")
    return pattern.sub(lambda _: f"{MARKS[0]}\n{block}{MARKS[1]}", text)
