"""Small copies of FER2013 in all its forms."""

from fixtures import Fer2013Rows, content, csv_forms

from fer_tf.data import load_dataset
from fer_tf.emotions import EMOTIONS

ROWS = Fer2013Rows()
FORMS = csv_forms(ROWS)
PIXELS = " ".join(["7"] * 2304)
GOOD = f"0,{PIXELS},Training"


def load(root, protocol="official", **options):
    return load_dataset("fer2013", root.parent, protocol, **options)


def assert_official(ds):
    assert ds.class_names == EMOTIONS[:7]
    assert ds.image_shape == (48, 48, 1)
    assert content(ds.train) == ROWS.content(["Training"])
    assert content(ds.val) == ROWS.content(["PublicTest"])
    assert content(ds.test) == ROWS.content(["PrivateTest"])
