"""Makes measured results part of the kit: copies records into reports/results/ and renders tables from them."""

import re
import shutil

from ..common.checks import InputError
from ..common.files import write_text
from ..common.paths import project_root, results_root
from ..evaluation import comparison, document_tables, tables
from . import records
from .datasets import typed_options
from .result_tables import as_of_now, claims, compare, documents, released_runs, shown, shown_claims

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
    document_tables.write_tables(root / "tables", {**documents(runs), "claimed_and_reproduced": shown_claims(claimed)})
    write_text(root / "comparison.md", tables.markdown(shown(table)))
    readme = project_root() / "README.md"
    write_text(readme, fill_block(readme.read_text(encoding="utf-8"), readme_block(runs)))
    return [root / "comparison.md", root / "claimed_and_reproduced.md", readme]


def readme_block(runs: list) -> str:
    """README's results: the released runs, and the accuracies that documents claim and runs have measured. In which way
    a run is reduced, and the other claims, are in the tables of reports/results/."""
    claimed, extents = claims(runs), {run.record["reduced"]: run.record["extent"] for run in as_of_now(runs)}
    parts = [tables.markdown(_short(compare(runs), runs)), tables.markdown(_claimed_accuracies(claimed, extents))]
    return "\n".join([*parts, f"{comparison.claims_sentence(claimed)}\n"])


def _short(table, runs):
    by_name = {run.name: run.record for run in as_of_now(runs)}
    columns = {
        "model": [_variant(by_name[name]) for name in table["run"]],
        "dataset": table["dataset"],
        "protocol": table["protocol"],
        "without near copies": lambda rounded: rounded["accuracy without near copies"],
        "run": [by_name[name]["extent"] for name in table["run"]],
    }
    order = ["model", "dataset", "protocol", "accuracy", "95 % interval", "without near copies", "macro F1", "run"]
    return shown(table).assign(**columns)[order]


def _variant(record):
    """The experiment of a run, with its options, and its seed if it is not 0."""
    names = records.task_names(typed_options(record)) + ([f"seed{record['seed']}"] if record["seed"] else [])
    return f"{record['experiment']} ({'-'.join(names)})" if names else record["experiment"]


def _claimed_accuracies(claimed, extents):
    is_shown = (claimed["metric"] == "accuracy") & (claimed["claimed"] != "") & (claimed["reproduced"] != "")
    columns = ["document", "kind", "model", "settings", "claimed", "claimed under", "measured under", "reproduced"]
    runs = claimed["reduced"].map(extents)
    return claimed.assign(run=runs).loc[is_shown, [*columns, "95 % interval", "run"]]


def fill_block(text: str, block: str) -> str:
    """The text, with a new block between the marks."""
    pattern = re.compile(f"{re.escape(MARKS[0])}.*?{re.escape(MARKS[1])}", re.DOTALL)
    if not pattern.search(text):
        raise InputError(f"README.md: has no block {MARKS[0]} … {MARKS[1]}")
    return pattern.sub(lambda _: f"{MARKS[0]}\n{block}{MARKS[1]}", text)
