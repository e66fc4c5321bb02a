"""What flows: items in a canonical order, their supervision and how it is imperfect, classes, splits.

No torch.
"""

from burnish.data.classes import Classes
from burnish.data.content import canonical_order, content_id, content_id_of_file, stack_ids, uniforms
from burnish.data.dataset import Dataset, Item, Payload, Reader
from burnish.data.findings import Finding
from burnish.data.split import ROLES, Role, Split, role_of
from burnish.data.supervision import UNKNOWN, Labels, MultiLabels, Supervision, Texts

__all__ = [
    "ROLES",
    "UNKNOWN",
    "Classes",
    "Dataset",
    "Finding",
    "Item",
    "Labels",
    "MultiLabels",
    "Payload",
    "Reader",
    "Role",
    "Split",
    "Supervision",
    "Texts",
    "canonical_order",
    "content_id",
    "content_id_of_file",
    "role_of",
    "stack_ids",
    "uniforms",
]
