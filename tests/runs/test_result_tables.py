"""Tables over finished runs."""

from dataclasses import replace

import pytest

from fer_tf.common.paths import results_root
from fer_tf.experiments.resolve import EARLIER
from fer_tf.runs import release
from fer_tf.runs.result_tables import as_of_now, released_runs


@pytest.fixture(scope="module")
def released():
    return {run.name: run for run in released_runs()}


def test_tables_show_a_reduction_and_a_correction_of_the_same_run(released, monkeypatch):
    notes = {name: released[f"{name}-fer2013-official-seed0"].record["reduced"] for name in ("deepfer", "mobilenet")}
    assert notes["deepfer"] == f"epochs 8 for 60; pair_relu False for True ({EARLIER})"
    before, after = notes["mobilenet"].split("; ")
    assert before == "epochs 5 for 20, head_epochs 1 for 3, unfreeze conv_pw_8 for conv_pw_4"
    names = [item.split(" ")[0] for item in after.split(", ")]
    assert names == ["learning_rate", "schedule", "patience", "head_learning_rate"]
    again = {run.name: run.record["reduced"] for run in as_of_now(list(released.values()))}
    assert again == {name: run.record["reduced"] for name, run in released.items()}, "nothing is said twice"
    share = released["facenet2expnet-ferplus-official-train_share0.1-seed0"].record["reduced"]
    assert share.endswith("; train_share 0.1")
    table = (results_root() / "comparison.md").read_text(encoding="utf-8")
    assert all(f"| {note} |" in table for note in notes.values())
    monkeypatch.setattr(release, "HEADLINES", (*release.HEADLINES, "deepfer-fer2013-official-seed0"))
    block = release.readme_block(list(released.values()))
    rows = {tuple(row.split(" | ")[1:3]): row for row in block.splitlines() if " | " in row}
    assert rows["deepfer", "fer2013, official"].endswith("| reduced, earlier settings |")
    assert rows["face_transfer", "fer2013, official"].endswith("| full |")
    assert rows["deepfer", "fer2013, balanced"].endswith("| full |")


def test_readmes_row_of_a_model_with_several_seeds_has_their_mean_and_spread(released):
    run = released["face_transfer-fer2013-official-seed0"]
    better = {**run.metrics["test"], "accuracy": run.metrics["test"]["accuracy"] + 0.02}
    other = replace(run, name="another", record={**run.record, "seed": 1}, metrics={**run.metrics, "test": better})
    others = [each for each in released.values() if each.record["experiment"] != "face_transfer"]
    block = release.readme_block([*others, run, other])
    (row,) = [line for line in block.splitlines() if "| face_transfer | fer2013" in line]
    mean = 100 * (run.metrics["test"]["accuracy"] + 0.01)
    assert f"| {mean:.1f} ± 1.4 | 2 seeds |" in row
