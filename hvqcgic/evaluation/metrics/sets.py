"""FID, KID and Inception Score of all pictures of one codec and point, on patches of 256 x 256 px.

Patches lie on a grid and on the same grid shifted by half a patch. Kodak's 24 pictures give 192 patches, 6 and 2 for
each 768 x 512 picture, as in the evaluations of HiFiC and Control-GIC.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hvqcgic.evaluation.metrics.base import MetricUnavailable, need_packages
from hvqcgic.perceptual import WeightsMissing, fetch_weights

SET_METRICS = ("fid", "kid", "inception_score")
PATCH_PX = 256
LEAST_PATCHES = 20
KID_SUBSETS, KID_SUBSET_SIZE = 100, 100
SCORE_SPLITS = 10
_BATCH = 16
_INCEPTION_FEATURES = "2048"

Extractor = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Function from patches (N, 3, 256, 256) uint8 to features (N, F) for FID and KID, and logits (N, classes)."""


@dataclass(frozen=True)
class Features:
    """Outputs of an extractor for N patches: features (N, F), float32, and logits (N, classes), float32."""

    features: Tensor
    logits: Tensor


def patches(pixels: NDArray[np.uint8]) -> Tensor:
    """Cut a picture (H, W, 3) into its patches: whole ones of the grid, then of the shifted grid; (N, 3, 256, 256)."""
    whole = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)
    found: list[Tensor] = []
    for start in (0, PATCH_PX // 2):
        rest = whole[:, start:, start:]
        rows, columns = (side // PATCH_PX for side in rest.shape[1:])
        cut = rest[:, : rows * PATCH_PX, : columns * PATCH_PX]
        grid = cut.reshape(3, rows, PATCH_PX, columns, PATCH_PX).permute(1, 3, 0, 2, 4)
        found.append(grid.reshape(-1, 3, PATCH_PX, PATCH_PX))
    return torch.cat(found)


@torch.inference_mode()
def extract(pictures: Iterable[NDArray[np.uint8]], extractor: Extractor) -> Features:
    """Extract the features of the patches of many pictures, each (H, W, 3)."""
    features, logits = [], []
    for pixels in pictures:
        for batch in patches(pixels).split(_BATCH):
            if len(batch):
                found = extractor(batch)
                features.append(found[0].flatten(1).float().cpu())
                logits.append(found[1].flatten(1).float().cpu())
    if not features:
        return Features(torch.empty(0, 1), torch.empty(0, 1))
    return Features(torch.cat(features), torch.cat(logits))


def compare(original: Features, decoded: Features) -> dict[str, float]:
    """FID, KID (mean of its subsets, not multiplied) and Inception Score (mean over splits) of decoded patches.

    Args:
        original: of the originals' patches.
        decoded: of the decoded pictures' patches.
    Raises:
        MetricUnavailable: there are fewer than 20 patches.
    """
    count = len(decoded.features)
    if count < LEAST_PATCHES:
        raise MetricUnavailable(f"{count} patches of {PATCH_PX} x {PATCH_PX} px, at least {LEAST_PATCHES} are needed")
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.inception import InceptionScore
    from torchmetrics.image.kid import KernelInceptionDistance

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        # torchmetrics warns that it stores features, and draws its subsets from the global generator.
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        given = _Given(original.features.shape[1])
        fid = FrechetInceptionDistance(feature=given)
        kid = KernelInceptionDistance(feature=given, subsets=KID_SUBSETS, subset_size=min(KID_SUBSET_SIZE, count))
        score = InceptionScore(feature=given, splits=SCORE_SPLITS)
        for metric in (fid, kid):
            metric.update(original.features, real=True)
            metric.update(decoded.features, real=False)
        score.update(decoded.logits)
        values = fid.compute(), kid.compute()[0], score.compute()[0]
    return dict(zip(SET_METRICS, map(float, values), strict=True))


def load_inception(device: str) -> Extractor:
    """Load the Inception network of published FID values (as converted for torch-fidelity).

    Raises:
        MetricUnavailable: a package is not installed, or its weights are not in torch's cache and cannot be downloaded.
    """
    need_packages("torch_fidelity", "torchmetrics")
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

    try:
        path = fetch_weights(URL_INCEPTION_V3, "Inception")
        outputs = [_INCEPTION_FEATURES, "logits_unbiased"]
        network = FeatureExtractorInceptionV3("inception-v3-compat", outputs, feature_extractor_weights_path=str(path))
    except WeightsMissing as error:
        raise MetricUnavailable(str(error)) from error
    except (OSError, RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise MetricUnavailable(f"Inception weights cannot be used ({reason}); delete them and start again") from error
    network = network.eval().to(device)
    return lambda batch: network(batch.to(device))


class _Given(nn.Module):
    """Stand-in for a network that returns given features."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features
