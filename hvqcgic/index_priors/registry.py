"""The forms of the index prior by name. A new form is registered here, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hvqcgic.errors import ConfigError
from hvqcgic.index_priors.form import Form
from hvqcgic.index_priors.learned import Learned
from hvqcgic.index_priors.mahalanobis import Diagonal, Mahalanobis
from hvqcgic.index_priors.quadratic import Quadratic

FORMS: dict[str, Form] = {form.name: form for form in (Mahalanobis(), Diagonal(), Quadratic(), Learned())}

if TYPE_CHECKING:
    FormName = str
else:
    FormName = Literal[tuple(FORMS)]
"""Type of a configuration's field: the parser of options refuses other names and lists these."""


def form_named(name: str) -> Form:
    """A form of the index prior.

    Raises:
        ConfigError: there is none of this name.
    """
    if name not in FORMS:
        raise ConfigError(f"index prior {name!r} is unknown; choose {', '.join(FORMS)}")
    return FORMS[name]
