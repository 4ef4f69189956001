"""The entropy model in exact integers: frequencies of indices, range coder, granularity map, static codes.

In: granularity map, indices, hyper-latents. Out: the sections of a file; the same integers when a file is read.
May import: `index_priors`, `bitstream`, `schema`, `errors`; not `models`: nothing here needs floats.
"""

from typing import TYPE_CHECKING

from hvqcgic import lazy_exports

if TYPE_CHECKING:
    from hvqcgic.entropy.entropy_model import RANGE_CODED as RANGE_CODED
    from hvqcgic.entropy.entropy_model import DecodedPicture as DecodedPicture
    from hvqcgic.entropy.entropy_model import EncodedPicture as EncodedPicture
    from hvqcgic.entropy.entropy_model import EntropyModel as EntropyModel
    from hvqcgic.entropy.exact_layers import Precision as Precision
    from hvqcgic.entropy.exact_network import ExactNetwork as ExactNetwork
    from hvqcgic.entropy.expectation import CodeMoments as CodeMoments
    from hvqcgic.entropy.freezing import FrozenEntropy as FrozenEntropy
    from hvqcgic.entropy.freezing import FrozenMeans as FrozenMeans
    from hvqcgic.entropy.freezing import freeze as freeze
    from hvqcgic.entropy.huffman import code_lengths as code_lengths
    from hvqcgic.entropy.index_choice import WeighedChoice as WeighedChoice
    from hvqcgic.entropy.index_choice import choose as choose
    from hvqcgic.entropy.index_choice import price as price
    from hvqcgic.entropy.index_coding import IndexWalk as IndexWalk
    from hvqcgic.entropy.index_coding import PassCells as PassCells
    from hvqcgic.entropy.index_prior import BIAS_BITS as BIAS_BITS
    from hvqcgic.entropy.index_prior import FREQUENCY_BITS as FREQUENCY_BITS
    from hvqcgic.entropy.index_prior import IndexPrior as IndexPrior
    from hvqcgic.entropy.map_coding import MapCoder as MapCoder
    from hvqcgic.entropy.map_fitting import fit_map_coder as fit_map_coder
    from hvqcgic.entropy.masks import Masks as Masks
    from hvqcgic.entropy.means_coding import MeansCoder as MeansCoder
    from hvqcgic.entropy.means_coding import fit_means_table as fit_means_table
    from hvqcgic.entropy.partial_reading import Completion as Completion
    from hvqcgic.entropy.partial_reading import read_passes as read_passes
    from hvqcgic.entropy.range_coding import BitCounter as BitCounter
    from hvqcgic.entropy.range_coding import BitRecorder as BitRecorder
    from hvqcgic.entropy.range_coding import RangeDecoder as RangeDecoder
    from hvqcgic.entropy.range_coding import RangeEncoder as RangeEncoder
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "entropy_model": ["DecodedPicture", "EncodedPicture", "EntropyModel", "RANGE_CODED"],
            "exact_layers": ["Precision"],
            "exact_network": ["ExactNetwork"],
            "expectation": ["CodeMoments"],
            "freezing": ["FrozenEntropy", "FrozenMeans", "freeze"],
            "huffman": ["code_lengths"],
            "index_choice": ["WeighedChoice", "choose", "price"],
            "index_coding": ["IndexWalk", "PassCells"],
            "index_prior": ["BIAS_BITS", "FREQUENCY_BITS", "IndexPrior"],
            "map_coding": ["MapCoder"],
            "map_fitting": ["fit_map_coder"],
            "masks": ["Masks"],
            "means_coding": ["MeansCoder", "fit_means_table"],
            "partial_reading": ["Completion", "read_passes"],
            "range_coding": ["BitCounter", "BitRecorder", "RangeDecoder", "RangeEncoder"],
        },
    )
