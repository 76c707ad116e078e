"""Statements that their controls support: what pages and chapters say of two things, and whose settings a run has."""

import re

import nbformat
import pytest

from fer_tf import experiments
from fer_tf.common.checks import InputError
from fer_tf.common.paths import project_root
from fer_tf.evaluation import comparison, significance
from fer_tf.experiments import EXPERIMENTS, Experiment
from fer_tf.runs import page
from fer_tf.runs.compare import claims, released_runs
from fer_tf.runs.reproduce import notebook_paths

PAGES = ("README.md", "reports/results/README.md", "PREDICTING.md", "TRAINING.md")
CHAPTERS = {path.stem[:2]: path for path in notebook_paths()}


def page_text(name):
    """A page's text in one line."""
    return " ".join((project_root() / name).read_text(encoding="utf-8").split())


def chapter(number, kind="code"):
    cells = nbformat.read(CHAPTERS[number], as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == kind)


@pytest.fixture(scope="module")
def released():
    return {run.name: run for run in released_runs()}


def settings_of(name, **changes):
    return {"experiment": name, "reduced": "", "settings": EXPERIMENTS[name].settings() | changes}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_printed_names_settings_and_is_none_itself(name):
    printed = EXPERIMENTS[name].printed
    assert set(printed) <= set(EXPERIMENTS[name].settings())
    assert "printed" not in EXPERIMENTS[name].settings(), "records and fingerprints stay as they are"
    assert not printed or EXPERIMENTS[name].source.startswith("document")


def test_document_2_prints_these_values():
    for name, wanted in {
        "cnn": ("adam", 1e-4, 64, 30),
        "cnn_batch32": ("adam", 1e-4, 32, 25),
        "vgg16": ("adam", 1e-4, 32, 25),
        "mobilenet": ("sgd", 1e-4, 64, 20),
    }.items():
        keys = ("optimizer", "learning_rate", "batch_size", "epochs")
        assert set(keys) <= set(EXPERIMENTS[name].printed)
        assert tuple(getattr(EXPERIMENTS[name], key) for key in keys) == wanted
        assert "patience" not in EXPERIMENTS[name].printed


def test_settings_of_the_document_are_said_only_where_it_prints_all():
    notes = {name: experiments.settings_note(settings_of(name)) for name in EXPERIMENTS}
    assert [name for name, note in notes.items() if note == "settings of the document"] == ["majority"]
    assert notes["cnn"] == (
        "the document's settings where it prints them (optimizer, learning rate, batch size, epochs, loss, flip); "
        "the rest is the kit's"
    )
    assert notes["cnn_strong"] == "settings of the kit (its source prints none)"
    reduced = {**settings_of("cnn"), "reduced": "epochs 2 for 30"}
    assert experiments.settings_note(reduced) == "epochs 2 for 30"


def test_a_source_that_prints_all_that_has_an_effect_is_believed(monkeypatch):
    whole = Experiment(model="cnn", source="document [9]", dropout=0.0, printed=("optimizer", "learning_rate"))
    monkeypatch.setitem(EXPERIMENTS, "whole", whole)
    assert "the rest is the kit's" in experiments.settings_note(settings_of("whole"))
    named = (*whole.printed, "batch_size", "epochs", "loss")
    monkeypatch.setitem(
        EXPERIMENTS, "whole", Experiment(model="cnn", source="document [9]", dropout=0.0, printed=named)
    )
    assert experiments.settings_note(settings_of("whole")) == "settings of the document"


def test_a_share_of_the_images_gets_as_many_steps():
    assert experiments.equal_steps("facenet2expnet", 0.1) == {"epochs": 400, "matching_epochs": 200}
    assert experiments.equal_steps("facenet2expnet_scratch", 0.3) == {"epochs": 133}
    assert experiments.equal_steps("facenet2expnet", 1.0, "quick") == {"epochs": 4, "matching_epochs": 4}
    assert experiments.equal_steps("facenet2expnet", 0.1, overrides={"epochs": 10})["epochs"] == 100
    assert experiments.equal_steps("facenet2expnet", 0.1, "smoke") == {}, "a limit holds the images, and so the steps"
    with pytest.raises(InputError, match="share: must be"):
        experiments.equal_steps("facenet2expnet", 10)


def test_a_run_from_before_its_experiment_was_corrected_is_not_full():
    assert experiments.changed_since(settings_of("cnn")) == ""
    assert experiments.changed_since(settings_of("cnn", patience=0)).startswith("patience 0 for 5 (")
    assert experiments.changed_since({**settings_of("cnn", patience=0), "reduced": "epochs 2 for 30"}) == ""
    old = settings_of("deepfer")
    old["settings"].pop("pair_relu")  # a setting of later: its default is what held before
    assert experiments.changed_since(old).startswith("pair_relu False for True (")
    assert experiments.changed_since({"experiment": "hog_svm", "reduced": "", "settings": {}}) == ""


def test_the_report_names_models_that_have_not_learned_and_does_not_rank_them():
    rows = [
        ("majority", 0.25, 0.23, 0.27, False, 0.25),
        ("idle", 0.26, 0.24, 0.28, False, 0.26),
        ("worse", 0.24, 0.22, 0.26, False, 0.24),
    ]
    keys = ("experiment", "accuracy", "low", "high", "learned", "val accuracy")
    part = page.pd.DataFrame([dict(zip(keys, row, strict=True)) for row in rows])
    text = page._verdict(part.assign(run=part["experiment"]))
    assert "Not learned (interval not above the share of the most frequent class): idle, worse." in text
    assert "overlap" not in text
    part.loc[1, ["low", "high", "learned"]] = [0.3, 0.4, True]
    text = page._verdict(part.assign(run=part["experiment"]))
    assert "class): worse." in text


@pytest.mark.parametrize("number", ["02", "03", "04", "05", "06", "07"])
def test_chapters_say_whose_settings_and_whether_a_run_has_learned(number):
    text = chapter(number)
    assert 'or "settings of the' not in text
    assert "settings_note(" in text
    assert "comparison.learning_note(" in text
    assert '"p_value"] <' not in text, "a verdict is the corrected one"


def test_region_attention_has_its_control_in_the_chapters_and_is_compared_with_it():
    text = chapter("05")
    order = [text.index(f'run_experiment("{name}"') for name in ("ran_backbone", "ran_mean", "ran_self")]
    assert order == sorted(order)
    assert '"+ crops, equal weights"' in text
    assert "(mean, alone)" in text
    assert "(mean, full)" in text
    assert "(mean, ran" in chapter("07")


def test_less_data_is_compared_at_equal_steps_and_every_direction_is_said():
    assert "equal_steps(" in chapter("06")
    assert "equal_steps(" in chapter("07")
    assert "significance.verdicts(changes)" in chapter("06")


def test_robustness_is_of_nets_that_differ():
    kinds = re.search(r"kinds = \{(.*?)\}", chapter("10"), re.DOTALL)[1]
    for name in ("cnn", "ran_mean", "ran", "deepfer", "facenet2expnet"):
        assert f'"{name}"' in kinds
        assert name in EXPERIMENTS
    assert "comparison.claims_sentence(claimed)" in chapter("10")


@pytest.mark.parametrize("name", PAGES)
def test_pages_have_no_statement_without_its_control(name):
    text = page_text(name)
    for fault in (
        "still rising",
        "lies four points above its backbone",
        "With less data stage 1 pays more",
        "well above their backbone",
        "of 37",
    ):
        assert fault not in text, fault


def test_region_attention_on_ferplus_waits_for_its_control(released):
    """Once `ran_mean` is measured, both pages must say what came out instead."""
    is_measured = any(run.record["experiment"] == "ran_mean" for run in released.values())
    for name in PAGES[:2]:
        assert ("not yet measured" in page_text(name)) or is_measured
        assert "nearly all of" in page_text(name)
        assert "seeing crops, not from weighting them" in page_text(name)


def test_my_model_against_facenet2expnet_alone_on_fer2013(released):
    before, after = (
        released[f"{name}-fer2013-official-seed0"] for name in ("facenet2expnet_small", "ran_facenet2expnet")
    )
    change = significance.paired_changes({"x": (before.predictions, after.predictions)}).loc["x"]
    words = f"{100 * change['after']:.1f} against {100 * change['before']:.1f} %"
    assert significance.verdict(change["difference"], change["p_value"]) == "worse"
    for name in PAGES[:2]:
        assert words in page_text(name)
        assert f"p = {change['p_value']:.2f}" in page_text(name)
        assert "below FaceNet2ExpNet alone" in page_text(name)


def test_readme_counts_what_is_measured_and_names_all_claims(released):
    claimed = claims(list(released.values()))
    assert comparison.claims_sentence(claimed) in page_text("README.md")
    assert f"all {len(comparison.read_claims())} claims" in page_text("README.md")
    assert f"all {len(comparison.read_claims())} claims" in page_text("reports/results/README.md")
    full = comparison.measured_in_full(claimed)
    assert (full["measured under"] == full["claimed under"]).all()
    assert (full["reduced"] == "").all()
