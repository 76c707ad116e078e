"""reports/index.html: one self-contained page rendered from the run records and figures on disk."""

import base64
import io
import json
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from urllib.parse import quote

import pandas as pd
from jinja2 import Environment, PackageLoader
from PIL import Image

from .. import plots
from ..common.files import write_text
from ..common.paths import reports_root
from ..data import parse_options
from ..evaluation import comparison, document_tables, tables
from ..evaluation import plots as evaluation_plots
from . import records
from .environment import environment
from .result_tables import (
    all_runs,
    as_of_now,
    claims,
    compare,
    documents,
    ensembles,
    released_runs,
    shown,
    shown_claims,
)

# Captions of the figures that a run leaves in its own folder.
RUN_FIGURES = {
    "confusion": "Confusion matrix of {} on test images, as counts and as shares of the true class.",
    "learning_curves": "Loss and accuracy of {} by epoch, on training and validation images.",
}


def build_report() -> Path:
    """Renders reports/index.html from the records and figures on disk; returns its path."""
    path = reports_root() / "index.html"
    local, released, answered = as_of_now(records.finished_runs()), released_runs(), claims()
    claimed, known = shown_claims(answered), all_runs()
    shown_documents = documents(local, known) | ensembles(records.finished_ensembles(), known)
    document_tables.write_tables(reports_root() / "tables", {**shown_documents, "claimed_and_reproduced": claimed})
    by_protocol = compare(released).groupby(["dataset", "protocol"]) if released else ()
    pages = [_released(key, compared) for key, compared in by_protocol]
    jinja = Environment(loader=PackageLoader("fer_tf.runs", ""), autoescape=True)
    page = jinja.get_template("report.html.j2").render(
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        environment=environment(),
        groups=_groups(local),
        released=pages,
        claims=_table(claimed, "Claimed and reproduced"),
        measured=comparison.claims_sentence(answered),
        documents=[
            (name, document_tables.CAPTIONS[name], _table(table, document_tables.CAPTIONS[name], 1))
            for name, table in shown_documents.items()
        ],
        tables=reports_root() / "tables",
        provenance=_table(_provenance(local), "What each run was made with"),
        notebooks=sorted((reports_root() / "notebooks").glob("*.html")),
        relative=lambda target: quote(target.relative_to(path.parent).as_posix()),
    )
    write_text(path, page)
    return path


def _groups(runs):
    """What the page shows of the runs on disk, a part for each dataset, protocol and set of test images."""
    table, by_name = compare(runs), {run.name: run for run in runs}
    if not len(table):
        return []
    tested = [str(by_name[name].record.get("test_fingerprint", "")) for name in table["run"]]
    tables = [(key[:2], rows) for key, rows in table.groupby(["dataset", "protocol", tested])]
    groups = [_group(key, rows, [by_name[name] for name in rows["run"]]) for key, rows in tables]
    totals = table.groupby(["dataset", "protocol"]).size()

    def place(group):
        """Most runs first: of datasets and protocols, and within one of its sets of test images."""
        key = group["dataset"], group["protocol"]
        return -totals[key], *key, -len(group["runs"]), len(group["options"])

    groups.sort(key=place)
    return [group | {"sections": _figure_sections(group, groups)} for group in groups]


def _group(key, compared, members):
    """What the page shows of the runs on one dataset under one protocol."""
    whole = max(members, key=lambda run: run.record["counts"]["all"]["all"])  # not one with a limit
    caption = f"All models on {key[0]}, protocol {key[1]}"
    counts = pd.DataFrame(whole.record["counts"]).rename_axis("class").reset_index()
    return {
        "dataset": key[0],
        "protocol": key[1],
        "options": _options(members, whole.record),
        "anchor": f"{key[0]}-{key[1]}-{whole.record.get('test_fingerprint', '')}",
        "verdict": _verdict(compared),
        "table": _table(shown(_short_names(compared)), caption),
        "bars": _picture(evaluation_plots.accuracy_bars(_short_names(compared))),
        "counts": _table(counts, "Images per class and split"),
        "notes": whole.record["notes"],
        "runs": [_run(run) for run in members],
    }


def _short_names(compared):
    """Names of runs on one dataset and protocol, without the parts that they all share."""
    common = compared["dataset"].str.replace("+", "_", regex=False) + "-" + compared["protocol"] + "-"
    names = [name.replace(shared, "", 1) for name, shared in zip(compared["run"], common, strict=True)]
    names = [name.removesuffix("-seed0").replace("-", " ") for name in names]
    return compared.assign(run=names)


def _options(members, record):
    """The options and the seed that make a group's test images differ from the dataset's usual ones, as text."""
    options = {key: value for key, value in record.get("dataset_options", {}).items() if key != "train_share"}
    seeds = {run.record["seed"] for run in members}
    options |= {"seed": record["seed"]} if len(seeds) == 1 and record["seed"] else {}
    return ", ".join(f"{key} {value}" for key, value in options.items())


def _verdict(compared):
    """A comparison table in sentences: the model chosen on validation, its rivals, and which have not learned."""
    trained = compared[compared["experiment"] != "majority"]
    if trained.empty:
        return ""
    best = trained.loc[trained["val accuracy"].idxmax()]
    lead = f"Of {len(trained)} trained models, {best['experiment']} was best on validation images; on test images it"
    lead = lead if len(trained) > 1 else f"On test images {best['experiment']}"
    text = f"{lead} gets {best['accuracy']:.1%} right (95 % interval {best['low']:.1%} to {best['high']:.1%}). "
    text += _rivals(trained, best)
    idle = ", ".join(dict.fromkeys(trained.loc[~trained["learned"], "experiment"]))
    text += f"Not learned (interval not above the share of the most frequent class): {idle}. " if idle else ""
    commonest = compared.loc[compared["experiment"] == "majority", "accuracy"]
    return text + (f"Always answering the most frequent class gets {commonest.iloc[0]:.1%}." if len(commonest) else "")


def _rivals(trained, best):
    """How many models' intervals reach the best one's; those that have not learned are not compared with each other."""
    others = trained[(trained["run"] != best["run"]) & (trained["learned"] | best["learned"])]
    count = int((others["high"] >= best["low"]).sum())
    if not count:
        return ""
    if count == 1:
        return "The interval of 1 other overlaps with its own or lies above it. "
    return f"The intervals of {count} others overlap with its own or lie above it. "


def _released(key, compared):
    """Measured records that ship with the kit, on one dataset under one protocol."""
    return {
        "dataset": key[0],
        "protocol": key[1],
        "bars": _picture(evaluation_plots.accuracy_bars(_short_names(compared))),
        "table": _table(shown(compared), f"Released results on {key[0]}, protocol {key[1]}"),
    }


def _figure_sections(group, groups):
    """The kept figures of a group in the order of `plots.SECTIONS`: (title, figures) pairs without empty ones."""
    rivals = [
        other for other in groups if (other["dataset"], other["protocol"]) == (group["dataset"], group["protocol"])
    ]
    folder = reports_root() / "figures" / f"{group['dataset']}-{group['protocol']}"
    figures_on_disk = [(path, *_about_figure(path)) for path in sorted(folder.glob("*.png"))]
    sections = {title: [] for title in plots.SECTIONS}
    for path, section, parameters in figures_on_disk:
        if section in sections and _home(parameters, rivals) is group:
            sections[section].append(_figure(path, parameters, group))
    return [(title, figures) for title, figures in sections.items() if figures]


def _home(parameters, rivals):
    """The group that shows a figure: the one with a run of its seed and options, else the first."""
    options = parse_options(rivals[0]["dataset"], parameters.get("dataset_options", ""))
    texts = {key: str(value) for key, value in options.items()}  # as records have them
    for group in rivals:
        for record in (run["record"] for run in group["runs"]):
            if (record["seed"], record.get("dataset_options", {})) == (parameters.get("seed", record["seed"]), texts):
                return group
    return rivals[0]


def _about_figure(path):
    """(section, parameters of its notebook) of a kept figure; ("", {}) where the file does not say them."""
    try:
        with Image.open(path) as picture:
            return picture.info.get("Section", ""), json.loads(picture.info.get("Parameters", "{}"))
    except (OSError, ValueError):  # a damaged file, or one of another program
        return "", {}


def _figure(path, parameters, group):
    """A kept figure with its caption. The caption names the seed and settings if they differ from the page's."""
    with Image.open(path) as picture:
        caption = picture.info.get("Description", "")
    caption = caption or f"{path.stem.replace('_', ' ')}: a figure that was kept without a caption."
    seeds = {run["record"]["seed"] for run in group["runs"]}
    parts = [f"seed {parameters['seed']}"] if parameters.get("seed", 0) or seeds - {parameters.get("seed", 0)} else []
    parts += [parameters["dataset_options"]] if parameters.get("dataset_options") else []
    parts += [f"size {parameters['size']}"] if parameters.get("size") else []
    parts += [parameters["overrides"]] if parameters.get("overrides") else []
    caption += f" (Made with {', '.join(parts)}.)" if parameters and parts else ""
    return {"src": _data_url(path), "caption": caption}


def _provenance(runs):
    """One row per run: revision, versions, device, seed, fingerprints."""
    rows = []
    for run in runs:
        made_with = run.record["environment"]
        versions = ", ".join(f"{name} {version}" for name, version in made_with["packages"].items())
        rows.append(
            {
                "run": run.name,
                "seed": run.record["seed"],
                "revision": made_with["revision"],
                "dataset fingerprint": run.record["dataset_fingerprint"],
                "settings fingerprint": run.record["fingerprint"],
                "device": made_with["device"],
                "cores": made_with["cores"],
                "versions": f"Python {made_with['python']}, {versions}",
            }
        )
    return pd.DataFrame(rows)


def _run(run):
    names = list(run.metrics["test"]["per_class"])
    figures = [
        {
            "src": _data_url(figure),
            "caption": RUN_FIGURES.get(figure.stem, figure.stem.replace("_", " ") + " of {}").format(run.name),
        }
        for figure in sorted((run.directory / "figures").glob("*.png"))
    ]
    report = tables.report_table(run.metrics["test"], names).round(3).reset_index()
    return {
        "name": run.name,
        "record": run.record,
        "report": _table(report, f"Test report of {run.name}"),
        "figures": figures,
        "directory": run.directory,
    }


def _table(frame, caption, digits=3):
    """A frame as an HTML table that the page's script makes sortable; the caption is for screen readers."""
    html = frame.to_html(
        index=False, na_rep="", border=0, justify="left", float_format=f"{{:.{digits}f}}".format, classes="sortable"
    )
    return html.replace("<thead>", f"<caption>{escape(caption)}</caption>\n  <thead>", 1)


def _data_url(file):
    """A picture as a data URL: WebP, a quarter of the PNG's bytes."""
    buffer = io.BytesIO()
    with Image.open(file) as picture:
        # method 2 takes half as long as the usual 4, for 4 % more bytes
        picture.convert("RGB").save(buffer, "webp", quality=82, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def _picture(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    return _data_url(buffer)
