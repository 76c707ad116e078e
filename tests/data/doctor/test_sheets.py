"""Sheets of the pictures that the doctor finds."""

from fer_tf.data.doctor import examine


def test_sheets_show_every_picture(near_copies):
    from fer_tf.data.doctor.sheets import blank_sheet, pair_sheet

    found, store = examine.examine(near_copies), near_copies.store
    pairs = examine.worst_pairs(found.pairs)
    figure = pair_sheet(*(store.fetch(pairs[key].to_numpy()) for key in ("row_a", "row_b")), pairs, ("anger", "fear"))
    titles = [axis.get_title() for axis in figure.axes if axis.images]
    assert len(titles) == 6
    assert titles[0].split("\n") == ["train", "anger", "row 0"]
    assert {"test", "fear"} <= set(titles[1].split("\n"))
    assert "near" in titles[1]
    blank = found.images[found.images["blank"] | found.images["near_blank"]]
    figure = blank_sheet(store.fetch(blank.index.to_numpy()), blank, ("anger", "fear"))
    titles = [axis.get_title() for axis in figure.axes if axis.images]
    assert [title.split("\n")[-1] for title in titles] == ["row 6", "row 11"]
