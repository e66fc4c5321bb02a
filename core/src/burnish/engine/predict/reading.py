"""What a predictor reads: features, those of a backbone it changed, or answers to its prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.contracts.tuner import Adapted, Prompted
from burnish.engine.answers.answers import item_seeds
from burnish.engine.features.extract import ExtractRun, extract
from burnish.engine.features.spec import FeatureSpec
from burnish.engine.jobs.task import texts_at
from burnish.errors import RecipeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.tuner import Predictor
    from burnish.data import Dataset
    from burnish.engine.tools import Tools
    from burnish.plan import Row


def read_for(
    predictor: Predictor,
    tools: Tools,
    row: Row,
    dataset: Dataset,
    positions: NDArray[np.int64],
    table: NDArray[np.float32] | None,
) -> NDArray[Any]:
    """Return what a predictor reads of a data set's items: (N, ...), of which only `positions` are filled in.

    Args:
        predictor: the predictor.
        tools: what jobs work with.
        row: names the backbone.
        dataset: the N items.
        positions: whose items are going to be predicted.
        table: (N, D) features of the backbone as it is; None where the row has none.

    Raises:
        RecipeError: it reads features, and the backbone makes none.
    """
    if isinstance(predictor, Adapted):
        return _adapted(predictor, tools, row, dataset, positions)
    if isinstance(predictor, Prompted):
        return _answers(predictor, tools, row, dataset, positions)
    if table is None:
        what = f"tuner {row.tuner.text} reads features of {row.backbone.text}, which has none to give"
        todo = "Take a backbone that provides features, and declare needs={'features'}"
        raise RecipeError(what, where="backbone", todo=todo)
    return table


def _adapted(
    predictor: Adapted, tools: Tools, row: Row, dataset: Dataset, positions: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return (N, D') float32 of the backbone that the predictor changed; NaN elsewhere than asked for."""
    spec = FeatureSpec(row.backbone, dataset.modality, None, tools.numeric, adapted=True)
    try:
        with predictor.adapt(tools.backbones.lend(row.backbone)) as encoder:
            run = ExtractRun(tools.workers)
            return extract(dataset, positions, spec, lambda: encoder, tools.cache, run).features
    finally:
        tools.backbones.require_frozen(f"tuner {row.tuner.text}")


def _answers(
    predictor: Prompted, tools: Tools, row: Row, dataset: Dataset, positions: NDArray[np.int64]
) -> NDArray[Any]:
    """Return (N, P) object array of answers; empty texts elsewhere than asked for."""
    table = np.full((len(dataset), len(predictor.names)), "", dtype=object)
    prompts = predictor.prompts(texts_at(dataset, positions))
    seeds = item_seeds(dataset.ids[positions], predictor.seed)
    table[positions] = tools.backbones.ask(row.backbone, prompts, predictor.decoding, seeds)
    return table
