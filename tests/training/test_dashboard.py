"""Charts and pictures of the dashboard."""

import torch
from torch.utils.tensorboard import SummaryWriter

from hvqcgic.pictures.drawing import granularity_overlay, heat_map
from hvqcgic.training.dashboard import charts_layout, strip
from tests.small_map import BITS, MASKS


def test_strips_put_images_of_any_height_side_by_side() -> None:
    images = [torch.zeros(3, 4, 5), torch.full((3, 7, 2), 0.5)]
    image = strip(images)
    assert image.shape == (3, 7, 5 + 8 + 2)
    assert bool((image[:, 4:, :5] == 1).all())
    assert bool((image[:, :, 5:13] == 1).all())
    assert bool((image[:, :, 13:] == 0.5).all())


def test_a_strip_of_an_odd_sized_picture_goes_to_tensorboard(tmp_path: object) -> None:
    picture = torch.rand(3, 13, 27, generator=torch.Generator().manual_seed(0), requires_grad=True)
    heat = heat_map(MASKS, BITS, top_bits=10.0)[:, :13, :27]
    image = strip([picture, picture, granularity_overlay(MASKS, picture), heat])
    assert image.shape == (3, 13, 4 * 27 + 3 * 8)
    assert torch.equal(image[:, :, :27], picture.detach())
    assert 0 <= float(image.min()) <= float(image.max()) <= 1
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_image("validation/00", image, 0)


def test_the_layout_overlays_the_three_rates_in_one_chart(tmp_path: object) -> None:
    layout = charts_layout()
    kind, tags = layout["rate"]["training: bits per pixel"]
    assert kind == "Multiline"
    assert tags == ["rate/adaptive_bpp$", "rate/static_huffman_bpp$", "rate/static_arithmetic_bpp$"]
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_custom_scalars(layout)
