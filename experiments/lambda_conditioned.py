"""One model for every lambda, against one model of one lambda, after equal steps of joint training.

    python experiments/lambda_conditioned.py PICTURES... --out FOLDER [--steps 400] [--data PICTURES]

Both start from --start and train as `recipe-muon-lambda-0.2` of joint_training.py does, on LPIPS of two networks. In
the conditioned one, lambda is drawn for each picture, log-uniformly from a quarter to four times 0.2. A scale and a
shift for each channel, linear in the logarithm of lambda and 0 at first, follow the blocks of encoder and decoder at
H/4, H/8 and H/16; contexts and index prior are not told. Bits are estimated (indices and side information, no map) at
four places of the ratio path.
Source: Choi, El-Khamy and Lee 2019, "Variable rate deep image compression with a conditional autoencoder".
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
from collections.abc import Sequence
from typing import Any

import common
import joint_training
import numpy as np
import torch
from rich.progress import track
from torch import Tensor, nn

from hvqcgic.evaluation import METRICS, Metric, MetricOptions, Picture, compare_rate
from hvqcgic.files import all_pictures
from hvqcgic.models import GranularityMap
from hvqcgic.pictures import read_picture
from hvqcgic.rate_control import ratios
from hvqcgic.training import (
    HvqModule,
    Machine,
    make_module,
    make_pictures,
    measure,
    parse_options,
    run_stage,
    thawed_checkpoint,
)

SETTINGS = "recipe-muon-lambda-0.2"
LAMBDA, RANGE = 0.2, 4.0
"""Lambda in the middle, and the factor up to its ends."""
PLACES = (0.1, 0.37, 0.63, 0.9)
"""On the ratio path."""


class Conditioned(HvqModule):
    """A joint training whose networks know the lambda of each picture.

    Attributes:
        level: log(lambda / LAMBDA) / log(RANGE), from -1 to 1; of each picture, (B, 1, 1, 1).
    """

    level: Tensor

    def __init__(self, *arguments: Any) -> None:
        """See `HvqModule`."""
        super().__init__(*arguments)
        self.level = torch.zeros(1, 1, 1, 1)
        config = self.model.config.backbone
        places = [(self.model.encoder, config.encoder_widths), (self.model.decoder, config.decoder_widths)]
        self.told = nn.ParameterList()
        for network, widths in places:
            for blocks, width in list(zip(network.get_submodule("stages").children(), widths, strict=True))[1:]:
                self.told.append(nn.Parameter(torch.zeros(2, width)))
                blocks.register_forward_hook(self._tell(len(self.told) - 1))

    def _tell(self, number: int) -> Any:
        def change(blocks: nn.Module, given: Any, found: Tensor) -> Tensor:
            scale, shift = self.told[number][..., None, None]
            level = self.level.to(found.device)
            return found * (1 + scale * level) + shift * level

        return change

    def groups(self) -> list[dict[str, Any]]:
        """Weights as in every joint training, and those that read lambda, which begin at 0 and move faster."""
        rate = 10 * self.options.learning_rate
        return [*super().groups(), {"params": list(self.told), "lr": rate, "base_lr": rate}]

    def training_step(self, batch: Any, batch_index: int) -> None:
        """Draw lambda for each picture, then as in every joint training."""
        generator = torch.Generator().manual_seed((1 << 40) + self.step_index)
        self.level = torch.rand(len(batch), 1, 1, 1, generator=generator) * 2 - 1
        super().training_step(batch, batch_index)

    def pull(self, masks: GranularityMap) -> Any:
        """The pull of each picture's rate, as strong as its lambda is."""
        pull = super().pull(masks)
        assert pull is not None
        assert pull.weights is not None
        factors = RANGE ** self.level[:, 0, 0, 0].to(pull.weights.device)
        return dataclasses.replace(pull, weights=pull.weights * factors)

    def validation_step(self, batch: Tensor, batch_index: int) -> Any:
        """Validate at the lambda in the middle."""
        self.level = torch.zeros(1, 1, 1, 1)
        return super().validation_step(batch, batch_index)


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains both, measures and prints the table."""
    parser = common.parser(__doc__)
    common.add_training(parser, 400)
    parser.add_argument("--start", default="tiny-frozen", help="bundled model or model file (%(default)s)")
    parser.add_argument("--lambdas", nargs="+", type=float, default=[0.05, 0.1, 0.2, 0.4, 0.8], help="to code with")
    parser.add_argument("--metrics", nargs="+", default=["lpips_alex", "lpips_squeeze", "dists", "psnr_db"])
    options = parser.parse_args(arguments)
    pictures = [read_picture(path) for path in all_pictures(options.pictures)]
    metrics = [METRICS[name](MetricOptions()) for name in options.metrics]
    curves = {"one lambda": curve(trained(HvqModule, options), pictures, metrics)}
    module = trained(Conditioned, options)
    for lmbda in options.lambdas:
        module.level = torch.full((1, 1, 1, 1), math.log(lmbda / LAMBDA) / math.log(RANGE))
        curves[f"told {lmbda:g}"] = curve(module, pictures, metrics)
    rows = compared(curves, options.metrics)
    notes = [
        f"{len(pictures)} pictures; {options.steps} steps each from {options.start}, {options.precision}.",
        "per cent: estimated bits at equal quality against one lambda, on the mean curve over the path.",
    ]
    common.show(rows, title="Conditioned on lambda", path=options.out / "lambda_conditioned.json", notes=notes)


def trained(kind: type[HvqModule], options: argparse.Namespace) -> HvqModule:
    """A module in evaluation mode, trained or resumed in a folder of its own."""
    words = [*joint_training.training(SETTINGS, options), "--perceptual", options.perceptual]
    words += ["--further_perceptual", "[squeeze]"]
    words += ["--data", options.data] if options.data else []
    words += ["--training.validate_every", str(options.steps), "--training.validation_pictures", "1"]
    given = parse_options([*words, "--training.file_pictures", "0"])
    plain = make_module(given, "joint", options.steps)
    assert isinstance(plain, HvqModule)
    module = kind(plain.model.config, plain.options, "joint", None)
    module._perceptual = plain._perceptual
    missing, unknown = module.load_state_dict(thawed_checkpoint(options.start)["state_dict"], strict=False)
    assert not unknown
    assert all(name.startswith("told") for name in missing)
    machine = Machine(
        options.out / kind.__name__, precision=options.precision, resume=not options.force, force=options.force
    )
    if (machine.folder / "joint.ckpt").exists() and machine.resume:
        sys.stderr.write(f"note: {machine.folder} is there already and is gone on with; --force trains anew\n")
    run_stage(module, make_pictures(given), machine)
    checkpoint = torch.load(machine.folder / "joint.ckpt", weights_only=False)
    module.load_state_dict(checkpoint["state_dict"])
    return module.eval()


def curve(module: HvqModule, pictures: Sequence[np.ndarray], metrics: Sequence[Metric]) -> np.ndarray:
    """Mean bits per pixel and qualities at every place, (places, 1 + metrics)."""
    found = np.zeros((len(PLACES), 1 + len(metrics)))
    for pixels in track(pictures, "measuring", transient=True, disable=not sys.stderr.isatty()):
        values, original = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255, Picture(pixels)
        for row, place in zip(found, PLACES, strict=True):
            done = measure(module.model, module.priors, values, ratios(place), perceptual=None)
            assert done.rate is not None
            decoded = (done.decoded[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
            row[0] += float(done.rate.index_bits + done.rate.z_bits) / values[0].numel()
            row[1:] += [metric.measure(original, Picture(decoded)) for metric in metrics]
    return found / len(pictures)


def compared(curves: dict[str, np.ndarray], names: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each curve: bits at equal quality against the first one, and its points."""
    first = next(iter(curves.values()))
    rows = []
    for name, found in curves.items():
        row: dict[str, Any] = {"lambda": name}
        for column, metric in enumerate(names, start=1):
            difference = compare_rate(first[:, 0], first[:, column], found[:, 0], found[:, column])
            row[f"{metric} %"] = round(difference.value, 1)
        points = {f"place {place:g}": " ".join(f"{v:.4g}" for v in found[n]) for n, place in enumerate(PLACES)}
        rows.append(row | points)
    return rows


if __name__ == "__main__":
    sys.exit(common.call(main))
