"""The codecs that can be named are those of their folder."""

from hvqcgic.evaluation.codecs import all_codecs
from hvqcgic.evaluation.codecs.pillow_codec import Jpeg


def test_every_codec_of_the_folder_is_there_in_alphabetical_order() -> None:
    names = list(all_codecs())
    assert names == sorted(names)
    assert {"hvqcgic", "jpeg", "jpeg2000", "jpegxl", "webp", "avif", "cheng2020-anchor"} <= set(names)
    assert all(kind.name == name for name, kind in all_codecs().items())


def test_a_class_elsewhere_is_no_codec_of_a_run() -> None:
    class Sketch(Jpeg):
        name = "sketch"

    assert Sketch.name not in all_codecs.__wrapped__()
