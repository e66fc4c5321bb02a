"""Hook specifications: what a plugin can offer.

Each hook takes nothing and returns a list of descriptors. Nothing depends on the order of registration, and
an installed plugin changes no run that does not name it. The examples are complete entry-point modules.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import pluggy

if TYPE_CHECKING:
    from burnish.descriptors import (
        Backbone,
        Command,
        Evaluator,
        Loss,
        NoiseModel,
        RecipeFile,
        Source,
        Summary,
        Tuner,
    )

API_VERSION: Final = 1
"""Version of what plugins build on: hooks, descriptors, contracts, blocks, heads and the test kit.

It changes exactly when one of these changes incompatibly, whatever the release of burnish. A plugin says
which it is made for with a module constant ``BURNISH_API``.
"""

OLDEST_API: Final = 1
"""Oldest version that plugins may be made for.

It stays one behind `API_VERSION` for a release, in which ``burnish plugins`` says which plugins have to move.
"""

hookspec = pluggy.HookspecMarker("burnish")
hookimpl = pluggy.HookimplMarker("burnish")


@hookspec
def burnish_backbones() -> Iterable[Backbone]:  # type: ignore[empty-body]
    """Return pre-trained models.

    ```python
    import burnish

    BURNISH_API = 1

    @burnish.hookimpl
    def burnish_backbones():
        return [burnish.Backbone(name="tiny", target="burnish_tiny.backbone:Tiny",
                                 summary="Small ResNets", needs={"image"}, provides={"features"})]
    ```
    """


@hookspec
def burnish_noise_models() -> Iterable[NoiseModel]:  # type: ignore[empty-body]
    """Return noise models: corruptors for ``noise:``, assessors for ``assess:``.

    ```python
    import burnish

    BURNISH_API = 1

    @burnish.hookimpl
    def burnish_noise_models():
        return [burnish.NoiseModel(name="symmetric", corrupt="burnish_x.noise:Symmetric",
                                   summary="Flip labels at random")]
    ```
    """


@hookspec
def burnish_tuners() -> Iterable[Tuner]:  # type: ignore[empty-body]
    """Return ways to adapt a backbone to a task.

    ```python
    import burnish

    BURNISH_API = 1

    @burnish.hookimpl
    def burnish_tuners():
        return [burnish.Tuner(name="linear", target="burnish_x.linear:Linear",
                              summary="Linear probe", needs={"features"})]
    ```
    """


@hookspec
def burnish_losses() -> Iterable[Loss]:  # type: ignore[empty-body]
    """Return losses and penalties.

    ```python
    import burnish

    BURNISH_API = 1

    @burnish.hookimpl
    def burnish_losses():
        return [burnish.Loss(name="gce", target="burnish_gce.loss:GCE",
                             summary="Generalised cross-entropy", paper="arXiv:1805.07836")]
    ```
    """


@hookspec
def burnish_evaluators() -> Iterable[Evaluator]:  # type: ignore[empty-body]
    """Return evaluators.

    ```python
    import burnish

    BURNISH_API = 1

    @burnish.hookimpl
    def burnish_evaluators():
        return [burnish.Evaluator(name="accuracy", target="burnish_x.accuracy:Accuracy",
                                  summary="Share of items whose top class is right", needs={"truth"})]
    ```
    """


@hookspec
def burnish_summaries() -> Iterable[Summary]:  # type: ignore[empty-body]
    """Return what looks at a whole study, for ``summarise:``.

    ```python
    import burnish

    BURNISH_API = 1

    @burnish.hookimpl
    def burnish_summaries():
        return [burnish.Summary(name="rank", target="burnish_x.rank:Rank",
                                summary="Mean rank of the tuners over data sets")]
    ```
    """


@hookspec
def burnish_sources() -> Iterable[Source]:  # type: ignore[empty-body]
    """Return data sources.

    ```python
    import burnish

    BURNISH_API = 1

    @burnish.hookimpl
    def burnish_sources():
        return [burnish.Source(name="folder", target="burnish_x.folder:Folder",
                               summary="A sub-folder a class", provides={"image", "labels"})]
    ```
    """


@hookspec
def burnish_commands() -> Iterable[Command]:  # type: ignore[empty-body]
    """Return commands of the command line; core's own cannot be replaced.

    ```python
    import burnish

    BURNISH_API = 1

    @burnish.hookimpl
    def burnish_commands():
        return [burnish.Command(name="hello", target="burnish_x.hello:hello", summary="Say hello")]
    ```
    """


@hookspec
def burnish_recipes() -> Iterable[RecipeFile]:  # type: ignore[empty-body]
    """Return recipes that `burnish run NAME` finds: the YAML files in a package's folder ``recipes``.

    ```python
    import burnish

    BURNISH_API = 1

    @burnish.hookimpl
    def burnish_recipes():
        return burnish.recipes("burnish_nmtune")
    ```
    """


HOOKS: Final = {
    "backbone": "burnish_backbones",
    "noise": "burnish_noise_models",
    "tuner": "burnish_tuners",
    "loss": "burnish_losses",
    "evaluator": "burnish_evaluators",
    "summary": "burnish_summaries",
    "source": "burnish_sources",
    "command": "burnish_commands",
    "recipe": "burnish_recipes",
}
"""The hook of every kind."""
