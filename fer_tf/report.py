"""reports/index.html: one self-contained page rendered from the run records on disk."""

import base64
import io
from datetime import UTC, datetime

import pandas as pd
from jinja2 import Environment, PackageLoader, select_autoescape

from . import plots, runlog
from .evaluation import comparison, tables
from .paths import project_root, reports_root, write_text

NUMBERS = {
    "accuracy": "{:.3f}", "balanced accuracy": "{:.3f}", "macro F1": "{:.3f}", "top-2": "{:.3f}", "ECE": "{:.3f}",
    "val accuracy": "{:.3f}", "accuracy without copies": "{:.3f}",
    "accuracy without near copies": "{:.3f}", "parameters": "{:,}", "s/epoch": "{:.1f}",
}  # fmt: skip


def results_root():
    """Where the measured records that ship with the kit lie."""
    return project_root() / "reports" / "results"


def released_runs():
    """The runs that ship with the kit."""
    return runlog.finished_runs(results_root() / "runs")


def all_runs():
    """Released runs and those on disk; a run on disk that is not reduced stands in for its released namesake."""
    runs = {run.name: run for run in released_runs()}
    for run in runlog.finished_runs():
        if run.name not in runs or not run.record["reduced"]:
            runs[run.name] = run
    return list(runs.values())


def compare(runs):
    """The comparison table of runs, see `evaluation.comparison.comparison_table`."""
    return comparison.comparison_table(comparison.run_row(run.name, run.record, run.metrics) for run in runs)


def claims(runs=None):
    """Claimed against reproduced over the given runs (default: all on disk and released)."""
    runs = all_runs() if runs is None else runs
    return comparison.claims_table([(run.name, run.record, run.metrics) for run in runs])


def build_report():
    """Renders reports/index.html from the records on disk; returns its path."""
    path = reports_root() / "index.html"
    local = runlog.finished_runs()
    table = compare(local)
    page = _template().render(
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        environment=runlog.environment(),
        groups=[_group(key, part, local) for key, part in table.groupby(["dataset", "protocol"])] if len(table) else [],
        claims=_table(claims()[CLAIM_COLUMNS]),
        notebooks=sorted((reports_root() / "notebooks").glob("*.html")),
        relative=lambda target: target.relative_to(path.parent).as_posix(),
    )
    write_text(path, page)
    return path


CLAIM_COLUMNS = [
    "document", "model", "dataset", "claimed under", "settings", "metric", "claimed", "measured under", "reproduced",
    "95 % interval", "seeds", "remark",
]  # fmt: skip


def _template():
    environment = Environment(loader=PackageLoader("fer_tf"), autoescape=select_autoescape())
    return environment.get_template("report.html.j2")


def _group(key, part, runs):
    """What the page shows of the runs on one dataset under one protocol."""
    by_name = {run.name: run for run in runs}
    members = [by_name[name] for name in part["run"]]
    whole = max(members, key=lambda run: run.record["counts"]["all"]["all"])  # not one with a limit
    return {
        "dataset": key[0],
        "protocol": key[1],
        "table": _table(shown(part)),
        "bars": _picture(plots.accuracy_bars(part)),
        "counts": _table(pd.DataFrame(whole.record["counts"]).rename_axis("class").reset_index()),
        "notes": whole.record["notes"],
        "runs": [_run(run) for run in members],
    }


def shown(part):
    """A comparison table with the interval as text and numbers rounded, for reading."""
    part = part.copy()
    part["interval"] = [f"{low:.3f} to {high:.3f}" for low, high in zip(part["low"], part["high"], strict=True)]
    for column, form in NUMBERS.items():
        part[column] = ["" if pd.isna(value) else form.format(value) for value in part[column]]
    part["peak MB"] = ["" if pd.isna(value) else f"{value:.0f}" for value in part["peak MB"]]
    order = ["run", "accuracy", "interval", *list(NUMBERS)[1:], "epochs", "peak MB", "reduced"]
    return part[order].rename(columns={"interval": "95 % interval"})


def _run(run):
    names = list(run.metrics["test"]["per_class"])
    figures = [
        {"src": _data_url(figure), "alt": f"{figure.stem.replace('_', ' ')} of {run.name}"}
        for figure in sorted((run.directory / "figures").glob("*.png"))
    ]
    report = tables.report_table(run.metrics["test"], names).round(3).reset_index()
    return {
        "name": run.name,
        "record": run.record,
        "report": _table(report),
        "figures": figures,
        "directory": run.directory,
    }


def _table(frame):
    return frame.to_html(index=False, na_rep="", border=0, justify="left", float_format="{:.3f}".format)


def _data_url(path):
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def _picture(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
