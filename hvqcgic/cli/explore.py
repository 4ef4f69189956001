"""`hvqcgic explore`: a local page in the browser, where a picture is coded anew at every move of a slider."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from hvqcgic.cli.codec_options import DEFAULT_MODEL, add_codec_options, check_options, load_codec, positive
from hvqcgic.cli.ending import Terminated
from hvqcgic.cli.exit_codes import DONE, TERMINATED
from hvqcgic.cli.terminal import complain, say
from hvqcgic.errors import ConfigError, PictureError
from hvqcgic.explore import DEFAULT_MAX_PIXELS, Limits

if TYPE_CHECKING:
    from hvqcgic.codec import Codec
    from hvqcgic.explore import Subject

SUMMARY = "show in the browser what bit rate, cell sizes and regions do to a picture"
EXAMPLE = "hvqcgic explore photo.jpg"
LARGEST_PORT = 65535


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("picture", nargs="?", metavar="PICTURE", help="a picture or .hvq file to begin with")
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="port of 127.0.0.1 (default: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the address, and open no browser")
    parser.add_argument(
        "--max-pixels",
        type=positive,
        default=DEFAULT_MAX_PIXELS,
        metavar="N",
        help=f"largest picture that is taken, width times height (default: {DEFAULT_MAX_PIXELS})",
    )
    add_codec_options(
        parser,
        default_model=DEFAULT_MODEL,
        model_help=f"the model to begin with: bundled (see hvqcgic models) or a file (default: {DEFAULT_MODEL})",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve the page until the command is interrupted; return the exit code."""
    from hvqcgic.extras import check_installed
    from hvqcgic.model_files import check_offered, find_model

    check_installed("hvqcgic explore", "starlette", "uvicorn", extra="explore")
    check_options(arguments)
    check_offered(find_model(arguments.model))
    limits = Limits(max_pixels=arguments.max_pixels)
    return _serve(arguments, limits, _subject(arguments.picture, limits))


def _serve(arguments: argparse.Namespace, limits: Limits, subject: "Subject | None") -> int:
    from hvqcgic.explore import bind, open_browser

    with bind(arguments.port) as place:
        from hvqcgic.explore import Codecs, Server  # imports torch

        def load(name: str) -> "Codec":
            return load_codec(arguments, name)

        codecs = Codecs(arguments.model, load(arguments.model), load)
        if subject is not None and subject.data is not None:
            codecs.for_file(subject.data, subject.name)
        server, code = Server(place, codecs, limits=limits, subject=subject), DONE
        try:
            with server:
                say(f"{server.address}\nThe page works while this command runs; Ctrl-C ends it.")
                if not arguments.no_browser:
                    open_browser(server.address, complain)
                server.wait()
        except Terminated:
            code = TERMINATED
        except KeyboardInterrupt:
            pass  # the usual end
        if not server.idle:
            # Nothing is left to be written, and PyTorch does not bear an end while a thread computes.
            os._exit(code)
        return code


def _subject(name: str | None, limits: Limits) -> "Subject | None":
    if name is None:
        return None
    from hvqcgic.files import check_readable_picture, reason

    path = Path(name)
    check_readable_picture(path)
    if path.stat().st_size > limits.max_bytes:
        raise ConfigError(f"{path}: {path.stat().st_size} bytes: at most {limits.max_bytes} are taken; scale it down")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path}: cannot be read: {reason(error)}") from error
    from hvqcgic.explore import read_subject  # imports Pillow

    return read_subject(data, str(path), limits)


def _port(text: str) -> int:
    number = positive(text)
    if number > LARGEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give a number from 1 to {LARGEST_PORT}")
    return number
