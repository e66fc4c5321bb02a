"""From a config to the backbone.

Model, transform and tokenizer, built with open_clip's own parts and nothing that asks a hub on its own.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import asdict, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import open_clip
import torch
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
from open_clip.tokenizer import HFTokenizer
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict

from burnish.errors import MissingExtraError, ModelFileError
from burnish.hub import download
from burnish_openclip.places import CONFIG, OTHER_WEIGHTS, SAFE_WEIGHTS, TOKENIZER, Place, in_folder, local
from burnish_openclip.towers import OpenClip
from burnish_openclip.weights import fill, read_state

if TYPE_CHECKING:
    from burnish.contracts import Runtime
    from burnish_openclip import OpenClipConfig

_TOKENIZER_OPTIONS: Final = frozenset({"clean", "strip_sep_token", "language", "additional_special_tokens"})
_CUTS: Final = frozenset({"reduction_mask"})
"""Options of tokenizers that say how longer texts are cut, which they never are."""


def load(config: OpenClipConfig, runtime: Runtime) -> OpenClip:
    """Return the backbone of a config.

    Raises:
        ConfigError: the architecture is unknown, or the hub has no such model or commit.
        MachineError: the model is not on this machine, and no hub can be asked.
        ModelFileError: weights or their description are missing, damaged or of another architecture.
    """
    place = (
        local(config) if config.hub is None else _from_hub(config.hub, str(config.revision), runtime.offline)
    )
    model = build(place, config.random_seed)
    if place.weights is not None:
        fill(model, read_state(place.weights), place.weights, place.label)
    return OpenClip(
        model, transform_of(place, model), tokenizer_of(place), runtime, f"openclip: {place.label}"
    )


def _from_hub(hub: str, revision: str, offline: bool) -> Place:
    """Return the place of a hub's model after its files have been brought here, of the weights only one."""
    where = f"openclip: {hub}"
    folder = download(hub, revision, [CONFIG, *TOKENIZER], offline=offline, where=where)
    for names in (
        *((name,) for name in SAFE_WEIGHTS[:2]),
        OTHER_WEIGHTS[:1],
        SAFE_WEIGHTS[2:],
        OTHER_WEIGHTS[1:],
    ):
        download(hub, revision, names, offline=offline, where=where)
        if any((folder / name).is_file() for name in names):
            break
    return replace(in_folder(folder), label=hub)


def build(place: Place, seed: int | None = None) -> torch.nn.Module:
    """Return a model of a place's architecture with random weights, of a seed where one is given.

    Raises:
        ModelFileError: open_clip makes no model of the description.
    """
    parts: dict[str, Any] = deepcopy(dict(place.model))
    if parts["vision_cfg"].get("timm_model_name"):
        parts["vision_cfg"]["timm_model_pretrained"] = False
    own_text = parts.pop("custom_text", False)
    kind = (
        (open_clip.CoCa if "multimodal_cfg" in parts else open_clip.CustomTextCLIP)
        if own_text
        else open_clip.CLIP
    )
    try:
        with torch.random.fork_rng(devices=[]):
            if seed is not None:
                torch.default_generator.manual_seed(seed)
            model: torch.nn.Module = kind(**parts)
    except (TypeError, ValueError, AssertionError, RuntimeError, KeyError, ZeroDivisionError) as error:
        raise ModelFileError(
            f"open_clip makes no model of it: {error}",
            where=place.label,
            todo=f"Mend {CONFIG}, or save it again",
        ) from error
    return model


def transform_of(place: Place, model: Any) -> Any:
    """Return the evaluation transform.

    As described beside the weights, else the one that all weights open_clip lists for the architecture share.

    open_clip itself takes its default for every weight file, also for architectures such as SigLIP's whose
    weights all want another one.
    """
    given = place.preprocess if place.preprocess is not None else _shared_preprocessing(place.architecture)
    merged = merge_preprocess_dict(PreprocessCfg(), dict(given))
    return image_transform_v2(PreprocessCfg(**merged | {"size": model.visual.image_size}), is_train=False)


def _shared_preprocessing(architecture: str) -> dict[str, Any]:
    known = asdict(PreprocessCfg())
    listed = [get_pretrained_cfg(architecture, tag) for tag in list_pretrained_tags_by_model(architecture)]
    wanted = [{name: value for name, value in one.items() if name in known} for one in listed]
    return wanted[0] if wanted and all(one == wanted[0] for one in wanted) else {}


def tokenizer_of(place: Place) -> Any:
    """Return the tokenizer; None where it is one of transformers whose files are not there.

    Raises:
        ModelFileError: its options or files are not of a tokenizer.
        MissingExtraError: transformers is needed and missing.
    """
    text = place.model["text_cfg"]
    options = {
        name: value for name, value in (text.get("tokenizer_kwargs") or {}).items() if name not in _CUTS
    }
    if unknown := sorted(options.keys() - _TOKENIZER_OPTIONS):
        raise ModelFileError(
            f"unknown option {unknown[0]!r} of the tokenizer",
            where=place.label,
            possible=", ".join(sorted(_TOKENIZER_OPTIONS)),
        )
    length = int(text.get("context_length", open_clip.CLIPTextCfg().context_length))
    if not place.reads_text:
        return None
    try:
        if not text.get("hf_tokenizer_name"):
            return _simple_tokenizer(length, json.dumps(options, sort_keys=True))
        # The folder's own files, never the hub model that the description names.
        return HFTokenizer(
            str(place.folder),
            context_length=length,
            tokenizer_mode=text.get("tokenizer_mode"),
            local_files_only=True,
            **options,
        )
    except ImportError as error:
        raise MissingExtraError(
            f"its tokenizer needs a library: {error}",
            where=place.label,
            todo="Run: pip install 'burnish-openclip[transformers]'",
        ) from error
    except (OSError, ValueError, TypeError, KeyError, AssertionError) as error:
        raise ModelFileError(
            f"its tokenizer cannot be made: {error}",
            where=place.label,
            todo="Put the tokenizer's files into the folder",
        ) from error


@lru_cache(maxsize=8)
def _simple_tokenizer(length: int, options: str) -> Any:
    """Return open_clip's own tokenizer, which takes long to make and is the same for all who use it.

    Options as JSON.
    """
    return open_clip.SimpleTokenizer(context_length=length, **json.loads(options))
