"""The page and the released tables say what the records say."""

import ast
import dataclasses
import html
import re
import shutil
from urllib.parse import unquote

import nbformat
import numpy as np
import pandas as pd
import pytest
from fixtures import QUICK_TRAINING, home_of_runs

from fer_tf import plots
from fer_tf.common.checks import InputError
from fer_tf.common.files import read_json, write_json
from fer_tf.data import load_dataset
from fer_tf.evaluation import document_tables
from fer_tf.runs import records, release, report, result_tables
from fer_tf.runs.reproduce import declared_parameters, notebook_paths
from fer_tf.training import run_experiment

pytestmark = pytest.mark.usefixtures("untraced")

OPTIONS = {"dataset_options": {"count": 400}, "verbose": False}
EASY = {"count": 400, "difficulty": "easy"}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A home with finished runs: of cnn with its figures, the others untrained and without."""
    folder, smoke = tmp_path_factory.mktemp("shelf"), {**OPTIONS, **QUICK_TRAINING, "size": "smoke"}
    with home_of_runs(folder, with_figures=True):
        run_experiment("cnn", **smoke, epochs=1)
    with home_of_runs(folder):
        run_experiment("cnn_batch32", **smoke, epochs=0)
        run_experiment("cnn", **{**smoke, "dataset_options": EASY}, epochs=0)
        run_experiment("majority", **OPTIONS)
    return folder


@pytest.fixture(scope="module", autouse=True)
def released_results_drawn_once():
    """The bars of the released results are the same on every page: drawn again only for other results."""
    made, draw = {}, report._released

    def drawn(key, part):
        content = (*key, part.to_csv())
        if content not in made:
            made[content] = draw(key, part)
        return made[content]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "_released", drawn)
        yield


@pytest.fixture
def put(shelf, fresh_home):
    """A function that puts runs of the shelf into the test's own home, by the beginnings of their names; gives them."""

    def copied(*names):
        found = []
        for name in names:
            run = f"{name}-seed0" if "synthetic" in name else f"{name}-synthetic-identity-seed0"
            shutil.copytree(shelf / "reports" / "runs" / run, records.run_directory(run))
            records.model_path(run).parent.mkdir(exist_ok=True)
            shutil.copy(shelf / "models" / f"{run}.h5", records.model_path(run))
            found.append(records.read_run(records.run_directory(run)))
        return found

    return copied


def test_report_without_runs_says_so(fresh_home):
    assert "There is no finished run on disk yet" in report.build_report().read_text()


def test_report_is_self_contained_and_shows_every_run(put):
    runs = put("majority", "cnn")
    path = report.build_report()
    text = path.read_text()
    for run in runs:
        assert run.name in text
        assert f"{run.metrics['test']['accuracy']:.3f}" in text
    assert "Reduced: smoke size" in text
    sources = re.findall(r'src="([^"]{0,30})', text)
    assert len(sources) >= 3
    assert all(source.startswith("data:image/webp;base64,") for source in sources)
    assert not re.findall(r'(?:src|href)="https?:', text)
    assert text.count("<img") == len(re.findall(r'<img[^>]* alt="[^"]+"', text))
    links = re.findall(r'href="([^"#]+)"', text)
    assert links
    assert all((path.parent / link).exists() for link in links)


def test_report_says_which_model_was_chosen_and_what_it_has(put):
    runs = dict(zip(("cnn", "cnn_batch32"), put("cnn", "cnn_batch32", "majority"), strict=False))
    text = html.unescape(report.build_report().read_text())
    best = max(runs, key=lambda name: runs[name].metrics["val"]["accuracy"])
    test = runs[best].metrics["test"]
    low, high = test["intervals"]["accuracy"]
    assert f"Of 2 trained models, {best} was best on validation images" in text
    assert f"gets {test['accuracy']:.1%} right (95 % interval {low:.1%} to {high:.1%})" in text


@pytest.fixture
def bars():
    return plots.class_counts(load_dataset("synthetic", count=400).counts())


def captions_of(text):
    return [html.unescape(text) for text in re.findall(r"<figcaption>(.*?)</figcaption>", text, re.DOTALL)]


def test_figures_of_notebooks_stand_in_their_section_with_their_caption(fresh_home, put, bars):
    put("majority")
    plots.keep(bars, "synthetic-identity/z", "How many < there are.", "The data")
    plots.keep(bars, "synthetic-identity/a", "Maps.", "What the models look at")
    plots.keep(bars, "synthetic-identity/else", "No.")
    text = report.build_report().read_text()
    texts = ("The data</h3>", 'alt="How many &lt; there are."', "What the models look at</h3>", 'alt="Maps."')
    order = [text.index(text) for text in texts]
    assert order == sorted(order)
    assert "No." not in text
    svg = (fresh_home / "reports" / "figures" / "synthetic-identity" / "z.svg").read_text()
    assert "How many &lt; there are." in svg


def test_every_figure_of_the_page_says_what_is_to_be_seen(fresh_home, put, bars):
    """Also one that was kept without a caption, by hand or by an older version."""
    put("majority", "cnn")
    folder = fresh_home / "reports" / "figures" / "synthetic-identity"
    folder.mkdir(parents=True)
    plots.save_figure(bars, folder / "mean_faces", section="The data")
    text = report.build_report().read_text()
    names = {
        name for path in (fresh_home / "reports").rglob("*.png") for name in (path.stem, path.stem.replace("_", " "))
    }
    found = re.findall(r'<figure><img src="data:[^"]*" alt="([^"]*)">\s*<figcaption>([^<]+)</figcaption>', text)
    assert len(found) == text.count("<img") >= 3
    assert "mean faces" in names
    for alt, caption in found:
        assert len(alt.split()) > 3
        assert alt not in names
        assert len(caption.split()) > 3
        assert caption not in names


def test_every_figure_that_a_notebook_keeps_has_a_caption():
    for path in notebook_paths():
        cells = nbformat.read(path, as_version=4).cells
        code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        lines = [line for line in code.splitlines() if not line.startswith("%")]
        for call in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "keep":
                captions = call.args[2:] or [word.value for word in call.keywords if word.arg == "caption"]
                assert captions, f"{path.stem}: {ast.unparse(call)}"
                assert not isinstance(captions[0], ast.Constant) or len(captions[0].value.split()) > 2


def test_a_figure_without_a_caption_is_refused(fresh_home, bars):
    with pytest.raises(InputError, match="caption: synthetic-identity/samples needs a sentence .*; received ' '"):
        plots.keep(bars, "synthetic-identity/samples", " ")
    assert not (fresh_home / "reports" / "figures").exists()


def test_a_figure_of_an_unknown_section_is_refused(fresh_home, bars):
    with pytest.raises(InputError, match="section: allowed are The data, .*; received 'Data'"):
        plots.keep(bars, "synthetic-identity/samples", "Some samples.", "Data")


def test_every_chapter_says_what_its_figures_are_made_with():
    """All of its parameters but those that are in the figure's place or change nothing in it."""
    for path in notebook_paths():
        code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        wanted = set(declared_parameters(path)) - {"dataset", "data_dir", "protocol"}
        (given,) = re.findall(r"^plots\.set_parameters\((.*)\)$", "\n".join(code), re.MULTILINE)
        assert given.split(", ") == [
            f"{name}={name}" for name in ("seed", "size", "overrides", "dataset_options") if name in wanted
        ], path.stem


def keep_in_notebook(bars, name, **parameters):
    """Keeps a figure as a notebook with these parameters does."""
    plots.set_parameters(**{"seed": 0, "dataset_options": "", "size": "", **parameters})
    plots.keep(bars, f"synthetic-identity/{name}", f"This is {name}.", "The data")
    plots.set_parameters()


def test_a_figure_of_another_seed_or_options_stands_with_its_own_runs(put, bars):
    """A later notebook with another seed overwrites the figures of the one before."""
    put("majority", "cnn-synthetic-identity-easy")
    run_experiment("majority", seed=1, **OPTIONS)
    given = {"dataset_options": "count=400"}
    keep_in_notebook(bars, "samples", **given)
    keep_in_notebook(bars, "class_counts", **given, seed=1)
    keep_in_notebook(bars, "mean_faces", dataset_options="count=400 difficulty=easy", size="smoke")
    keep_in_notebook(bars, "masks", seed=7)
    parts = re.split(r"<h2 id=[^>]*>", report.build_report().read_text())
    place = {part[: part.index("</h2>")]: captions_of(part) for part in parts if part.startswith("synthetic,")}
    usual = place["synthetic, protocol identity, count 400"]
    assert "This is samples. (Made with count=400.)" in usual
    other = place["synthetic, protocol identity, count 400, seed 1"]
    assert "This is class_counts. (Made with seed 1, count=400.)" in other
    easy = place["synthetic, protocol identity, count 400, difficulty easy"]
    assert "This is mean_faces. (Made with count=400 difficulty=easy, size smoke.)" in easy
    lost = [key for key, captions in place.items() if "This is masks. (Made with seed 7.)" in captions]
    assert lost == [next(iter(place))], "a figure without a run on the page is in the first part, and says what it is"
    assert sum("This is" in caption for captions in place.values() for caption in captions) == 4


def test_links_to_odd_file_names_lead_to_the_files(fresh_home, put):
    put("majority")
    folder = fresh_home / "reports" / "notebooks"
    folder.mkdir(parents=True)
    names = ["my copy.html", "50%.html", "a#b?.html", "über.html"]
    for name in names:
        (folder / name).write_text("<html></html>")
    path = report.build_report()
    links = [html.unescape(link) for link in re.findall(r'href="([^"#]+)"', path.read_text())]
    assert all((path.parent / unquote(link)).is_file() for link in links)
    assert {unquote(link) for link in links if "notebooks/" in link} == {f"notebooks/{name}" for name in names}
    assert not [link for link in links if re.search(r"[^\w./%~-]", link, re.ASCII)]


def test_runs_on_other_test_images_are_not_ranked_with_each_other(put):
    """Easier drawings are other pictures: a section, bars and verdict of their own."""
    put("cnn", "cnn-synthetic-identity-easy")
    text = report.build_report().read_text()
    headings = re.findall(r"<h2 id=[^>]*>(synthetic[^<]*)</h2>", text)
    assert headings == [
        "synthetic, protocol identity, count 400",
        "synthetic, protocol identity, count 400, difficulty easy",
    ]
    assert text.count("On test images cnn gets") == 2
    assert "trained models" not in text


def test_the_dataset_with_most_runs_comes_first(put):
    """Not the six pictures of one's own that chapter 11 fine-tunes on."""
    put("majority", "cnn")
    few = records.run_directory("cnn-folder-stratified-seed0")
    shutil.copytree(records.run_directory("cnn-synthetic-identity-seed0"), few)
    record = {**read_json(few / "record.json"), "dataset": "folder", "protocol": "stratified", "run": few.name}
    write_json(few / "record.json", record | {"test_fingerprint": "of other pictures"})
    headings = re.findall(r'<h2 id="[a-z]+-[a-z]+-[^>]*>([a-z]+)', report.build_report().read_text())
    assert headings == ["synthetic", "folder"]


def test_a_claim_stands_beside_figures_of_its_own_set_alone():
    runs = {run.name: run for run in result_tables.released_runs()}
    assert document_tables.claimed_accuracy(runs["cnn-fer2013-official-seed0"]) == "54"
    other = dataclasses.replace(runs["cnn-fer2013-official-seed0"], record={"claims": [2], "dataset": "synthetic"})
    assert document_tables.claimed_accuracy(other) == ""


def test_documents_tables_are_written_in_three_forms(fresh_home, put):
    [run] = put("cnn")
    text = report.build_report().read_text()
    folder = fresh_home / "reports" / "tables"
    assert {path.stem for path in folder.iterdir()} == {"document2", "claimed_and_reproduced"}
    row = pd.read_csv(folder / "document2.csv").iloc[0]
    # the document claims 54 % on FER2013, nothing on drawn faces
    assert np.isnan(row["claimed"])
    assert row["test"] == pytest.approx(100 * run.metrics["test"]["accuracy"])
    assert f"| {row['test']:.1f} |" in (folder / "document2.md").read_text()
    assert f"& {row['test']:.1f} &" in (folder / "document2.tex").read_text()
    assert 'href="tables/document2.tex"' in text


@pytest.fixture
def released_home(fresh_home, monkeypatch):
    """A project of its own with a README, so that the real released results stay as they are."""
    (fresh_home / "README.md").write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n")
    for module in (result_tables, release):
        monkeypatch.setattr(module, "results_root", lambda: fresh_home / "reports" / "results")
    monkeypatch.setattr(release, "project_root", lambda: fresh_home)
    return fresh_home


def test_release_copies_records_and_fills_readme(released_home, put, monkeypatch):
    [run] = put("majority")
    monkeypatch.setattr(release, "HEADLINES", (run.name, "a run that is not released"))
    write_json(run.directory / "record.json", {**run.record, "reduced": ""})  # as of all 5000 faces
    release.add_runs([run.name])
    release.render_results()
    readme = (released_home / "README.md").read_text()
    assert readme.startswith("before\n")
    assert readme.endswith("after\n")
    assert "old" not in readme
    assert f"| {100 * run.metrics['test']['accuracy']:.1f} |" in readme
    kept = records.read_run(released_home / "reports" / "results" / "runs" / run.name)
    assert kept.metrics == run.metrics
    assert len(kept.predictions) == len(run.predictions)


def test_reduced_runs_are_not_released(released_home, put, monkeypatch):
    [run] = put("cnn")
    monkeypatch.setattr(release, "HEADLINES", (run.name,))
    with pytest.raises(InputError, match="is reduced .*; release it as such with --reduced"):
        release.add_runs([run.name])
    assert not (released_home / "reports" / "results").exists()
    release.add_runs([run.name], reduced=True)
    release.render_results()
    assert "| reduced |" in (released_home / "README.md").read_text()
    assert "| smoke size: " in (released_home / "reports" / "results" / "comparison.md").read_text()
