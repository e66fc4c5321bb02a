"""What plugin authors test with: a contract for each kind of component, to inherit from.

```python
from burnish.testing import LossContract

class TestContract(LossContract):
    plugin, name = "gce", "gce"
```

Nothing heavy is imported before a contract is used; pytest itself is needed only to run the tests (``pip
install 'burnish[test]'``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from burnish.testing.assessor import AssessorContract
    from burnish.testing.backbone import BackboneContract
    from burnish.testing.contract import PluginContract, missing_contracts
    from burnish.testing.corruptor import CorruptorContract
    from burnish.testing.evaluator import EvaluatorContract
    from burnish.testing.language import LanguageModelContract
    from burnish.testing.loss import LossContract
    from burnish.testing.others import CommandContract, RecipeContract, SummaryContract
    from burnish.testing.source import SourceContract
    from burnish.testing.tuner import TunerContract

__all__ = [
    "AssessorContract",
    "BackboneContract",
    "CommandContract",
    "CorruptorContract",
    "EvaluatorContract",
    "LanguageModelContract",
    "LossContract",
    "PluginContract",
    "RecipeContract",
    "SourceContract",
    "SummaryContract",
    "TunerContract",
    "missing_contracts",
]

_LAZY: Final = {
    "AssessorContract": "assessor",
    "BackboneContract": "backbone",
    "CommandContract": "others",
    "CorruptorContract": "corruptor",
    "EvaluatorContract": "evaluator",
    "LanguageModelContract": "language",
    "LossContract": "loss",
    "PluginContract": "contract",
    "RecipeContract": "others",
    "SourceContract": "source",
    "SummaryContract": "others",
    "TunerContract": "tuner",
    "missing_contracts": "contract",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'burnish.testing' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"burnish.testing.{_LAZY[name]}"), name)
