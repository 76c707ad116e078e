"""AffectNet in its forms, small: writers of copies in the publisher's layouts and in other common ones."""

import itertools

import numpy as np

from fer_tf.data import load_dataset

CODES = {0: "neutral", 1: "happiness", 2: "sadness", 3: "surprise", 4: "fear", 5: "disgust", 6: "anger", 7: "contempt"}
HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
COUNTS = {"train": 10, "test": 2}
SIDE = 32


def load(data_dir, stream=True, **options):
    """The dataset, its pictures left unread unless a test asks for them."""
    return load_dataset("affectnet", data_dir, stream=stream, **options)


def save(faces, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    next(faces).save(path, format="JPEG")


def write_list(path, rows, header=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*([HEADER] if header else []), *rows]) + "\n", encoding="utf-8")


def write_manifest(home, faces, codes=range(11), header=True, lists="Manually_Annotated_file_lists"):
    """Pictures in numbered folders, with box and valence; codes 8..10 have valence -2, as the publisher's."""
    for part, name in (("train", "training.csv"), ("test", "validation.csv")):
        rows = []
        for code, number in itertools.product(codes, range(COUNTS[part])):
            picture = f"{code}/{part}é {number}.{'JPG' if number % 2 else 'jpg'}"
            save(faces, home / "Manually_Annotated_Images" / picture)
            affect = "-2,-2" if code > 7 else f"{code / 10},-0.5"
            rows.append(f"{picture},8,4,20,24,{'1.5;' * 135}2,{code},{affect}")
        write_list(home / lists / name, rows, header)


def write_annotations(home, faces, codes=range(8)):
    """Numbers as 0-dimensional arrays of text, as the publisher's; test ones as floats, as copies have them."""
    for part, name in (("train", "train_set"), ("test", "val_set")):
        for number, code in enumerate(list(codes) * COUNTS[part]):
            annotate(home / name, number, code, str if part == "train" else float)
            save(faces, home / name / "images" / f"{number}.{'JPG' if number % 2 else 'jpg'}")
    for litter in ("Thumbs.db", "._1.jpg", ".DS_Store"):
        (home / "train_set" / "images" / litter).write_text("x")


def annotate(home, number, code, kind=str):
    (home / "annotations").mkdir(parents=True, exist_ok=True)
    for what, value in (("exp", code), ("val", code / 10), ("aro", -0.5)):
        np.save(home / "annotations" / f"{number}_{what}.npy", np.array(kind(value)))
    np.save(home / "annotations" / f"{number}_lnd.npy", np.zeros(136))


def write_folders(home, faces, names, parts=("train", "val")):
    for part in parts:
        for code, name in names.items():
            for number in range(COUNTS["train" if part.lower() == "train" else "test"]):
                save(faces, home / part / str(name) / f"{code} ü{number}.JPG")
    (home / parts[0] / str(names[0]) / "Thumbs.db").write_text("x")
    (home / parts[0] / str(names[0]) / "._a.jpg").write_text("x")


FORMS = {
    "manifest": write_manifest,
    "manifest in the root, without header": lambda home, faces: write_manifest(home, faces, header=False, lists="."),
    "annotations": write_annotations,
    "numbered folders": lambda home, faces: write_folders(home, faces, dict.fromkeys(range(8)) | {c: c for c in CODES}),
    "named folders": lambda home, faces: write_folders(home, faces, CODES, ("Train", "Test")),
}


def code_of(name, form):
    """The code that a picture was written with, read from its path alone."""
    parts = name.split("/")
    if form == "annotations":
        return int(parts[-1].split(".")[0]) % 8
    return int(parts[-2]) if form.startswith("manifest") else int(parts[-1].split()[0])
