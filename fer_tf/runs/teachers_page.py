"""reports/teachers.html: what a good answer to each exercise contains, with the figures of the runs on disk."""

import statistics
from collections.abc import Sequence
from pathlib import Path

import nbformat
from jinja2 import Environment, PackageLoader
from nbconvert.filters import markdown2html

from ..common.files import write_text
from ..common.paths import reports_root
from ..evaluation import significance
from . import records
from .reproduce import notebook_paths, time_text

NONE = "*no run yet*"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Answers for teachers</title>
<style>:root {{ color-scheme: light dark; }} body {{ max-width: 46rem; margin: 0 auto; padding: 1rem;
font: 16px/1.55 system-ui, sans-serif; }} table {{ border-collapse: collapse; }} td, th {{ padding: .3rem .6rem;
border-bottom: 1px solid #8886; text-align: left; }}
.anchor-link {{ display: none; }} code {{ overflow-wrap: anywhere; }}</style></head>
<body><main>{}</main></body></html>
"""


class Figures:
    """What the page's text asks for: scores, differences and times of finished runs.

    Args:
        runs: finished runs, see `records.finished_runs`; those of one dataset, protocol and size are used.
        dataset: name of the dataset.
        size: "smoke", "quick" or "full".
    """

    def __init__(self, runs: Sequence[records.Run], dataset: str = "synthetic", size: str = "quick"):
        self.runs = {
            (run.record["experiment"], *_option_key(run.record.get("dataset_options", {})), run.record["seed"]): run
            for run in runs
            if run.record["dataset"] == dataset and run.record.get("size") == size
        }

    def seeds(self, experiment: str, **options: float | str) -> dict[int, records.Run]:
        """Seed -> the run of an experiment with these options of the dataset."""
        start = (experiment, *_option_key(options))
        return {
            key[-1]: run for key, run in sorted(self.runs.items(), key=lambda item: str(item[0])) if key[:-1] == start
        }

    def accuracy(self, experiment: str, **options: float | str) -> str:
        """Test accuracy over seeds: "62.1 ± 0.8 % (3 seeds)"."""
        values = [100 * run.metrics["test"]["accuracy"] for run in self.seeds(experiment, **options).values()]
        return _spread(values, " %")

    def macro_f1(self, experiment: str, **options: float | str) -> str:
        """Macro F1 over seeds: "0.612 ± 0.011 (3 seeds)"."""
        values = [run.metrics["test"]["macro_f1"] for run in self.seeds(experiment, **options).values()]
        return _spread(values, "", digits=3)

    def seconds(self, experiment: str, **options: float | str) -> str:
        """Training time over seeds: "21 ± 2 s (3 seeds)"."""
        runs = self.seeds(experiment, **options).values()
        return _spread([run.metrics["training"].get("seconds", 0.0) for run in runs], " s", digits=0)

    def change(self, before: str, after: str, **options: float | str) -> str:
        """Difference of two experiments' test accuracy, seed by seed, and in how many seeds McNemar's test sees one."""
        pairs = self._pairs(before, after, options)
        if not pairs:
            return NONE
        tests = [significance.paired_changes({"": (old.predictions, new.predictions)}).iloc[0] for old, new in pairs]
        if not any(test["learned"] for test in tests):
            return "*no comparison: neither has learned*"
        gains = [100 * (new.metrics["test"]["accuracy"] - old.metrics["test"]["accuracy"]) for old, new in pairs]
        clear = sum(bool(test["p_value"] < 0.05) for test in tests)
        return f"{_spread(gains, ' points', sign='+')}; p < 0.05 in {clear} of {len(pairs)}"

    def extreme_class(self, experiment: str, rank: int, **options: float | str) -> str:
        """The class with the lowest (rank 0) or highest (rank -1) mean recall over seeds: "fear (31 %)"."""
        runs = list(self.seeds(experiment, **options).values())
        if not runs:
            return NONE
        means = {
            name: statistics.mean(run.metrics["test"]["per_class"][name]["recall"] for run in runs)
            for name in runs[0].record["class_names"]
        }
        name = sorted(means, key=lambda name: means[name])[rank]
        return f"{name} (recall {means[name]:.0%})"

    def _pairs(self, before, after, options):
        old, new = self.seeds(before, **options), self.seeds(after, **options)
        return [(old[seed], new[seed]) for seed in old if seed in new]


def _option_key(options):
    return (tuple(sorted((name, str(value)) for name, value in options.items())),)


def _spread(values, unit, digits=1, sign=""):
    """Mean and standard deviation over seeds, as text."""
    if not values:
        return NONE
    count = f"({len(values)} seeds)" if len(values) > 1 else "(1 seed)"
    deviation = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):{sign}.{digits}f}{deviation}{unit} {count}"


def chapter_times() -> dict[str, str]:
    """Stem of each chapter -> how long its last execution took; "not executed" where there is no copy."""
    times = {}
    for path in notebook_paths():
        copy = reports_root() / "notebooks" / path.name
        duration = None
        if copy.is_file():
            duration = nbformat.read(copy, as_version=4).metadata.get("papermill", {}).get("duration")
        times[path.stem] = "not executed" if duration is None else time_text(duration)
    return times


def build_teachers_page(dataset: str = "synthetic", size: str = "quick") -> Path:
    """Renders reports/teachers.html from the runs on disk.

    Args:
        dataset: name of the dataset of the runs.
        size: their size.
    Returns: the page's path.
    """
    jinja = Environment(loader=PackageLoader("fer_tf.runs", ""), autoescape=False)
    text = jinja.get_template("teachers.md.j2").render(
        figures=Figures(records.finished_runs(), dataset, size), times=chapter_times(), dataset=dataset, size=size
    )
    path = reports_root() / "teachers.html"
    write_text(path, _PAGE.format(markdown2html(text)))
    return path
