"""The page and the released tables say what the records say."""

import re
from pathlib import Path

import pytest

from fer_tf import release, report, runlog
from fer_tf.checks import InputError
from fer_tf.evaluation import tables
from fer_tf.paths import project_root
from fer_tf.training import run_experiment

OPTIONS = {"dataset_options": {"count": 400}, "verbose": False}


def test_report_without_runs_says_so(fresh_home):
    assert "There is no finished run on disk yet" in report.build_report().read_text()


@pytest.mark.figures
def test_report_is_self_contained_and_shows_every_run(fresh_home):
    runs = [run_experiment("majority", **OPTIONS), run_experiment("cnn", size="smoke", **OPTIONS)]
    path = report.build_report()
    page = path.read_text()
    for run in runs:
        assert run.name in page and f"{run.metrics['test']['accuracy']:.3f}" in page
    assert "Reduced: smoke size" in page
    sources = re.findall(r'src="([^"]{0,30})', page)
    assert len(sources) >= 4 and all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.findall(r'(?:src|href)="https?:', page)
    assert page.count("<img") == len(re.findall(r'<img[^>]* alt="[^"]+"', page))
    links = re.findall(r'href="([^"#]+)"', page)
    assert links and all((path.parent / link).exists() for link in links)


@pytest.fixture
def released_home(fresh_home, monkeypatch):
    """A project of its own with a README, so that the real released results stay as they are."""
    (fresh_home / "README.md").write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n")
    monkeypatch.setattr(report, "project_root", lambda: fresh_home)
    monkeypatch.setattr(release, "project_root", lambda: fresh_home)
    return fresh_home


def test_release_copies_records_and_fills_readme(released_home):
    run = run_experiment("majority", "synthetic", verbose=False)
    release.add_runs([run.name])
    release.render_results()
    readme = (released_home / "README.md").read_text()
    assert readme.startswith("before\n") and readme.endswith("after\n") and "old" not in readme
    assert f"| {run.metrics['test']['accuracy']:.3f} |" in readme
    kept = runlog.read_run(released_home / "reports" / "results" / "runs" / run.name)
    assert kept.metrics == run.metrics and len(kept.predictions) == len(run.predictions)


def test_reduced_runs_are_not_released(released_home):
    run = run_experiment("cnn", size="smoke", **OPTIONS)
    with pytest.raises(InputError, match="is reduced .*; release it as such with --reduced"):
        release.add_runs([run.name])
    assert not (released_home / "reports" / "results").exists()
    release.add_runs([run.name], reduced=True)
    release.render_results()
    assert "| reduced: smoke size: " in (released_home / "README.md").read_text()


def test_shipped_tables_and_readme_are_rendered_from_the_shipped_records():
    """A figure typed by hand, or left behind by a newer record, is found here."""
    runs = report.released_runs()
    assert runs, "the kit ships measured records"
    table, claimed = report.compare(runs), report.claims(runs)
    root = project_root() / "reports" / "results"
    assert (root / "comparison.md").read_text() == tables.markdown(report.shown(table))
    assert (root / "claimed_and_reproduced.md").read_text() == tables.markdown(claimed[report.CLAIM_COLUMNS])
    readme = Path(project_root() / "README.md").read_text()
    assert release.fill_block(readme, release.readme_block(table, claimed)) == readme


def test_shipped_records_agree_with_their_predictions():
    readme = (project_root() / "README.md").read_text()
    for run in report.released_runs():
        table = run.predictions
        assert (table["truth"] == table["label"]).mean() == pytest.approx(run.metrics["test"]["accuracy"])
        clean = table[table["copy_of"] == ""]
        expected = run.metrics["without_copies"]
        assert len(clean) == expected["n"]
        assert (clean["truth"] == clean["label"]).mean() == pytest.approx(expected["accuracy"])
        assert run.record["reduced"] == "" or f"reduced: {run.record['reduced']}" in readme
