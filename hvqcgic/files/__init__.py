"""Files on the disk: inputs and outputs of commands, reading, and writing whole or not at all.

Input: paths and bytes. Output: bytes, the paths of inputs and outputs, or an error in one line that names the path.
May import: `bitstream`, `errors` and the standard library only.
"""

from typing import TYPE_CHECKING

from hvqcgic import lazy_exports

if TYPE_CHECKING:
    from hvqcgic.files.inputs import LOSSLESS_SUFFIXES as LOSSLESS_SUFFIXES
    from hvqcgic.files.inputs import PICTURE_SUFFIXES as PICTURE_SUFFIXES
    from hvqcgic.files.inputs import STREAM_SUFFIX as STREAM_SUFFIX
    from hvqcgic.files.inputs import Inputs as Inputs
    from hvqcgic.files.inputs import all_pictures as all_pictures
    from hvqcgic.files.inputs import find_inputs as find_inputs
    from hvqcgic.files.inputs import plan_outputs as plan_outputs
    from hvqcgic.files.messages import one_line as one_line
    from hvqcgic.files.messages import reason as reason
    from hvqcgic.files.reading import check_readable_picture as check_readable_picture
    from hvqcgic.files.reading import read_stream as read_stream
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
                "STREAM_SUFFIX",
                "all_pictures",
                "find_inputs",
                "plan_outputs",
            ],
            "messages": ["one_line", "reason"],
            "reading": ["check_readable_picture", "read_stream"],
            "writing": ["check_output", "remove_left_overs", "write_atomically"],
        },
    )
