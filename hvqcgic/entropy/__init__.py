"""Everything between hyper-latents, granularity map, indices and bytes; exact integers throughout."""

from hvqcgic.entropy.entropy_model import MODES, DecodedPicture, EncodedPicture, EntropyModel
from hvqcgic.entropy.expectation import CodeMoments
from hvqcgic.entropy.freezing import FrozenEntropy, freeze
from hvqcgic.entropy.frequency_chunks import PassFrequencies
from hvqcgic.entropy.index_choice import PricedIndices, WeighedChoice, choose, price
from hvqcgic.entropy.map_fitting import fit_map_coder
from hvqcgic.entropy.masks import GRANULARITIES, Masks

__all__ = [
    "GRANULARITIES",
    "MODES",
    "CodeMoments",
    "DecodedPicture",
    "EncodedPicture",
    "EntropyModel",
    "FrozenEntropy",
    "Masks",
    "PassFrequencies",
    "PricedIndices",
    "WeighedChoice",
    "choose",
    "fit_map_coder",
    "freeze",
    "price",
]
