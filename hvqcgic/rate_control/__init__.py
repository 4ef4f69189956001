"""Rate control: from bits per pixel, bytes, a quality or a budget to ratios and a granularity map.

In: a picture that `coder` has analysed, and an `OperatingPoint`. Out: the encoded picture, or an error.
May import: `coder`, `perceptual` and what they import.
"""

from typing import TYPE_CHECKING

from hvqcgic import lazy_exports

if TYPE_CHECKING:
    from hvqcgic.rate_control.allocation import Curve as Curve
    from hvqcgic.rate_control.allocation import allocate as allocate
    from hvqcgic.rate_control.allocation import measure_curve as measure_curve
    from hvqcgic.rate_control.allocation import share_out as share_out
    from hvqcgic.rate_control.budget import DISTORTIONS as DISTORTIONS
    from hvqcgic.rate_control.budget import check_budget as check_budget
    from hvqcgic.rate_control.operating_point import GRANULARITY_ORDERS as GRANULARITY_ORDERS
    from hvqcgic.rate_control.operating_point import HIGHEST_QUALITY as HIGHEST_QUALITY
    from hvqcgic.rate_control.operating_point import LARGEST_BPP as LARGEST_BPP
    from hvqcgic.rate_control.operating_point import Choices as Choices
    from hvqcgic.rate_control.operating_point import ModelSize as ModelSize
    from hvqcgic.rate_control.operating_point import OperatingPoint as OperatingPoint
    from hvqcgic.rate_control.operating_point import check_choices as check_choices
    from hvqcgic.rate_control.operating_point import rate_range as rate_range
    from hvqcgic.rate_control.operating_point import refuse_unknown as refuse_unknown
    from hvqcgic.rate_control.quality import QUALITIES as QUALITIES
    from hvqcgic.rate_control.quality import LpipsAlex as LpipsAlex
    from hvqcgic.rate_control.quality import psnr_db as psnr_db
    from hvqcgic.rate_control.ratio_path import DEFAULT as DEFAULT
    from hvqcgic.rate_control.ratio_path import PATHS as PATHS
    from hvqcgic.rate_control.ratio_path import ratios as ratios
    from hvqcgic.rate_control.rd_order import RdOrder as RdOrder
    from hvqcgic.rate_control.reaching import KnownSizes as KnownSizes
    from hvqcgic.rate_control.reaching import Reached as Reached
    from hvqcgic.rate_control.reaching import reach as reach
    from hvqcgic.rate_control.refinement import Progress as Progress
    from hvqcgic.rate_control.regions import Region as Region
    from hvqcgic.rate_control.regions import Roi as Roi
    from hvqcgic.rate_control.regions import parse_roi as parse_roi
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "allocation": ["allocate", "Curve", "measure_curve", "share_out"],
            "budget": ["DISTORTIONS", "check_budget"],
            "operating_point": [
                "Choices",
                "GRANULARITY_ORDERS",
                "HIGHEST_QUALITY",
                "LARGEST_BPP",
                "ModelSize",
                "OperatingPoint",
                "check_choices",
                "rate_range",
                "refuse_unknown",
            ],
            "quality": ["LpipsAlex", "QUALITIES", "psnr_db"],
            "ratio_path": ["DEFAULT", "PATHS", "ratios"],
            "rd_order": ["RdOrder"],
            "reaching": ["KnownSizes", "Reached", "reach"],
            "refinement": ["Progress"],
            "regions": ["Region", "Roi", "parse_roi"],
        },
    )
