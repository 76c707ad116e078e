"""Making measured results part of the kit: records copied into reports/results/, tables rendered from them."""

import re
import shutil

import pandas as pd

from ..common.checks import InputError
from ..common.files import write_text
from ..common.paths import project_root, results_root
from ..evaluation import comparison, document_tables, tables
from ..experiments.resolve import EARLIER
from . import records
from .compare import CLAIM_COLUMNS, claims, compare, documents, released_runs, shown

FILES = (
    "record.json",
    "metrics.json",
    "training.json",
    "history.csv",
    "predict.csv",
    "ground_truth.csv",
    "matching/history.csv",
)
MARKS = ("<!-- results -->", "<!-- /results -->")


def add_runs(names: list, reduced: bool = False) -> None:
    """Copies the records of finished runs into reports/results/runs/.

    Args:
        names: of runs in reports/runs/.
        reduced: also take runs at less than their source's settings; every table then says in which way.
    """
    runs = [records.read_run(records.run_directory(name)) for name in names]
    for run in runs:
        if run.record["reduced"] and not reduced:
            raise InputError(f"{run.name}: is reduced ({run.record['reduced']}); release it as such with --reduced")
    for run in runs:
        target = results_root() / "runs" / run.name
        part = target.with_name(f".{run.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for name in FILES:
            if (run.directory / name).is_file():
                (part / name).parent.mkdir(exist_ok=True)
                shutil.copy2(run.directory / name, part / name)
        shutil.rmtree(target, ignore_errors=True)
        part.replace(target)


def render_results() -> list:
    """Renders the released tables and README's block from the released records; returns the written paths."""
    runs = released_runs()
    table = compare(runs)
    claimed = claims(runs)
    root = results_root()
    tables.write_csv(root / "comparison.csv", table)
    tables.write_csv(root / "claimed_and_reproduced.csv", claimed)
    write_text(root / "claimed_and_reproduced.md", tables.markdown(claimed[CLAIM_COLUMNS]))
    document_tables.write_tables(root / "tables", {**documents(runs), "claimed_and_reproduced": claimed[CLAIM_COLUMNS]})
    write_text(root / "comparison.md", tables.markdown(shown(table)))
    readme = project_root() / "README.md"
    write_text(readme, fill_block(readme.read_text(encoding="utf-8"), readme_block(table, claimed)))
    return [root / "comparison.md", root / "claimed_and_reproduced.md", readme]


def readme_block(table: pd.DataFrame, claimed: pd.DataFrame) -> str:
    """README's results: the released runs, and the accuracies that documents claim and runs have measured. In which way
    a run is reduced, and the other claims, are in the tables of reports/results/."""
    parts = [tables.markdown(_short(table)), tables.markdown(_claimed_accuracies(claimed))]
    return "\n".join([*parts, f"{comparison.claims_sentence(claimed)}\n"])


def _short(table):
    part = shown(table)
    for column in ("protocol", "dataset"):
        part[column] = table[column].to_numpy()
    part["model"] = [_variant(row) for row in table.itertuples()]
    part["without near copies"] = part["accuracy without near copies"]
    part["run"] = _reduced_text(table["reduced"])
    columns = ["model", "dataset", "protocol", "accuracy", "95 % interval", "without near copies", "macro F1", "run"]
    return part[columns]


def _variant(row):
    """The experiment of a row of `compare`, with what else its run is named after: options, and seeds but 0."""
    rest = row.run.removeprefix(f"{row.experiment}-{row.dataset}-{row.protocol}-")
    options = rest.removesuffix("seed0").removesuffix("-")
    return f"{row.experiment} ({options})" if options else row.experiment


def _claimed_accuracies(claimed):
    wanted = (claimed["metric"] == "accuracy") & (claimed["claimed"] != "") & (claimed["reproduced"] != "")
    part = claimed[wanted].copy()
    # two claims of one model on one set differ in their settings or in their remark
    part["settings"] = part["settings"].where(part["settings"] != "", part["remark"].str.split(";").str[0])
    part["run"] = _reduced_text(part["reduced"])
    columns = ["document", "kind", "model", "settings", "claimed", "claimed under", "measured under", "reproduced"]
    return part[[*columns, "95 % interval", "run"]]


def _reduced_text(reduced):
    return [_kind_of_run(text) for text in reduced]


def _kind_of_run(reduced):
    """ "full", "reduced", "earlier settings" or both of these, from the text of `compare.as_of_now`."""
    parts = [part for part in reduced.split("; ") if part]
    kinds = {"earlier settings" if EARLIER in part else "reduced" for part in parts}
    return ", ".join(sorted(kinds, reverse=True)) or "full"


def fill_block(text: str, block: str) -> str:
    """The text, with a new block between the marks."""
    pattern = re.compile(f"{re.escape(MARKS[0])}.*?{re.escape(MARKS[1])}", re.DOTALL)
    if not pattern.search(text):
        raise InputError(f"README.md: has no block {MARKS[0]} … {MARKS[1]}")
    return pattern.sub(lambda _: f"{MARKS[0]}\n{block}{MARKS[1]}", text)
