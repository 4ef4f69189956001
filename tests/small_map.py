"""A granularity map small enough to say what each of its pixels should look like."""

import torch

# A picture of 16 x 32 px: left half one coarse cell, right half three medium cells and four fine ones.
MASKS = {
    "coarse": torch.tensor([[True, False]]),
    "medium": torch.tensor([[False, False, True, True], [False, False, True, False]]),
    "fine": torch.zeros(4, 8, dtype=torch.bool),
}
MASKS["fine"][2:, 6:] = True
BITS = {g: torch.full(mask.shape, bits) for (g, mask), bits in zip(MASKS.items(), (10.0, 5.0, 0.0), strict=True)}
