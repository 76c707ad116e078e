"""Where the images of a dataset are: in memory, or in files that are read when they are asked for."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ..common.checks import DataError
from .images import convert, read_image, resize

# Bytes. Larger datasets are streamed from disk instead of held in memory (AffectNet: 400,000 images).
MEMORY_LIMIT = 2 * 2**30


def fits_memory(count: int, shape: Sequence[int]) -> bool:
    """True if `count` images of a shape (height, width, channels) take at most `MEMORY_LIMIT` bytes."""
    return count * int(np.prod(shape)) <= MEMORY_LIMIT


class ArrayImages:
    """Images held in memory: uint8 [N, H, W, C]."""

    streamed = False
    paths = None

    def __init__(self, images: np.ndarray) -> None:
        self.array = images
        self.shape = images.shape[1:]

    def __len__(self) -> int:
        return len(self.array)

    def fetch(self, rows: np.ndarray) -> np.ndarray:
        """The images of some rows, int [n], as uint8 [n, H, W, C]."""
        return self.array[rows]

    def described(self) -> Iterator[bytes | np.ndarray]:
        """Yields bytes that change with the images. Results computed from the images are cached under their hash."""
        yield repr(tuple(self.shape)).encode()
        yield np.ascontiguousarray(self.array)

    def taken(self, rows: np.ndarray) -> "ArrayImages":
        """A store of the given rows only, int [n]."""
        return ArrayImages(self.array[rows])

    def converted(self, size: tuple[int, int] | None, channels: int | None) -> "ArrayImages":
        """The same images at another size (height, width) or channel count."""
        return ArrayImages(convert(self.array, size, channels))


class FileImages:
    """Images that stay on disk and are read when they are asked for.

    Args:
        paths: N files.
        size: (height, width) in pixels to read at.
        channels: 1 or 3.
        boxes: int [N, 4], left, top, width, height in the file's pixels: a face box that is cut out before resizing.
            A picture without a box (width or height 0 or less) is used whole. None: all pictures are used whole.
    """

    streamed = True

    def __init__(
        self,
        paths: Sequence[str | Path] | np.ndarray,
        size: tuple[int, int],
        channels: int,
        boxes: np.ndarray | None = None,
    ) -> None:
        self.paths = np.asarray(paths, dtype=object)
        self.shape = (*size, channels)
        self.boxes = boxes

    def __len__(self) -> int:
        return len(self.paths)

    def fetch(self, rows: np.ndarray) -> np.ndarray:
        """Reads the images of some rows, int [n], in a few threads (decoding releases Python's lock).

        Returns: uint8 [n, H, W, C].
        Raises: `DataError` for a file that cannot be read, or a box that is not on its picture.
        """
        with ThreadPoolExecutor(4) as pool:
            images = list(pool.map(self._read, rows))
        return np.stack(images) if images else np.zeros((0, *self.shape), np.uint8)

    def _read(self, row):
        pixels = read_image(self.paths[row], self.shape[2])
        if self.boxes is not None and min(self.boxes[row, 2:]) > 0:
            pixels = cut_box(pixels, self.boxes[row], self.paths[row])
        return resize(pixels, self.shape[:2])

    def described(self) -> Iterator[bytes | np.ndarray]:
        """Yields bytes that change with the files, their times or how they are read; see `ArrayImages.described`."""
        yield repr(tuple(self.shape)).encode()
        for path in self.paths:
            status = Path(path).stat()
            yield f"{path} {status.st_size} {status.st_mtime_ns}\n".encode("utf-8", "replace")
        if self.boxes is not None:
            yield np.ascontiguousarray(self.boxes)

    def taken(self, rows: np.ndarray) -> "FileImages":
        """A store of the given rows only, int [n]."""
        boxes = None if self.boxes is None else self.boxes[rows]
        return FileImages(self.paths[rows], self.shape[:2], self.shape[2], boxes)

    def converted(self, size: tuple[int, int] | None, channels: int | None) -> "FileImages":
        """The same files, read at another size (height, width) or channel count."""
        return FileImages(self.paths, size or self.shape[:2], channels or self.shape[2], self.boxes)


def cut_box(pixels: np.ndarray, box: Sequence[int] | np.ndarray, path: str | Path) -> np.ndarray:
    """Cuts a face box out of a picture.

    Args:
        pixels: uint8 [H, W, C].
        box: (left, top, width, height) in pixels; it may be partly outside the picture.
        path: the file, for the error.
    Returns: uint8 [height, width, C], less where the box is outside.
    Raises: `DataError` if less than half of the box is in the picture.
    """
    left, top, width, height = (int(value) for value in box)
    face = pixels[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    if 2 * face.shape[0] * face.shape[1] < width * height:  # the box belongs to a resized or cropped copy
        raise DataError(
            f"{path}: its face box (x {left}, y {top}, {width}×{height}) is not on the picture of "
            f"{pixels.shape[1]}×{pixels.shape[0]}; if this copy's pictures were resized or cut, use crop=False"
        )
    return face


def image_store(
    paths: Sequence[str | Path] | np.ndarray,
    size: tuple[int, int],
    channels: int,
    stream: bool | None = None,
    boxes: np.ndarray | None = None,
) -> ArrayImages | FileImages:
    """A store of image files, in memory or on disk.

    Args:
        paths, size, channels, boxes: see `FileImages`.
        stream: False reads all files now, True reads them when asked for. None reads them now if their pixels fit into
            `MEMORY_LIMIT`.
    Returns: `ArrayImages` or `FileImages`.
    """
    files = FileImages(paths, size, channels, boxes)
    if stream is None:
        stream = not fits_memory(len(paths), files.shape)
    return files if stream else ArrayImages(files.fetch(np.arange(len(paths))))


class JoinedImages:
    """Pictures of several stores, some in memory and some on disk, at one size; see `FileImages`.

    Args:
        stores: the stores, of one shape.
        rows: int [N], which pictures of all these, counted through; None for all.
    """

    streamed = True
    paths = None  # not all of them are files

    def __init__(
        self, stores: "Sequence[ArrayImages | FileImages | JoinedImages]", rows: np.ndarray | None = None
    ) -> None:
        self.stores = list(stores)
        self.shape: tuple[int, ...] = self.stores[0].shape
        self._starts = np.cumsum([0, *map(len, self.stores)])
        self._rows = np.arange(self._starts[-1]) if rows is None else rows

    def __len__(self) -> int:
        return len(self._rows)

    def fetch(self, rows: np.ndarray) -> np.ndarray:
        """The images of some rows, int [n], as uint8 [n, H, W, C]."""
        places = self._rows[rows]
        images = np.zeros((len(places), *self.shape), np.uint8)
        for number, store in enumerate(self.stores):
            inside = (places >= self._starts[number]) & (places < self._starts[number + 1])
            if inside.any():
                images[inside] = store.fetch(places[inside] - self._starts[number])
        return images

    def described(self) -> Iterator[bytes | np.ndarray]:
        """Yields bytes that change with the pictures; see `ArrayImages.described`."""
        for store in self.stores:
            yield from store.described()
        yield np.ascontiguousarray(self._rows)

    def taken(self, rows: np.ndarray) -> "JoinedImages":
        """A store of the given rows only, int [n]; it holds no other image."""
        places, stores, moved, start = self._rows[rows], [], np.zeros(len(rows), int), 0
        for number, store in enumerate(self.stores):
            inside = (places >= self._starts[number]) & (places < self._starts[number + 1])
            kept, order = np.unique(places[inside] - self._starts[number], return_inverse=True)
            stores.append(store.taken(kept))
            moved[inside] = start + order
            start += len(kept)
        return JoinedImages(stores, moved)

    def converted(self, size: tuple[int, int] | None, channels: int | None) -> "JoinedImages":
        """The same pictures at another size (height, width) or channel count."""
        return JoinedImages([store.converted(size, channels) for store in self.stores], self._rows)


def joined_store(
    stores: Sequence[ArrayImages | FileImages | JoinedImages],
) -> ArrayImages | FileImages | JoinedImages:
    """One store for the pictures of several, which have one shape: in memory, on disk, or both."""
    held = [store for store in stores if isinstance(store, ArrayImages)]
    files = [store for store in stores if isinstance(store, FileImages)]
    if len(held) == len(stores):
        return ArrayImages(np.concatenate([store.array for store in held]))
    if len(files) < len(stores):
        return JoinedImages(stores)
    height, width, channels = files[0].shape
    paths = np.concatenate([store.paths for store in files])
    if all(store.boxes is None for store in files):
        return FileImages(paths, (height, width), channels)
    boxes = [np.zeros((len(store), 4), int) if store.boxes is None else store.boxes for store in files]
    return FileImages(paths, (height, width), channels, np.concatenate(boxes))
