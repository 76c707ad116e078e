"""Near duplicates: copies changed as on the web must be found, and other faces must not count as copies."""

import cv2
import numpy as np
import pytest

from fer_tf.data.doctor import near_duplicates


@pytest.fixture(scope="module")
def originals():
    """60 drawn faces of 60 people, each over a background of its own, uint8 [60, 48, 48, 1]."""
    from fer_tf.data.drawn_faces import draw_faces

    rng = np.random.default_rng(5)
    noise = [cv2.resize(rng.normal(0, 25, (12, 12)), (48, 48), interpolation=cv2.INTER_CUBIC) for _ in range(60)]
    faces = draw_faces(60, seed=3, identities=60).images.astype(float)
    return np.clip(faces + np.stack(noise)[..., None], 0, 255).astype(np.uint8)


def jpeg(images):
    return np.stack([cv2.imdecode(cv2.imencode(".jpg", image, [1, 40])[1], 0)[..., None] for image in images])


def zoomed(images, factor=1.06):
    matrix = cv2.getRotationMatrix2D((23.5, 23.5), 0, factor)
    return np.stack([cv2.warpAffine(image, matrix, (48, 48), borderMode=cv2.BORDER_REPLICATE) for image in images])[
        ..., None
    ]


def marked(images):
    """A watermark laid over at a fifth of its strength."""
    over = np.stack([cv2.putText(image.copy(), "stock", (6, 40), 0, 0.4, 255) for image in images])
    return np.round(0.8 * images + 0.2 * over).astype(np.uint8)


CHANGES = {
    "shifted": lambda images: np.roll(images, (2, -2), axis=(1, 2)),
    "shifted far": lambda images: np.roll(images, (-3, 3), axis=(1, 2)),
    "recompressed": jpeg,
    "brighter": lambda images: np.clip(images * 0.7 + 70.0, 0, 255).astype(np.uint8),
    "zoomed": zoomed,
    "marked": marked,
    "mirrored": lambda images: images[:, :, ::-1],
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found_and_nothing_else(change, originals):
    changed = CHANGES[change](originals)
    pictures = near_duplicates.contours(np.concatenate([originals, changed]))
    pairs, unsearched = near_duplicates.near_pairs(pictures)
    hits = pairs["row_b"] == pairs["row_a"] + len(originals)
    assert hits.sum() >= 0.9 * len(originals)
    assert (~hits).sum() <= 2  # drawn faces are more similar than people
    if change == "mirrored":
        assert (pairs.loc[hits, "kind"] == "mirrored").mean() > 0.9
    else:
        assert (pairs.loc[hits, "kind"] == "near").all()
    assert unsearched == {"crowded": 0, "empty": 0}


def test_likeness_is_one_for_a_picture_moved_within_the_margin(originals):
    picture = near_duplicates.contours(originals[:1])[0]
    assert near_duplicates.likeness(picture, picture) == pytest.approx(1, abs=1e-4)
    moved = np.roll(picture, (4, -4), axis=(0, 1))
    assert near_duplicates.likeness(picture, moved) == pytest.approx(1, abs=1e-4)
    assert near_duplicates.likeness(picture, np.roll(picture, 12, axis=0)) < 0.8


def test_hashes_have_length_one_and_blank_pictures_none():
    images = np.random.default_rng(0).integers(0, 256, (4, 60, 50, 3), dtype=np.uint8)
    images[2] = 130
    hashes = near_duplicates.perceptual_hashes(near_duplicates.contours(images))
    assert hashes.shape == (4, 120)
    np.testing.assert_allclose(np.linalg.norm(hashes, axis=1), [1, 1, 0, 1], atol=1e-5)
    np.testing.assert_allclose(hashes.mean(axis=1), 0, atol=1e-6)


def test_mirrored_hash_is_the_mirror_images_hash(originals):
    hashes = near_duplicates.perceptual_hashes(near_duplicates.contours(originals))
    of_mirrors = near_duplicates.perceptual_hashes(near_duplicates.contours(originals[:, :, ::-1]))
    np.testing.assert_allclose(near_duplicates.mirrored_hashes(hashes), of_mirrors, atol=0.02)


def test_blank_pictures_have_no_near_copies():
    pictures = near_duplicates.contours(
        np.arange(0, 250, 25, dtype=np.uint8)[:, None, None, None] * np.ones((1, 48, 48, 1), np.uint8)
    )
    pairs, unsearched = near_duplicates.near_pairs(pictures)
    assert len(pairs) == 0
    assert unsearched == {"crowded": 0, "empty": 10}


def test_nearest_finds_what_all_pairs_find(rng):
    """5,000 hashes in cells, a fifth of them changed copies: their originals are found as by all comparisons."""
    hashes = rng.normal(size=(5000, 32)).astype(np.float32)
    hashes[4000:] = hashes[:1000] + 0.4 * rng.normal(size=(1000, 32))
    hashes /= np.linalg.norm(hashes, axis=1, keepdims=True)
    scores = hashes[4000:] @ hashes.T
    wanted = scores[np.arange(1000), np.arange(1000)] > near_duplicates.FLOOR
    found = (
        near_duplicates.nearest(hashes, hashes, near_duplicates.cell_centres(hashes))[4000:] == np.arange(1000)[:, None]
    ).any(axis=1)
    assert wanted.sum() > 900
    assert found[wanted].mean() > 0.95


def test_a_cell_of_similar_hashes_is_searched_and_reported():
    """40 nearly equal pictures among others: each has more near copies than places, and the count says so."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (60, 48, 48, 1), dtype=np.uint8)
    images[:40] = images[0]
    images[np.arange(40), 0, np.arange(40)] ^= 255
    pairs, unsearched = near_duplicates.near_pairs(near_duplicates.contours(images))
    groups = near_duplicates.connected(60, pairs["row_a"], pairs["row_b"])
    assert (groups[:40] == 0).all()
    assert len(set(groups[40:])) == 20
    assert unsearched == {"crowded": 40, "empty": 0}


def test_connected_numbers_groups_by_their_first_rows():
    assert near_duplicates.connected(6, [1, 4], [3, 3]).tolist() == [0, 1, 2, 1, 1, 3]
    assert near_duplicates.connected(2, [], []).tolist() == [0, 1]


def test_empty_and_single():
    for count in (0, 1):
        pictures = near_duplicates.contours(np.zeros((count, 48, 48, 1), np.uint8))
        assert pictures.shape == (count, 48, 48)
        assert len(near_duplicates.near_pairs(pictures)[0]) == 0
