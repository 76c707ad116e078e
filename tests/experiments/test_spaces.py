"""Search spaces: read from files and text, and drawn from at random."""

import json

import pytest

from fer_tf.common.checks import InputError
from fer_tf.experiments import SPACES, read_space


def test_random_trials_are_seeded_and_none_comes_twice():
    space = SPACES["document4"]

    def draw(count, seed):
        return [json.dumps(item) for item in space.combinations(count, seed)]

    assert draw(20, 1) == draw(20, 1) != draw(20, 2)
    assert len(set(draw(127, 0))) == 127
    assert set(draw(20, 1)) <= set(draw(0, 0))
    with pytest.raises(InputError, match="random: the space document4 has 128 settings; received 129"):
        draw(129, 0)


def test_spaces_are_written_in_a_file_or_as_text(tmp_path):
    wanted = {"learning_rate": [0.1, 0.01], "batch_size": [8, 16], "optimizer": ["sgd"], "flip": [True, False]}
    text = "learning_rate=0.1,0.01 batch_size=8,16 optimizer=sgd flip=true,false"
    assert read_space(text).values == wanted
    (tmp_path / "mine.json").write_text(json.dumps(wanted))
    found = read_space(str(tmp_path / "mine.json"))
    assert (found.name, found.values, len(found)) == ("mine", wanted, 8)
    assert {len(space) for space in SPACES.values()} == {128, 48, 4}
