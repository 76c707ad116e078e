"""Reading a picture from disk as the kit sees it: upright, 8 bits, gray or RGB, at one size."""

import os
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from ..common.checks import DataError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
_LITTER = {"thumbs.db", ".ds_store", "desktop.ini"}


def is_litter(path):
    """True for files that systems leave in every folder (`Thumbs.db`, `._x.jpg`, hidden files): never images."""
    name = Path(path).name
    return name.startswith(".") or name.lower() in _LITTER


# Photographs come in these. Of its others Pillow would hand PostScript to Ghostscript, whatever the file is called.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM")


def read_image(path, channels=None, size=None):
    """Reads a picture.

    RGBA and palette pictures are laid on white, CMYK is converted, 16 bits are scaled to 8, an animation gives its
    first frame, EXIF rotation is applied.

    Args:
        path: a file of one of `FORMATS`.
        channels: 1 (luminance), 3 (RGB) or None (as the file is).
        size: (height, width) to resize to (aspect ratio is not kept), or None.
    Returns: uint8 [height, width, channels].
    Raises: `DataError` naming the file if it is missing, empty, truncated or no picture.
    """
    try:
        with Image.open(path, formats=FORMATS) as picture:
            # Pillow only warns between one and two times its limit; we refuse both
            if picture.width * picture.height > Image.MAX_IMAGE_PIXELS:
                raise Image.DecompressionBombError
            picture.seek(0)
            pixels = picture_pixels(picture, channels)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except Image.DecompressionBombError:
        raise DataError(f"{path}: more than {Image.MAX_IMAGE_PIXELS:,} pixels; shrink it first") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        raise DataError(f"{path}: {_fault(path, error)}") from None
    return resize(pixels, size) if size else pixels


# EXIF orientation -> what makes it upright
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def picture_pixels(picture, channels=None):
    """A Pillow picture, upright, as uint8 [H, W, 1 or 3]; see `read_image`."""
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
        return "is not a picture that can be read (JPEG, PNG, BMP, GIF, TIFF, WebP)"
    return f"is a broken picture ({(str(error) or type(error).__name__).splitlines()[0]})"


def _eight_bits(picture, channels):
    """A Pillow picture of mode L or RGB; see `read_image`."""
    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        picture = Image.fromarray(_scale_deep(np.asarray(picture)))
    if "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    is_gray = picture.mode in ("L", "1")
    wanted = {1: "L", 3: "RGB", None: "L" if is_gray else "RGB"}[channels]
    return picture if picture.mode == wanted else picture.convert("RGB").convert(wanted)


def _scale_deep(pixels):
    """16-bit (or 32-bit integer holding 16) pixels and floats in 0..1 or 0..255 to 8 bits."""
    if np.issubdtype(pixels.dtype, np.floating):
        scale = 255 if np.nanmax(pixels, initial=0) <= 1 else 1
        return np.clip(np.nan_to_num(pixels) * scale, 0, 255).round().astype(np.uint8)
    return np.clip(np.round(pixels.astype(np.float64) / 257), 0, 255).astype(np.uint8)


def resize(pixels, size):
    """Resizes uint8 [H, W, C] to size (height, width): by area when shrinking (no aliasing), else bilinear."""
    height, width = size
    if pixels.shape[:2] == (height, width):
        return pixels
    shrinks = height * width < pixels.shape[0] * pixels.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(pixels, (width, height), interpolation=method).reshape(height, width, pixels.shape[2])


def convert(images, size=None, channels=None):
    """A batch uint8 [N, H, W, C] at (height, width) with 1 or 3 channels: gray is repeated, RGB becomes luminance."""
    size = tuple(size or images.shape[1:3])
    if channels and channels != images.shape[-1]:
        if channels == 3:
            images = np.repeat(images, 3, axis=-1)
        else:
            # Pillow's luminance, as in `read_image`; OpenCV's differs by one here and there
            images = np.stack([np.asarray(Image.fromarray(image).convert("L"))[..., None] for image in images])
    if size == images.shape[1:3]:
        return images
    return np.stack([resize(image, size) for image in images])
