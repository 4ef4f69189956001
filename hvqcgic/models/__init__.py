"""The networks in floating point: encoder, vector quantiser, decoder, hyperpriors, context networks, index prior.

In: pictures as tensors (B, 3, H, W). Out: features, indices, hyper-latents, decoded pictures, log-probabilities.
May import: `index_priors`, `bitstream`, `schema`, `errors`; not `entropy`, whose integers are made of these weights.
"""

from typing import TYPE_CHECKING

from hvqcgic import lazy_exports

if TYPE_CHECKING:
    from hvqcgic.models.backbones import BACKBONES as BACKBONES
    from hvqcgic.models.bf16 import PicturePrecision as PicturePrecision
    from hvqcgic.models.bf16 import gradients_as as gradients_as
    from hvqcgic.models.bf16 import precision_of as precision_of
    from hvqcgic.models.bf16 import processor_multiplies_bf16 as processor_multiplies_bf16
    from hvqcgic.models.bf16 import use_bf16 as use_bf16
    from hvqcgic.models.config import BackboneConfig as BackboneConfig
    from hvqcgic.models.config import ControlGicConfig as ControlGicConfig
    from hvqcgic.models.config import EntropyConfig as EntropyConfig
    from hvqcgic.models.config import InputRange as InputRange
    from hvqcgic.models.config import MeansConfig as MeansConfig
    from hvqcgic.models.config import ModelConfig as ModelConfig
    from hvqcgic.models.config import Selection as Selection
    from hvqcgic.models.context import context_network as context_network
    from hvqcgic.models.control_gic_blocks import NORM_EPS as NORM_EPS
    from hvqcgic.models.control_gic_decoder import ControlGicDecoder as ControlGicDecoder
    from hvqcgic.models.control_gic_encoder import ControlGicEncoder as ControlGicEncoder
    from hvqcgic.models.decoder import assemble as assemble
    from hvqcgic.models.discriminator import PatchDiscriminator as PatchDiscriminator
    from hvqcgic.models.granularity import GranularityMap as GranularityMap
    from hvqcgic.models.granularity import PatchEntropies as PatchEntropies
    from hvqcgic.models.granularity import counts_from_ratios as counts_from_ratios
    from hvqcgic.models.granularity import every_size as every_size
    from hvqcgic.models.granularity import granularity_map as granularity_map
    from hvqcgic.models.granularity import pad_to_cells as pad_to_cells
    from hvqcgic.models.granularity import repeat as repeat
    from hvqcgic.models.hyperprior import HYPERPRIORS as HYPERPRIORS
    from hvqcgic.models.hyperprior import Hyperprior as Hyperprior
    from hvqcgic.models.hyperprior import hyper_synthesis as hyper_synthesis
    from hvqcgic.models.hyperprior import sent_positions as sent_positions
    from hvqcgic.models.index_prior import index_bits as index_bits
    from hvqcgic.models.index_prior import parameter_count as parameter_count
    from hvqcgic.models.means import MEANS_CHANNELS as MEANS_CHANNELS
    from hvqcgic.models.means import largest_latent as largest_latent
    from hvqcgic.models.means import less_means as less_means
    from hvqcgic.models.means import local_means as local_means
    from hvqcgic.models.means import plus_means as plus_means
    from hvqcgic.models.means import spread as spread
    from hvqcgic.models.network import HvqModel as HvqModel
    from hvqcgic.models.picture_model import Codes as Codes
    from hvqcgic.models.picture_model import PictureModel as PictureModel
    from hvqcgic.models.picture_model import scatter_rows as scatter_rows
    from hvqcgic.models.proxy_decoder import ProxyConfig as ProxyConfig
    from hvqcgic.models.proxy_decoder import ProxyDecoder as ProxyDecoder
    from hvqcgic.models.published_selection import published_entropies as published_entropies
    from hvqcgic.models.published_selection import select as select
    from hvqcgic.models.quantiser import Quantised as Quantised
    from hvqcgic.models.quantiser import VectorQuantiser as VectorQuantiser
    from hvqcgic.models.quantiser import nearest_codes as nearest_codes
    from hvqcgic.models.quantiser import perplexity as perplexity
    from hvqcgic.models.quantiser import squared_distances as squared_distances
    from hvqcgic.models.quantiser import straight_through as straight_through
    from hvqcgic.models.ratios import REPORTED_RATIOS as REPORTED_RATIOS
    from hvqcgic.models.ratios import Ratios as Ratios
    from hvqcgic.models.ratios import check_ratios as check_ratios
    from hvqcgic.models.reverse_path import Estimate as Estimate
    from hvqcgic.models.reverse_path import Known as Known
    from hvqcgic.models.reverse_path import ReverseConfig as ReverseConfig
    from hvqcgic.models.reverse_path import ReverseModel as ReverseModel
    from hvqcgic.models.reverse_path import ReverseNetwork as ReverseNetwork
    from hvqcgic.models.reverse_path import reverse as reverse
    from hvqcgic.models.selection import information_density as information_density
    from hvqcgic.models.selection import order_cells as order_cells
    from hvqcgic.models.selection import picture_density as picture_density
    from hvqcgic.models.selection import select_cells as select_cells
    from hvqcgic.models.sequential import ClampedConv as ClampedConv
    from hvqcgic.models.sequential import describe as describe
    from hvqcgic.models.steps import check_steps as check_steps
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "backbones": ["BACKBONES"],
            "bf16": ["PicturePrecision", "gradients_as", "precision_of", "processor_multiplies_bf16", "use_bf16"],
            "config": [
                "BackboneConfig",
                "ControlGicConfig",
                "EntropyConfig",
                "InputRange",
                "MeansConfig",
                "ModelConfig",
                "Selection",
            ],
            "context": ["context_network"],
            "control_gic_blocks": ["NORM_EPS"],
            "control_gic_decoder": ["ControlGicDecoder"],
            "control_gic_encoder": ["ControlGicEncoder"],
            "decoder": ["assemble"],
            "discriminator": ["PatchDiscriminator"],
            "granularity": [
                "GranularityMap",
                "PatchEntropies",
                "counts_from_ratios",
                "every_size",
                "granularity_map",
                "pad_to_cells",
                "repeat",
            ],
            "hyperprior": ["HYPERPRIORS", "Hyperprior", "hyper_synthesis", "sent_positions"],
            "index_prior": ["index_bits", "parameter_count"],
            "means": [
                "MEANS_CHANNELS",
                "largest_latent",
                "less_means",
                "local_means",
                "plus_means",
                "spread",
            ],
            "network": ["HvqModel"],
            "picture_model": ["Codes", "PictureModel", "scatter_rows"],
            "proxy_decoder": ["ProxyConfig", "ProxyDecoder"],
            "published_selection": ["published_entropies", "select"],
            "quantiser": [
                "Quantised",
                "VectorQuantiser",
                "nearest_codes",
                "perplexity",
                "squared_distances",
                "straight_through",
            ],
            "ratios": ["REPORTED_RATIOS", "Ratios", "check_ratios"],
            "reverse_path": [
                "Estimate",
                "Known",
                "ReverseConfig",
                "ReverseModel",
                "ReverseNetwork",
                "reverse",
            ],
            "selection": ["information_density", "order_cells", "picture_density", "select_cells"],
            "steps": ["check_steps"],
            "sequential": ["ClampedConv", "describe"],
        },
    )
