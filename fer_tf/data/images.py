"""Reads pictures from disk in one form: upright, 8 bits, gray or RGB, at one size."""

import base64
import io
import os
import re
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError, features

from ..common.checks import DataError

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"),
    ".avif",
)
_LITTER = {"thumbs.db", ".ds_store", "desktop.ini"}


def is_litter(path: str | Path) -> bool:
    """True for files that operating systems leave in folders (`Thumbs.db`, `._x.jpg`, hidden files)."""
    name = Path(path).name
    return name.startswith(".") or name.lower() in _LITTER


def picture_stem(name: str) -> str:
    """A picture's name without folders and without the suffix of a picture; any other ending stays."""
    last = re.split(r"[\\/]", name.rstrip("/"))[-1]
    stem, dot, suffix = last.rpartition(".")
    return stem if dot and f".{suffix.lower()}" in IMAGE_SUFFIXES else last


# The formats of photographs. They are listed because Pillow would hand PostScript to Ghostscript, whatever the file's
# name is.
_HAS_AVIF = "avif" in features.modules and bool(features.check("avif"))
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", *(("AVIF",) if _HAS_AVIF else ()))
# The first letters of the kinds of pictures in the container of HEIC and AVIF, from byte 8 on.
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")
_CONVERT = (
    "convert it to JPEG: `sips -s format jpeg x.heic --out x.jpg` on a Mac, `heif-convert x.heic x.jpg` (package "
    "libheif-examples) on Linux, or save it as JPEG in the Photos app on Windows"
)


def read_image(path: str | Path, channels: int | None = None, size: tuple[int, int] | None = None) -> np.ndarray:
    """Reads a picture from a file.

    Transparent pictures are put on white, CMYK is converted, 16 bits are scaled to 8, an animation gives its first
    frame, and the EXIF rotation is applied.

    Args:
        path: a file in one of `FORMATS`.
        channels: 1 (luminance), 3 (RGB) or None (as in the file).
        size: (height, width) in pixels to resize to, without keeping the aspect ratio; None keeps the size.
    Returns: uint8 [height, width, channels], range 0..255.
    Raises: `DataError` that names the file if it is missing, empty, cut short, too large or not a picture.
    """
    try:
        pixels = _first_frame(path, channels)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except Image.DecompressionBombError:
        raise DataError(f"{path}: more than {Image.MAX_IMAGE_PIXELS:,} pixels; make it smaller first") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        raise DataError(f"{path}: {_fault(path, error)}") from None
    return resize(pixels, size) if size else pixels


def decode_image(content: bytes) -> np.ndarray:
    """Reads a picture from the bytes of its file in memory, as `read_image` reads a file.

    Returns: uint8 [height, width, 1 or 3], range 0..255.
    Raises: `DataError` if it is not a picture, is broken or too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about damage that it can handle
            return _first_frame(io.BytesIO(content), None)
    except Image.DecompressionBombError:
        raise DataError(f"the picture has more than {Image.MAX_IMAGE_PIXELS:,} pixels; shrink it first") from None
    except UnidentifiedImageError:
        raise DataError("this is not a picture that can be read (JPEG, PNG, BMP, GIF, TIFF, WebP)") from None
    except Exception as error:  # Pillow's readers raise errors of any type on broken files
        raise DataError(f"the picture is broken ({type(error).__name__})") from None


def decode_data_url(data: str | None, max_mb: float) -> np.ndarray:
    """Decodes a picture from a data URL (`data:image/png;base64,...`) in memory; see `decode_image`.

    Args:
        data: the data URL.
        max_mb: largest size of the picture in megabytes (10⁶ bytes); checked before the bytes are decoded.
    Returns: uint8 [H, W, 1 or 3], upright.
    Raises: `DataError` if it is not a picture, is broken, or has too many bytes or pixels.
    """
    head, comma, text = data.partition(",") if isinstance(data, str) else ("", "", "")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        raise DataError("no picture was received")
    if len(text) * 3 / 4 > max_mb * 1e6 + 3:
        raise DataError(f"the picture has {len(text) * 0.75e-6:.1f} MB; at most {max_mb:g} MB are allowed")
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        raise DataError("the picture was not received completely") from None
    return decode_image(content)


def encode_data_url(pixels: np.ndarray) -> str:
    """A picture, uint8 [H, W, 3], as a data URL of a JPEG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _first_frame(source, channels):
    with Image.open(source, formats=FORMATS) as picture:
        # Pillow only warns up to twice its limit; we refuse such pictures
        if Image.MAX_IMAGE_PIXELS and picture.width * picture.height > Image.MAX_IMAGE_PIXELS:
            raise Image.DecompressionBombError
        picture.seek(0)
        return picture_pixels(picture, channels)


# EXIF orientation -> how to turn the picture upright
_UPRIGHT: dict[int | None, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def picture_pixels(picture: Image.Image, channels: int | None = None) -> np.ndarray:
    """The pixels of a Pillow picture, turned upright; see `read_image`.

    Args:
        picture: an open picture.
        channels: 1, 3 or None (as in the picture).
    Returns: uint8 [H, W, 1 or 3].
    """
    picture.load()
    turn = _UPRIGHT.get(picture.getexif().get(0x0112))
    pixels = np.asarray(_eight_bits(picture if turn is None else picture.transpose(turn), channels))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _fault(path, error):
    if os.path.isdir(path):
        return "is a folder, not a picture"
    if not os.path.isfile(path):
        return f"cannot be opened ({getattr(error, 'strerror', None) or error})"
    if os.path.getsize(path) == 0:
        return "is empty (0 bytes)"
    if isinstance(error, UnidentifiedImageError):
        avif = ", AVIF" if _HAS_AVIF else ""
        return _other_kind(path) or f"is not a picture that can be read (JPEG, PNG, BMP, GIF, TIFF, WebP{avif})"
    return f"is a broken picture ({(str(error) or type(error).__name__).splitlines()[0]})"


def _other_kind(path):
    """What to do with a picture of a kind that cannot be read; "" for other files."""
    with open(path, "rb") as file:
        head = file.read(12)
    brand = head[8:] if head[4:8] == b"ftyp" else b""
    if brand in _HEIC_BRANDS:
        return f"is a HEIC picture, as iPhones make them, which cannot be read; {_CONVERT}"
    if brand in _AVIF_BRANDS and not _HAS_AVIF:
        return "is an AVIF picture, which this Pillow cannot read; `pip install --upgrade pillow` (11.3 or later)"
    return ""


def _eight_bits(picture, channels):
    """The Pillow picture in mode L or RGB; see `read_image`."""
    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        picture = Image.fromarray(_scale_deep(np.asarray(picture)))
    if "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    is_gray = picture.mode in ("L", "1")
    form = {1: "L", 3: "RGB", None: "L" if is_gray else "RGB"}[channels]
    return picture if picture.mode == form else picture.convert("RGB").convert(form)


def _scale_deep(pixels):
    """Scales pixels to 8 bits: 16-bit integers (also in 32 bits), and floats in 0..1 or 0..255."""
    if np.issubdtype(pixels.dtype, np.floating):
        scale = 255 if np.nanmax(pixels, initial=0) <= 1 else 1
        return np.clip(np.nan_to_num(pixels) * scale, 0, 255).round().astype(np.uint8)
    return np.clip(np.round(pixels.astype(np.float64) / 257), 0, 255).astype(np.uint8)


def resize(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes a picture: area averaging when it gets smaller (no aliasing), else bilinear.

    Args:
        pixels: uint8 [H, W, C].
        size: (height, width) in pixels.
    Returns: uint8 [height, width, C].
    """
    height, width = size
    if pixels.shape[:2] == (height, width):
        return pixels
    shrinks = height * width < pixels.shape[0] * pixels.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(pixels, (width, height), interpolation=method).reshape(height, width, pixels.shape[2])


def convert(images: np.ndarray, size: tuple[int, int] | None = None, channels: int | None = None) -> np.ndarray:
    """Converts a batch of pictures to a size and number of channels.

    Args:
        images: uint8 [N, H, W, C].
        size: (height, width) in pixels; None keeps it.
        channels: 1 or 3; None keeps it. Gray is repeated, RGB becomes luminance.
    Returns: uint8 [N, height, width, channels].
    """
    size = tuple(size or images.shape[1:3])
    if channels and channels != images.shape[-1]:
        if channels == 3:
            images = np.repeat(images, 3, axis=-1)
        else:
            # Pillow's luminance, as in `read_image`; OpenCV's sometimes differs by one
            images = np.stack([np.asarray(Image.fromarray(image).convert("L"))[..., None] for image in images])
    if size == images.shape[1:3]:
        return images
    return np.stack([resize(image, size) for image in images])
