"""Files on the disk: inputs and outputs of commands, reading, and writing whole or not at all.

In: paths and bytes. Out: bytes, the paths of inputs and outputs, or an error in one line that names the path.
May import: `bitstream`, `errors` and the standard library only.
"""

from typing import TYPE_CHECKING

from hvqcgic import lazy_exports

if TYPE_CHECKING:
    from hvqcgic.files.inputs import LOSSLESS_SUFFIXES as LOSSLESS_SUFFIXES
    from hvqcgic.files.inputs import PICTURE_SUFFIXES as PICTURE_SUFFIXES
    from hvqcgic.files.inputs import QUALITY_SUFFIXES as QUALITY_SUFFIXES
    from hvqcgic.files.inputs import RESULT_SUFFIXES as RESULT_SUFFIXES
    from hvqcgic.files.inputs import STREAM_SUFFIX as STREAM_SUFFIX
    from hvqcgic.files.inputs import Inputs as Inputs
    from hvqcgic.files.inputs import all_pictures as all_pictures
    from hvqcgic.files.inputs import find_inputs as find_inputs
    from hvqcgic.files.inputs import plan_outputs as plan_outputs
    from hvqcgic.files.messages import one_line as one_line
    from hvqcgic.files.messages import printable as printable
    from hvqcgic.files.messages import reason as reason
    from hvqcgic.files.reading import check_readable_picture as check_readable_picture
    from hvqcgic.files.reading import read_stream as read_stream
    from hvqcgic.files.streams import MAX_PIPED_PICTURE_BYTES as MAX_PIPED_PICTURE_BYTES
    from hvqcgic.files.streams import MAX_STREAM_BYTES as MAX_STREAM_BYTES
    from hvqcgic.files.streams import STANDARD as STANDARD
    from hvqcgic.files.streams import argument_path as argument_path
    from hvqcgic.files.streams import is_pipe as is_pipe
    from hvqcgic.files.streams import name_of as name_of
    from hvqcgic.files.streams import read_bounded as read_bounded
    from hvqcgic.files.streams import read_piped_picture as read_piped_picture
    from hvqcgic.files.writing import check_output as check_output
    from hvqcgic.files.writing import remove_left_overs as remove_left_overs
    from hvqcgic.files.writing import write_atomically as write_atomically
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "inputs": [
                "Inputs",
                "LOSSLESS_SUFFIXES",
                "PICTURE_SUFFIXES",
                "QUALITY_SUFFIXES",
                "RESULT_SUFFIXES",
                "STREAM_SUFFIX",
                "all_pictures",
                "find_inputs",
                "plan_outputs",
            ],
            "messages": ["one_line", "printable", "reason"],
            "reading": ["check_readable_picture", "read_stream"],
            "streams": [
                "MAX_PIPED_PICTURE_BYTES",
                "MAX_STREAM_BYTES",
                "STANDARD",
                "argument_path",
                "is_pipe",
                "name_of",
                "read_bounded",
                "read_piped_picture",
            ],
            "writing": ["check_output", "remove_left_overs", "write_atomically"],
        },
    )
