"""The entry point of `python -m fer_tf` and of the `fer-tf` command."""

import io
import os
import sys

INTERRUPTED = 130
OUT_OF_TIME = 75  # sysexits.h: a temporary failure, try again
STOPPED = "stopped; the same train, search, queue, reproduce or predict --out resumes here (without --force)"


def main() -> None:
    """Runs the command line. A wrong input prints one line on stderr and exits with code 2, without a traceback."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    _print_any_letter()
    _make_folders_absolute()
    from .cli import app
    from .common.checks import InputError, OutOfTime

    try:
        app(prog_name="fer-tf")
    except InputError as error:
        _stop(f"error: {error}", 2)
    except OutOfTime as error:
        _stop(f"stopped: {error}; the same command resumes it", OUT_OF_TIME)
    except KeyboardInterrupt:
        _stop(STOPPED, INTERRUPTED)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # how Typer ends for Ctrl-C
            _stop(STOPPED, INTERRUPTED)
        raise
    except BrokenPipeError:
        sys.exit(141)
    except OSError as error:
        _stop(f"error: {error.strerror or error}: {error.filename or ''}".rstrip(": "), 2)


def _print_any_letter():
    """Lets a console that lacks a letter show its code (`\\u2192`) instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _make_folders_absolute():
    """Makes the folders of the environment absolute: notebooks run in another working directory."""
    for name in ("FER_TF_DATA", "FER_TF_REPORTS", "FER_TF_MODELS", "FER_TF_CACHE"):
        if os.environ.get(name):
            os.environ[name] = os.path.abspath(os.path.expanduser(os.environ[name]))


def _stop(message, code):
    from .common.text import one_line

    print(one_line(message), file=sys.stderr)  # a broken file's bytes may be in it
    sys.exit(code)


if __name__ == "__main__":
    main()
