"""What every entry of DATASETS promises to a reader."""

import pytest

from fer_tf.common.checks import MissingDataError
from fer_tf.data import DATASETS, check_dataset, dataset_spec, has_same_pictures, has_same_rows, load_dataset
from fer_tf.emotions import EMOTIONS
from fer_tf.evaluation.comparison import read_claims
from fer_tf.experiments import EXPERIMENTS


@pytest.mark.parametrize("name", DATASETS)
def test_entry_is_whole(name):
    spec = DATASETS[name]
    assert set(spec.class_names) <= set(EMOTIONS)
    assert spec.protocols
    assert all(spec.protocols.values())
    assert spec.title
    assert spec.how_to_get
    assert spec.licence
    assert spec.images
    assert spec.traps


@pytest.mark.parametrize("name", DATASETS)
def test_facts_name_what_there_is(name):
    spec = DATASETS[name]
    assert spec.honest_protocol in ("", *spec.protocols)
    assert {*spec.also_compared, *spec.published_splits, *spec.folds} <= set(spec.protocols)
    assert {spec.pictures_of, *spec.made_of} <= {"", *DATASETS}
    assert spec.limits
    assert all(set(figures) <= set(EXPERIMENTS) for figures in spec.published_lists.values())


@pytest.mark.parametrize("name", DATASETS)
def test_any_dataset_can_be_a_part_of_a_joined_one(name):
    spec = dataset_spec(f"{'synthetic' if name != 'synthetic' else 'jaffe'}+{name}")
    assert set(DATASETS[name].class_names) <= set(spec.class_names)
    assert {f"{name}.{key}" for key in DATASETS[name].options} <= set(spec.options)
    assert spec.licence
    assert spec.limits
    assert spec.traps


@pytest.mark.parametrize("name", [name for name in DATASETS if not DATASETS[name].is_drawn])
def test_a_missing_dataset_says_how_to_get_it(name, tmp_path):
    for call in (check_dataset, load_dataset):
        with pytest.raises(MissingDataError, match=name):
            call(name, tmp_path)


def test_every_dataset_of_a_claim_has_its_honest_protocol_and_name():
    for name in read_claims()["dataset"].unique():
        assert DATASETS[name].honest_protocol
        assert DATASETS[name].paper_name


@pytest.mark.parametrize(
    ("first", "second", "pictures", "rows"),
    [
        (("fer2013", "official"), ("ferplus", "six"), True, True),
        (("fer2013", "official"), ("fer2013", "official"), True, True),
        (("fer2013", "pooled"), ("ferplus", "official"), True, False),
        (("rafdb", "official"), ("rafdb", "official"), True, False),  # val is drawn by the seed
        (("rafdb", "official"), ("fer2013", "official"), False, False),
        (("ferplus+rafdb", "own"), ("fer2013", "official"), True, True),  # FER+'s part has the published split
        (("ferplus+rafdb", "own"), ("fer2013", "pooled"), True, False),
        (("ferplus+rafdb", "own"), ("rafdb", "official"), True, False),
        (("ferplus+rafdb", "own"), ("jaffe", "subject"), False, False),
        (("tfd", "official"), ("kdef", "subject"), True, False),  # it is made of KDEF and others
        (("kdef", "subject"), ("ckplus", "subject"), False, False),
        ((None, None), ("fer2013", "official"), False, False),
        (("2e6f", "official"), ("fer2013", "official"), False, False),
    ],
)
def test_datasets_with_the_same_pictures_and_rows(first, second, pictures, rows):
    assert has_same_pictures(first[0], second[0]) == pictures
    assert has_same_rows(first, second) == rows
