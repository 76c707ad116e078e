"""Messages of the checks: they name the parameter, what is allowed and what was received."""

import pytest

from fer_tf.common.checks import InputError, MissingDataError, check_choice, check_names, check_range, check_whole


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: check_choice("size", "big", ["full", "quick"]), "size: allowed are full, quick; received 'big'"),
        (lambda: check_names("options", ["a", "x"], ["a", "b"]), "options: unknown 'x'; allowed are a, b"),
        (lambda: check_names("options", ["x"], []), "options: unknown 'x'; allowed are none"),
        (lambda: check_range("rate", 2.0, 0, 1), "rate: must be a number >= 0 and <= 1; received 2.0"),
        (lambda: check_range("rate", float("nan"), 0), "rate: must be a number >= 0; received nan"),
        (lambda: check_range("rate", True, 0), "rate: must be a number >= 0; received True"),
        (lambda: check_range("rate", "1", 0), "rate: must be a number >= 0; received '1'"),
        (lambda: check_whole("count", 1.0, 0), "count: must be a whole number; received 1.0"),
        (lambda: check_whole("count", -1, 0), "count: must be a number >= 0; received -1"),
    ],
)
def test_what_is_not_allowed_is_named(check, message):
    with pytest.raises(InputError) as refused:
        check()
    assert str(refused.value) == message


def test_what_is_allowed_is_returned():
    assert check_choice("size", "full", ["full"]) == "full"
    assert check_range("rate", 0.5, 0, 1) == 0.5
    assert check_whole("count", 3, 0) == 3
    check_names("options", ["a"], ["a", "b"])


def test_missing_data_is_a_file_that_is_not_found_and_says_its_sentence():
    error = MissingDataError("fer2013: no file")
    assert isinstance(error, FileNotFoundError)
    assert str(error) == "fer2013: no file"
