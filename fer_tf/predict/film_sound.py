"""Gives the annotated copy of a film the sound of the film, with ffmpeg. OpenCV writes films without sound."""

import contextlib
import shutil
import subprocess
from pathlib import Path

from ..common.files import replacing
from ..common.text import one_line

NO_FFMPEG = "ffmpeg is not installed, so the copies of films have no sound"
# The sound as it is or, if an .mp4 cannot hold its form, as AAC.
_FORMS = ("copy", "aac")


def find_ffmpeg() -> str | None:
    """The path of ffmpeg, or None if it is not installed."""
    return shutil.which("ffmpeg")


def add_sound(copy: Path, film: Path, ffmpeg: str) -> str:
    """Adds the sound of a film to its annotated copy, whose pictures stay as they are.

    Args:
        copy: the .mp4 to change. It appears only when it is complete.
        film: the file that it was made from. If it has no sound, the copy stays without.
        ffmpeg: the path of ffmpeg.
    Returns: why the sound could not be added, or "".
    """
    # "file:" and the whitelist keep ffmpeg from taking a name for an address, or opening what a film names
    inputs = [
        part for path in (copy, film) for part in ("-protocol_whitelist", "file", "-i", f"file:{path.absolute()}")
    ]
    chosen = ["-map", "0:v:0", "-map", "1:a:0?", "-c:v", "copy"]
    reason = ""
    for form in _FORMS:
        with contextlib.suppress(_Failed), replacing(copy) as part:
            command = [ffmpeg, "-nostdin", "-y", "-loglevel", "error", *inputs, *chosen, "-c:a", form, f"file:{part}"]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace")
            if done.returncode == 0 and part.is_file():
                return ""
            reason = one_line((done.stderr.strip().splitlines() or ["no message"])[-1])[:200]
            raise _Failed
    return f"its copy has no sound: ffmpeg failed ({reason})"


class _Failed(Exception):
    """ffmpeg could not do it; the copy stays as it is."""
