"""Small copies of FER+ next to FER2013's."""

from fer_tf.emotions import FERPLUS_COLUMNS

USAGES = ["Training"] * 140 + ["PublicTest"] * 35 + ["PrivateTest"] * 35
HEADER = "Usage,Image name," + ",".join(FERPLUS_COLUMNS)


def votes(**named):
    """Ten votes in FER+'s column order."""
    return [named.get(name, 0) for name in FERPLUS_COLUMNS]
