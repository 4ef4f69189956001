"""A program that uses the package through CompressAI's interface; pyright reads it in strict mode, and it runs."""

from typing import Any

import torch
from torch import Tensor

from hvqcgic.compressai import ARCHITECTURE, QUALITIES, HvqCgic, pretrained


def main() -> None:
    """Code a picture both ways, and take a state along."""
    model: HvqCgic = pretrained("tiny", quality=QUALITIES[3], eta=0.1).eval()
    own = HvqCgic("tiny", quality=60).eval()
    x = torch.linspace(0, 1, 3 * 32 * 48).reshape(1, 3, 32, 48)
    files: dict[str, Any] = own.compress(x)
    back: dict[str, Tensor] = own.decompress(files["strings"], files["shape"])
    both: dict[str, Any] = model(x)
    again = HvqCgic.from_state_dict(own.state_dict())
    print(ARCHITECTURE, back["x_hat"].shape, sorted(both["likelihoods"]), again.choices, again.codec.name)


if __name__ == "__main__":
    main()
