"""Queue files: what a row means, csv and yaml mean the same, and a mistake is reported before anything runs."""

from pathlib import Path

import pytest
import typer

from fer_tf.cli import app
from fer_tf.common.checks import InputError
from fer_tf.common.paths import reports_root
from fer_tf.runs import records
from fer_tf.training.queue_entries import Entry, parse_budget, read_queue

PROJECT = Path(__file__).resolve().parent.parent.parent
HEADER = "experiment,dataset,protocol,seed,overrides,options,size,space,members,priority,note\n"
CSV = f"""{HEADER}# the small ones first

cnn,synthetic,identity,3,epochs=2 flip=false,count=200,smoke,,,,the first
# "lbp_svm" is not run
hog_svm,synthetic,,,,count=200,smoke,,,5,
cnn,,,,,,,document3,,,
ensemble,synthetic,,,tta=flip,,,,a + b,2.5,
"""
YAML = """
- {experiment: cnn, dataset: synthetic, protocol: identity, seed: 3, overrides: epochs=2 flip=false, options: count=200,
   size: smoke, note: another note}
- {experiment: hog_svm, options: count=200, size: smoke, priority: 5, space: null}
- {experiment: cnn, space: document3}
- experiment: ensemble
  overrides: tta=flip
  members: a + b
  priority: 2.5
"""
MEMBERS = "cnn-synthetic-identity-seed0+cnn-synthetic-identity-seed1"


def written(folder, text, name="queue.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def one(folder, **columns):
    """The entry of a csv with these columns."""
    lines = [",".join(columns), ",".join(f'"{value}"' for value in columns.values())]
    return read_queue(written(folder, "\n".join(lines)))[0]


def parsed(words):
    """What `fer-tf` understands of a command's words, as a dict; a word it does not know is an error."""
    group = typer.main.get_command(app)
    command = group.commands[words[0]]
    return command.make_context(words[0], list(words[1:])).params


def test_a_csv_and_a_yaml_file_mean_the_same(tmp_path):
    table, listed = (read_queue(written(tmp_path, text, name)) for text, name in ((CSV, "q.csv"), (YAML, "q.yaml")))
    assert table == listed
    assert [entry.kind for entry in table] == ["classical", "ensemble", "train", "search"]
    assert table[2].note == "the first"
    assert listed[2].note == "another note"
    assert read_queue(written(tmp_path, YAML, "q.yml")) == table


def test_what_a_row_leaves_out_is_the_default(tmp_path):
    for path in (written(tmp_path, "experiment\ncnn\n"), written(tmp_path, "- experiment: cnn", "queue.yaml")):
        assert read_queue(path) == [Entry("cnn", "synthetic", "", 0, "", "", "full", "", "", 0.0)]
    entry = Entry("cnn")
    assert entry.protocol_name == "identity"
    assert entry.name == "cnn-synthetic-identity-seed0"
    assert entry.resolved.epochs == 30
    assert entry.dataset_options == {}
    assert entry.needs == []
    assert entry.directory == reports_root() / "runs" / entry.name


def test_comments_and_blank_cells_are_passed_over(tmp_path):
    text = "\ufeffexperiment, seed, note\n# cnn4, 1\n cnn , , \n\n  cnn, 2.0, see issue #3\n"
    entries = read_queue(written(tmp_path, text))
    notes = [(entry.experiment, entry.seed, entry.note) for entry in entries]
    assert notes == [("cnn", 0, ""), ("cnn", 2, "see issue #3")]


def test_larger_priorities_come_first_and_equals_keep_the_files_order(tmp_path):
    rows = [(0, ""), (1, "2"), (2, "-1"), (3, "10"), (4, "2"), (5, "0"), (6, "2.5"), (7, "2")]
    text = "experiment,seed,priority\n" + "".join(f"cnn,{seed},{priority}\n" for seed, priority in rows)
    assert [entry.seed for entry in read_queue(written(tmp_path, text))] == [3, 6, 1, 4, 7, 0, 5, 2]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"epochs": 3}, "columns: unknown 'epochs'; allowed are dataset, experiment"),
        ({"experiment": "resnet999"}, "experiment: allowed are .*ensemble; received 'resnet999'"),
        ({"experiment": ""}, "experiment: is missing"),
        ({"dataset": "mnist"}, "dataset: allowed are synthetic.*; received 'mnist'"),
        ({"protocol": "sideways"}, "protocol: allowed are identity; received 'sideways'"),
        ({"overrides": "epoch=2"}, "overrides: unknown 'epoch'"),
        ({"overrides": "epochs"}, "overrides: each must be name=value; received 'epochs'"),
        ({"overrides": "epochs=two"}, "epochs: must be int; received 'two'"),
        ({"overrides": "batch_size=0"}, "batch_size: must be a number >= 1"),
        ({"options": "fold=1"}, "options of synthetic: unknown 'fold'"),
        ({"options": "count"}, "options: each must be name=value"),
        ({"seed": "one"}, "seed: must be a whole number; received 'one'"),
        ({"seed": "1.5"}, "seed: must be a whole number; received '1.5'"),
        ({"seed": "inf"}, "seed: must be a whole number; received 'inf'"),
        ({"seed": -1}, "seed: must be a number >= 0; received -1"),
        ({"priority": "high"}, "priority: must be a number; received 'high'"),
        ({"priority": "nan"}, "priority: must be a number; received 'nan'"),
        ({"size": "huge"}, "size: allowed are full, quick, smoke; received 'huge'"),
        ({"experiment": "hog_svm", "size": "huge"}, "size: allowed are full, quick, smoke; received 'huge'"),
        ({"experiment": "hog_svm", "overrides": "kernel=rbf"}, "overrides: hog_svm takes none in a queue"),
        ({"space": "document9"}, "space: allowed are document4"),
        ({"experiment": "hog_svm", "space": "document3"}, "space: goes with an experiment that is trained"),
        ({"space": "document3", "overrides": "l2=0.1"}, "overrides: l2 is searched through"),
        ({"members": MEMBERS}, "members: goes with experiment ensemble"),
        ({"experiment": "ensemble"}, r"members: an ensemble needs two or more runs or bundled files, separated by \+"),
        ({"experiment": "ensemble", "members": "a+ferpluss.h5"}, "members: ferpluss.h5 is neither a run nor a bundled"),
        ({"experiment": "ensemble", "members": "a+ferplus_tiny.tflite"}, "members: ferplus_tiny.tflite is neither"),
        ({"experiment": "ensemble", "members": "a+"}, "members: an ensemble needs two or more runs"),
        ({"experiment": "ensemble", "members": MEMBERS, "overrides": "epochs=2"}, "allowed are select, tta"),
        ({"experiment": "ensemble", "members": MEMBERS, "overrides": "select=best"}, "select: allowed are all, greedy"),
        ({"experiment": "ensemble", "members": MEMBERS, "overrides": "tta"}, "tta: allowed are none, flip, ten_crop"),
        ({"overrides": "attention=none", "experiment": "ran_mean"}, "ran_mean is defined by attention mean"),
    ],
    ids=str,
)
def test_a_wrong_row_is_reported_with_file_place_and_fault(tmp_path, row, fault):
    row = {"experiment": "cnn", **row}
    lines = [",".join(row), *([",".join(["cnn", *[""] * (len(row) - 1)])] if "epochs" not in row else [])]
    csv = written(tmp_path, "\n".join([*lines, ",".join(f'"{value}"' for value in row.values())]) + "\n")
    with pytest.raises(InputError, match=rf"^{csv}: row {len(lines)}: .*{fault}"):
        read_queue(csv)
    good = "" if "epochs" in row else "- experiment: cnn\n"
    bad = "- {" + ", ".join(f"{key}: '{value}'" for key, value in row.items()) + "}\n"
    yaml = written(tmp_path, good + bad, "queue.yaml")
    with pytest.raises(InputError, match=rf"^{yaml}: entry {len(lines)}: .*{fault}"):
        read_queue(yaml)


def test_yaml_values_of_another_type_are_told_and_no_traceback(tmp_path):
    for text in ("seed: [1]", "seed: true", "overrides: {epochs: 2}", "on: 1, 2: 3, foo: 4", "dataset: [synthetic]"):
        with pytest.raises(InputError, match="queue.yaml: entry 1: "):
            read_queue(written(tmp_path, f"- {{experiment: cnn, {text}}}", "queue.yaml"))


def test_two_rows_of_one_run_are_told_since_one_would_replace_the_other(tmp_path):
    text = "experiment,seed,overrides\ncnn,0,\ncnn,1,\ncnn,0,epochs=2\n"
    with pytest.raises(InputError, match="queue.csv: row 3 and row 1 would both be the run cnn-synthetic-identity-s"):
        read_queue(written(tmp_path, text))
    # a search of the same experiment, another seed, a named option: those are other runs
    text = "experiment,space,options\ncnn,,\ncnn,document3,\ncnn,,difficulty=easy\n"
    assert len({entry.name for entry in read_queue(written(tmp_path, text))}) == 3


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("q.csv", b"experiment,seed\ncnn,1\ncnn,2,3\n", "is not a readable csv file .*Expected 2 fields in line 3"),
        ("q.csv", b"experiment,note\ncnn,small, but good\n", "the first row has more cells than the header"),
        ("q.csv", b"", "is not a readable csv file"),
        ("q.csv", b"experiment\ncnn\xff\n", "is not a readable csv file"),
        ("q.csv", b"experiment,seed\n# cnn,1\n", "has no rows"),
        ("q.csv", b"experiment;seed\ncnn;1\n", "unknown 'experiment;seed'"),
        ("q.yaml", b"- {experiment: cnn", "is not readable yaml"),
        ("q.yaml", b"- experiment: cnn\xff", "is not readable yaml"),
        ("q.yaml", b"experiment: cnn", "must be a list of mappings"),
        ("q.yaml", b"- cnn\n- cnn4", "must be a list of mappings"),
        ("q.yaml", b"", "must be a list of mappings"),
        ("q.yaml", b"[]", "has no rows"),
    ],
)
def test_an_unreadable_file_is_reported_in_one_line(tmp_path, name, content, fault):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"^{path}: .*{fault}"):
        read_queue(path)


def test_a_missing_file_is_reported_with_an_example(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError, match=rf"no file {path}; .*queues/measured.csv"):
            read_queue(path)


def test_a_trainings_command_is_what_fer_tf_takes(tmp_path):
    changed = "flip=false unfreeze=a,b learning_rate=0.00001 sizes=32:1,48:2"
    data = {"dataset": "ferplus", "protocol": "six", "options": "label_mode=soft train_share=0.5"}
    entry = one(tmp_path, experiment="compact", seed=3, size="quick", overrides=changed, **data)
    assert " ".join(entry.command()) == (
        "train compact --dataset ferplus --protocol six --seed 3 --size quick --option label_mode=soft "
        "--option train_share=0.5 --set flip=False --set unfreeze=a,b --set learning_rate=1e-05 --set sizes=32:1,48:2"
    )
    assert entry.command("my data")[-2:] == ["--data-dir", "my data"]
    found = parsed(entry.command("my data"))
    assert found["experiment"] == "compact"
    assert found["seed"] == 3
    assert found["data_dir"] == "my data"
    assert found["options"] == ["label_mode=soft", "train_share=0.5"]
    assert not found["force"]
    # the settings, again as text, are the row's
    again = one(tmp_path, experiment="compact", size="quick", overrides=" ".join(found["settings"]))
    assert again.resolved == entry.resolved
    assert not entry.resolved.flip


def test_a_searchs_command_is_what_fer_tf_takes(tmp_path):
    space = "learning_rate=0.1,0.01 batch_size=8,16"
    entry = one(tmp_path, experiment="cnn", space=space, size="smoke", overrides="epochs=1", options="count=200")
    words = "search cnn --dataset synthetic --protocol identity --seed 0 --size smoke --option count=200 --grid"
    assert entry.command("raw") == [*words.split(" "), "--space", space, "--set", "epochs=1", "--data-dir", "raw"]
    found = parsed(entry.command("raw"))
    assert found["grid"]
    assert found["random"] is None
    assert found["space"] == space
    assert entry.name == "cnn-synthetic-identity-seed0-custom"
    assert entry.directory == reports_root() / "searches" / entry.name


def test_a_classical_runs_command_is_what_fer_tf_takes(tmp_path):
    entry = one(tmp_path, experiment="hog_svm", seed=1, size="smoke", options="count=200")
    assert " ".join(entry.command("raw")) == (
        "classical hog_svm --dataset synthetic --protocol identity --seed 1 --size smoke --option count=200 "
        "--data-dir raw"
    )
    assert parsed(entry.command())["options"] == ["count=200"]
    assert entry.needs == []
    assert entry.directory == reports_root() / "runs" / entry.name


def test_an_ensembles_command_is_what_fer_tf_takes(tmp_path):
    columns = {"experiment": "ensemble", "dataset": "fer2013", "members": MEMBERS}
    entry = one(tmp_path, **columns, overrides="select=greedy tta=flip")
    names = MEMBERS.split("+")
    assert entry.command("raw") == [
        *["ensemble", *names, "--name", entry.name, "--select", "greedy", "--tta", "flip", "--data-dir", "raw"]
    ]
    found = parsed(entry.command())
    assert found["runs"] == names
    assert (found["select"], found["tta"]) == ("greedy", "flip")
    assert entry.needs == names
    assert entry.directory == reports_root() / "evaluations" / entry.name
    assert entry.name.startswith("ensemble-fer2013-official-")
    # its members and how they are put together make its name; their order does not
    turned = one(tmp_path, **{**columns, "members": " + ".join(names[::-1])}, overrides="select=greedy tta=flip")
    assert turned.name == entry.name != one(tmp_path, **columns).name


def test_every_measured_row_has_a_command_that_fer_tf_takes():
    for entry in read_queue(PROJECT / "queues" / "measured.csv"):
        found = parsed(entry.command("raw"))
        assert found["data_dir"] == "raw"


def test_a_student_needs_its_teacher_on_the_same_data_and_seed(tmp_path):
    student = one(tmp_path, experiment="compact_taught", dataset="ferplus", seed=2, options="label_mode=soft")
    assert student.needs == ["face_transfer-ferplus-official-soft-seed2"]
    teacher = Entry("face_transfer", "ferplus", seed=2, options="label_mode=soft")
    assert student.needs == [teacher.name]
    assert teacher.needs == []
    named = one(tmp_path, experiment="compact", overrides=f"teacher=face_transfer+{MEMBERS}")
    assert named.needs == ["face_transfer-synthetic-identity-seed0", *MEMBERS.split("+")]


def test_a_student_does_not_wait_for_a_teacher_that_ships(tmp_path):
    """`ferplus.h5` was made from `compact_taught` on FER+, so its run need not be on disk; on FER2013 it has to."""
    student = {"experiment": "compact_tiny", "protocol": "official"}
    assert one(tmp_path, **student, dataset="ferplus", options="label_mode=soft").needs == []
    assert one(tmp_path, **student, dataset="fer2013").needs == ["compact_taught-fer2013-official-seed0"]
    assert one(tmp_path, experiment="compact").needs == []


def test_a_rows_name_is_that_of_its_run(tmp_path):
    entry = one(tmp_path, experiment="cnn", seed=4, options="train_share=0.5 count=200", dataset="synthetic")
    assert entry.name == records.run_name("cnn", "synthetic", "identity", 4, {"train_share": 0.5})
    assert one(tmp_path, experiment="cnn", options="train_share=1").name == "cnn-synthetic-identity-seed0"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12m", 720),
        ("1h30m", 5400),
        ("90s", 90),
        ("90", 90),
        ("2h", 7200),
        ("1h1m1s", 3661),
        (" 5m ", 300),
        ("1h5s", 3605),
    ],
)
def test_a_budget_is_read_as_it_is_meant(text, seconds):
    assert parse_budget(text) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "soon", "12x", "m", "-5m", "1.5h", "5m1h", "12 m", "1h30", "5m30", "0", "0m", "1d", "1e3", "²"]
)
def test_a_wrong_budget_names_the_fault(text):
    with pytest.raises(InputError, match="budget: must be a time such as 12m, 1h30m or 90s; received"):
        parse_budget(text)


def test_the_measured_queue_begins_with_the_two_teachers():
    entries = read_queue(PROJECT / "queues" / "measured.csv")
    assert [(entry.experiment, entry.dataset) for entry in entries[:2]] == [
        ("face_transfer", "ferplus"),
        ("face_transfer", "fer2013"),
    ]
    places = {entry.name: place for place, entry in enumerate(entries)}
    assert all(name in places for entry in entries for name in entry.needs), "what is needed is in the file"
    assert all(places[name] < place for place, entry in enumerate(entries) for name in entry.needs)
