"""Items are made ahead in a thread, in order; an error comes where its item would, and what is open gets closed."""

import threading

import pytest

from fer_tf.common.ahead import made_ahead


def test_the_next_item_is_made_while_one_is_used():
    made = []

    def items():
        for number in range(4):
            made.append((number, threading.current_thread() is threading.main_thread()))
            yield number

    got = []
    for item in made_ahead(items()):
        while len(made) < min(item + 2, 4):  # ends only if the next one is made meanwhile
            pass
        got.append(item)
    assert got == [0, 1, 2, 3]
    assert made == [(number, False) for number in range(4)]
    assert list(made_ahead([])) == []


def test_an_error_comes_in_its_place():
    def items():
        yield 1
        raise ValueError("two")

    ahead = made_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="two"):
        next(ahead)


def test_what_the_items_hold_is_closed_if_nobody_wants_more():
    closed = []

    def items():
        try:
            yield from range(10)
        finally:
            closed.append(True)

    ahead = made_ahead(items())
    next(ahead)
    ahead.close()
    assert closed == [True]
