"""The contract of backbones that encode."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from burnish.config import to_options
from burnish.contracts.backbone import Prepared, Runtime, View
from burnish.data import Item
from burnish.errors import ItemError
from burnish.testing.checks import expect, global_randomness_untouched, nothing_written, refused
from burnish.testing.contract import PluginContract
from burnish.testing.data import items_of, payloads, pictures
from burnish.testing.probe import ask

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MODALITIES = ("image", "text", "features")
_EVALUATION = View()


class FrozenContract(PluginContract):
    """What every backbone is tested for.

    Attributes:
        others: further sets of options whose features or answers differ, so that their fingerprints must,
            too.
    """

    kind, key = "backbone", "backbone"
    others: ClassVar[Sequence[Mapping[str, Any]]] = ()

    def test_its_fingerprint_is_light_and_follows_its_options(self, tmp_path: Path) -> None:
        """The fingerprint needs no torch, is the same every time, and differs where features do.

        `others` are the options that give other features.
        """
        given = [to_options(self.config(tmp_path)), *map(dict, self.others)]
        texts = (json.dumps(given), json.dumps([*given, given[0]]))
        answers = [ask("component", self.plugin, self.kind, self.name, self.key, text) for text in texts]
        expect(
            not answers[0]["heavy"],
            f"the fingerprint imports {answers[0]['heavy']}: compute it in a module without them",
        )
        prints = answers[0]["fingerprints"]
        expect(all(isinstance(text, str) for text in prints), "a fingerprint is no text")
        expect(
            prints == answers[1]["fingerprints"][: len(prints)], "fingerprints differ between two processes"
        )
        identities = {
            json.dumps([text, options], sort_keys=True, default=str)
            for text, options in zip(prints, given, strict=True)
        }
        expect(len(identities) == len(given), "two sets of options have one fingerprint and one text")
        described = self.component().descriptor.fingerprint
        expect(
            not described or len(set(prints)) == len(prints),
            f"different options have the same fingerprint: {prints}",
        )


class BackboneContract(FrozenContract):
    """Tests of a backbone that makes features.

    Attributes:
        tolerance: how far an item's features alone may be from those in a batch, relative to the largest one.
    """

    tolerance: ClassVar[float] = 1e-5

    # -- making inputs ---------------------------------------------------------------------------------------

    def backbone(self, folder: Path) -> Any:
        """Return the backbone on the CPU in float32."""
        return self.make(folder, Runtime())

    def encode(self, backbone: Any, given: Sequence[Any], view: View = _EVALUATION) -> Tensor:
        """Return the features of some payloads."""
        items, ids = items_of(backbone.modality, given)
        features: Tensor = backbone.encode(backbone.prepare(items, view, ids))
        return features

    # -- tests -----------------------------------------------------------------------------------------------

    def test_it_says_what_it_reads_and_gives(self, tmp_path: Path) -> None:
        """`modality` is known and among its needs, `views` is a bool, `provides` has features."""
        backbone, descriptor = self.backbone(tmp_path), self.component().descriptor
        expect(
            backbone.modality in _MODALITIES,
            f"modality is {backbone.modality!r}. Possible: {', '.join(_MODALITIES)}",
        )
        expect(
            backbone.modality in descriptor.needs,
            f"it reads {backbone.modality}, and its descriptor's needs do not say so",
        )
        provided = ask(
            "component",
            self.plugin,
            self.kind,
            self.name,
            self.key,
            json.dumps([to_options(self.config(tmp_path))]),
        )["provides"][0]
        expect("features" in provided, "its descriptor does not provide 'features'")
        expect(isinstance(backbone.views, bool), f"views is {backbone.views!r}, not True or False")
        same = descriptor.views is backbone.views
        expect(
            same,
            f"views is {backbone.views}, and its descriptor says {descriptor.views}. Write"
            f" burnish.Backbone(views={backbone.views}, ...)",
        )

    def test_features_are_float32_rows(self, tmp_path: Path) -> None:
        """`encode` gives (B, D) float32, finite, without gradient; D is `dim`."""
        backbone = self.backbone(tmp_path)
        features = self.encode(backbone, payloads(backbone.modality))
        expect(
            isinstance(backbone.dim, int) and backbone.dim > 0,
            f"dim is {backbone.dim!r} after a batch, not a positive int",
        )
        expect(
            tuple(features.shape) == (6, backbone.dim),
            f"features of 6 items have the shape {tuple(features.shape)}, not (6, {backbone.dim})",
        )
        expect(features.dtype == torch.float32, f"features are {features.dtype}, not float32")
        expect(bool(torch.isfinite(features).all()), "a feature is not finite")
        expect(not features.requires_grad, "features carry a gradient: encode under torch.inference_mode")

    def test_encoding_twice_gives_the_same(self, tmp_path: Path) -> None:
        """The same items give the same bits, from this backbone and a fresh one.

        Nothing is drawn from global generators.
        """
        backbone = self.backbone(tmp_path)
        given = payloads(backbone.modality)
        with global_randomness_untouched(f"backbone {self.name}"), nothing_written(f"backbone {self.name}"):
            first, second = self.encode(backbone, given), self.encode(backbone, given)
        expect(torch.equal(first, second), "encoding the same items again gives other features")
        expect(
            torch.equal(first, self.encode(self.backbone(tmp_path), given)),
            "a second backbone with the same options gives other features",
        )

    def test_an_item_alone_has_the_features_it_has_in_a_batch(self, tmp_path: Path) -> None:
        """An item's features do not depend on the other items: alone, in another order, beside others."""
        backbone = self.backbone(tmp_path)
        given = payloads(backbone.modality)
        together, backwards = self.encode(backbone, given), self.encode(backbone, given[::-1]).flip(0)
        alone = torch.cat([self.encode(backbone, [payload]) for payload in given])
        scale = self.tolerance * max(1.0, float(together.abs().max()))
        for what, features in (("alone", alone), ("in another order", backwards)):
            apart = float((features - together).abs().max())
            expect(
                apart <= scale,
                f"an item {what} has features that differ by {apart:.3g} from those in the batch",
            )

    def test_it_is_frozen_and_in_evaluation_mode(self, tmp_path: Path) -> None:
        """Its modules are in evaluation mode, and no parameter wants a gradient."""
        for name, module in modules_of(self.backbone(tmp_path)):
            expect(not module.training, f"{name} is in training mode: call .eval()")
            wanting = [n for n, p in module.named_parameters() if p.requires_grad]
            expect(
                not wanting,
                f"{name}: parameter {wanting[0] if wanting else ''} wants a gradient: call"
                " .requires_grad_(False)",
            )

    def test_its_weights_stay_as_they_are(self, tmp_path: Path) -> None:
        """Weights have the same hash before and after encoding, also when it fails halfway."""
        backbone = self.backbone(tmp_path)
        before, features = weights_hash(backbone), self.encode(backbone, payloads(backbone.modality))
        expect(weights_hash(backbone) == before, "encoding changes the frozen weights")
        items, ids = items_of(backbone.modality, payloads(backbone.modality))
        with _failing(backbone) as fails:
            fails(lambda: backbone.encode(backbone.prepare(items, _EVALUATION, ids)))
        expect(weights_hash(backbone) == before, "an encoding that fails leaves other weights behind")
        expect(
            torch.equal(self.encode(backbone, payloads(backbone.modality)), features),
            "after an encoding that failed, features are others",
        )

    def test_it_can_be_prepared_in_several_threads(self, tmp_path: Path) -> None:
        """`prepare` gives the same in four threads at once."""
        backbone = self.backbone(tmp_path)
        items, ids = items_of(backbone.modality, payloads(backbone.modality))
        wanted = backbone.prepare(items, _EVALUATION, ids)
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: backbone.prepare(items, _EVALUATION, ids), range(8)))
        expect(
            all(_same_inputs(wanted, one) for one in found),
            "prepare gives something else when several threads call it",
        )

    def test_prepared_inputs_have_one_row_an_item(self, tmp_path: Path) -> None:
        """`prepare` gives numpy arrays with leading dimension B."""
        backbone = self.backbone(tmp_path)
        items, ids = items_of(backbone.modality, payloads(backbone.modality))
        for name, array in backbone.prepare(items, _EVALUATION, ids).items():
            fine = isinstance(array, np.ndarray) and len(array) == len(items)
            expect(fine, f"prepare gives {name!r} that is no array with one row an item")

    def test_views_follow_from_content(self, tmp_path: Path) -> None:
        """A numbered view of an item is the same in any batch and order, another number gives another."""
        backbone = self.backbone(tmp_path)
        if not backbone.views:
            return
        items, ids = items_of(backbone.modality, payloads(backbone.modality))
        first, second = (backbone.prepare(items, View(number), ids) for number in (0, 1))
        backwards = backbone.prepare(items[::-1], View(0), ids[::-1].copy())
        expect(
            _same_inputs(first, backbone.prepare(items, View(0), ids)),
            "a view is another one the second time: draw from view.seeds(ids)",
        )
        expect(
            _same_inputs(first, {n: a[::-1] for n, a in backwards.items()}),
            "a view depends on the order of items: draw from view.seeds(ids)",
        )
        expect(not _same_inputs(first, second), "two views with different numbers are the same")

    def test_a_broken_item_is_named(self, tmp_path: Path) -> None:
        """An image that cannot be decoded ends in an ItemError that has its position.

        Arrays are read like files.
        """
        backbone = self.backbone(tmp_path)
        if backbone.modality != "image":
            return
        items, ids = items_of("image", payloads("image", 2))
        broken = [items[0], Item(17, b"this is no image")]
        refused("a file that is no image", ItemError, lambda: backbone.prepare(broken, _EVALUATION, ids))
        try:
            backbone.prepare(broken, _EVALUATION, ids)
        except ItemError as error:
            expect(error.position == 17, f"the error names position {error.position}, not 17")
        array = pictures(1)[0]
        features = backbone.encode(backbone.prepare([Item(0, array)], _EVALUATION, ids[:1]))
        expect(
            torch.equal(features, self.encode(backbone, payloads("image", 1))),
            "an image as uint8 array has other features than as PNG file",
        )


def modules_of(holder: object) -> Iterator[tuple[str, nn.Module]]:
    """Yield the torch modules among an object's attributes, by name."""
    for name, value in vars(holder).items():
        if isinstance(value, nn.Module):
            yield name, value


def weights_hash(holder: object) -> str:
    """Return a hash of all tensors of an object's modules and attributes."""
    digest = hashlib.sha256()
    tensors = {
        f"{name}.{n}": t for name, module in modules_of(holder) for n, t in module.state_dict().items()
    }
    tensors |= {name: value for name, value in vars(holder).items() if isinstance(value, Tensor)}
    for name, tensor in sorted(tensors.items()):
        digest.update(
            name.encode() + tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
        )
    return digest.hexdigest()


class _failing:  # noqa: N801 (used like a function)
    """Makes the last leaf module of a backbone raise when it is called."""

    def __init__(self, backbone: object) -> None:
        leaves = [
            leaf
            for _, module in modules_of(backbone)
            for leaf in module.modules()
            if not list(leaf.children())
        ]
        self._leaf = leaves[-1] if leaves else None

    def __enter__(self) -> Callable[[Callable[[], object]], None]:
        def broken(module: nn.Module, inputs: object) -> None:
            raise _OnPurposeError

        self._handle = self._leaf.register_forward_pre_hook(broken) if self._leaf is not None else None
        return self._fails

    def __exit__(self, *error: object) -> None:
        if self._handle is not None:
            self._handle.remove()

    @staticmethod
    def _fails(call: Callable[[], object]) -> None:
        try:
            call()
        except _OnPurposeError:
            return


class _OnPurposeError(Exception):
    pass


def _same_inputs(one: Prepared, other: Mapping[str, NDArray[Any]]) -> bool:
    return set(one) == set(other) and all(np.array_equal(array, other[name]) for name, array in one.items())
