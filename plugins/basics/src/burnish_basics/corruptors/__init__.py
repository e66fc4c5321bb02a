"""Corruptors: label noise and sampling noise, for studies."""

from burnish_basics.corruptors.asymmetric import Asymmetric
from burnish_basics.corruptors.draws import LABEL_ROLES, SAMPLING_ROLES
from burnish_basics.corruptors.instance import InstanceDependent
from burnish_basics.corruptors.missing import Missing
from burnish_basics.corruptors.sampling import FewShot, LongTail, NewClasses
from burnish_basics.corruptors.uniform import Nothing, Pair, Symmetric

__all__ = [
    "LABEL_ROLES",
    "SAMPLING_ROLES",
    "Asymmetric",
    "FewShot",
    "InstanceDependent",
    "LongTail",
    "Missing",
    "NewClasses",
    "Nothing",
    "Pair",
    "Symmetric",
]
