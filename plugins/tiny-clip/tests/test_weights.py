"""The shipped models: size, provenance, and that they know what they were taught."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from burnish.contracts import Runtime, View
from burnish.data import Item
from burnish.errors import ConfigError, ModelFileError
from burnish.manager import get_manager
from burnish_tiny_clip import NOISES, TinyClipConfig, files
from burnish_tiny_clip.backbone import load, open_folder
from burnish_tiny_clip.files import FILES, PROVENANCE, WEIGHTS, fingerprint, folder_of
from burnish_tiny_clip.training.export import read_provenance

MOST_BYTES = 20_000_000


@pytest.fixture(scope="module")
def clip():
    return load(TinyClipConfig(), Runtime())


@pytest.mark.parametrize("noise", NOISES)
def test_the_provenance_is_that_of_the_files(noise):
    folder = folder_of(TinyClipConfig(noise=noise))
    facts = read_provenance(folder)
    assert facts["sha256"] == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES
    }
    assert facts["caption_noise"] == noise
    assert "CIFAR-10" in facts["terms"]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, PROVENANCE])


def test_the_models_are_small():
    assert sum(path.stat().st_size for path in files.SHIPPED.rglob("*") if path.is_file()) < MOST_BYTES
    for noise in NOISES:
        tensors = load_file(folder_of(TinyClipConfig(noise=noise)) / WEIGHTS)
        assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
        assert sum(tensor.numel() for tensor in tensors.values()) < 2_000_000


@pytest.mark.parametrize("noise", NOISES)
def test_it_tells_unseen_scenes_apart_as_well_as_its_provenance_says(noise):
    backbone = load(TinyClipConfig(noise=noise), Runtime())
    pytest.importorskip("burnish_signs", reason="scenes come from burnish-signs")
    source = get_manager().get("source", "scenes")
    dataset = (
        get_manager()
        .resolve(source, source.descriptor.target)(source.descriptor.config(per_class=1, test_per_class=10))
        .load()
    )
    stated = read_provenance(folder_of(TinyClipConfig(noise=noise)))["zero_shot_accuracy"]
    for split, name in (("test", "scenes_seen"), ("test:new", "scenes_unseen")):
        index = dataset.assigned[split]
        answers = dataset.supervision.y[index]
        columns = np.unique(answers)
        texts = _texts(backbone, [f"a photo of a {dataset.classes.names[column]}." for column in columns])
        images = backbone.encode(backbone.prepare(list(dataset.items(index)), View(), dataset.ids[index]))
        hits = columns[(images @ texts.T).argmax(1).numpy()] == answers
        assert hits.mean() == pytest.approx(stated[name], abs=0.12)


def _texts(backbone, texts):
    tower = backbone.text_tower
    items = [Item(position, text) for position, text in enumerate(texts)]
    features = tower.encode(tower.prepare(items, View(), np.zeros((len(texts), 32), dtype=np.uint8)))
    return torch.nn.functional.normalize(features, dim=-1)


def test_what_it_offers_is_what_its_descriptor_says(clip):
    component = get_manager().get("backbone", "tiny-clip")
    assert component.descriptor.provides == {
        "features",
        "projects",
        "text-tower",
        "compose-text",
        "module",
    }
    assert clip.dim == 128
    assert clip.projection.shape == (128, 128)
    assert clip.context_length == 32
    assert len(clip.sites.blocks) == 6
    ids = clip.tokenise(["a photo of a cat"])
    torch.testing.assert_close(
        clip.encode_embedded(clip.embed_tokens(ids), ids), clip.text_tower.encode({"tokens": ids.numpy()})
    )


def test_class_names_it_was_never_taught_have_features_of_their_own(clip):
    texts = _texts(clip, ["a photo of a zebra", "a photo of a violin", "a photo of a cat"])
    assert float((texts @ texts.T).fill_diagonal_(0).max()) < 0.9999


def test_images_of_32_pass_unchanged(clip):
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    prepared = clip.prepare([Item(0, image)], View(), np.zeros((1, 32), dtype=np.uint8))["image"]
    np.testing.assert_array_equal(prepared[0], image)


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(folder_of(TinyClipConfig()), tmp_path / "copy")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(copy, name):
    (copy / name).unlink()
    with pytest.raises(ModelFileError, match=f"{name} is missing"):
        open_folder(copy)


def test_truncated_weights_are_refused(copy):
    (copy / WEIGHTS).write_bytes((copy / WEIGHTS).read_bytes()[:-100])
    with pytest.raises(ModelFileError, match="cannot be read"):
        open_folder(copy)


def test_weights_of_another_architecture_are_refused(copy):
    content = json.loads((copy / "open_clip_config.json").read_text())
    content["model_cfg"]["vision_cfg"]["layers"] = 5
    (copy / "open_clip_config.json").write_text(json.dumps(content))
    with pytest.raises(ModelFileError, match="cannot be read"):
        open_folder(copy)


@pytest.mark.parametrize("options", [{"noise": 0.2}, {"seed": 1}])
def test_weights_that_do_not_ship_are_refused(options):
    with pytest.raises(ConfigError, match="no weights ship"):
        TinyClipConfig(**options)


def test_fingerprints_differ():
    assert fingerprint(TinyClipConfig()) != fingerprint(TinyClipConfig(noise=0.3))
