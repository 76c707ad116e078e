"""Released results: the tables that ship are rendered from the records that ship."""

from pathlib import Path

import pytest

from fer_tf.common.paths import project_root
from fer_tf.evaluation import tables
from fer_tf.runs import release, result_tables

pytestmark = pytest.mark.usefixtures("untraced")


def test_shipped_tables_and_readme_are_rendered_from_the_shipped_records():
    """A figure typed by hand, or left behind by a newer record, is found here."""
    runs = result_tables.released_runs()
    assert runs, "the kit ships measured records"
    table, claimed = result_tables.compare(runs), result_tables.claims(runs)
    root = project_root() / "reports" / "results"
    assert (root / "comparison.md").read_text() == tables.markdown(result_tables.shown(table))
    assert (root / "claimed_and_reproduced.md").read_text() == tables.markdown(result_tables.shown_claims(claimed))
    readme = Path(project_root() / "README.md").read_text()
    assert release.fill_block(readme, release.readme_block(runs)) == readme


def test_shipped_records_agree_with_their_predictions():
    rendered = (project_root() / "reports" / "results" / "comparison.md").read_text()
    for run in result_tables.released_runs():
        table = run.predictions
        assert (table["truth"] == table["label"]).mean() == pytest.approx(run.metrics["test"]["accuracy"])
        clean = table[table["copy_of"] == ""]
        expected = run.metrics["without_copies"]
        assert len(clean) == expected["n"]
        assert (clean["truth"] == clean["label"]).mean() == pytest.approx(expected["accuracy"])
        assert run.record["reduced"] == "" or f"| {run.record['reduced']} |" in rendered
