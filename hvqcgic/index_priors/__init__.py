"""The forms of the index prior: from numbers of a cell to log-probabilities of all codes, twice in one file.

Input: P numbers of a cell, a table of codes. Output: bits in floating point, for training; integer terms, for files.
May import: `errors`. `models` builds the trained prior on these forms, `entropy` the exact one.
"""

from typing import TYPE_CHECKING

from hvqcgic import lazy_exports

if TYPE_CHECKING:
    from hvqcgic.index_priors.form import BITS_A_NAT as BITS_A_NAT
    from hvqcgic.index_priors.form import Embedding as Embedding
    from hvqcgic.index_priors.form import Form as Form
    from hvqcgic.index_priors.form import Grid as Grid
    from hvqcgic.index_priors.registry import FORMS as FORMS
    from hvqcgic.index_priors.registry import FormName as FormName
    from hvqcgic.index_priors.registry import form_named as form_named
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {"form": ["BITS_A_NAT", "Embedding", "Form", "Grid"], "registry": ["FORMS", "FormName", "form_named"]},
    )
