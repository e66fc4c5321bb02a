"""What the plugin announces, without torch, and its fingerprints."""

import shutil
import subprocess
import sys

import pytest

from burnish.errors import ModelFileError
from burnish_huggingface import ClipConfig, LanguageConfig, TextConfig, VisionConfig, burnish_backbones
from burnish_huggingface.place import fingerprint

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_the_light_part_imports_nothing_heavy():
    code = (
        "import sys, burnish_huggingface as b; from burnish_huggingface.place import"
        " fingerprint;b.burnish_backbones(); fingerprint(b.ClipConfig(hub='a/b',"
        f" revision='{COMMIT}'));sys.exit(' '.join({{'torch', 'numpy', 'PIL', 'transformers', 'tokenizers',"
        " 'safetensors', 'huggingface_hub'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_each_family_says_what_it_can_do():
    offered = {backbone.name: backbone.provides for backbone in burnish_backbones()}
    assert {"text-tower", "projects"} <= offered["hf-clip"]
    assert "text-tower" not in offered["hf-vision"]
    assert {"generate", "score-text"} <= offered["hf-lm"]
    assert not {"generate", "score-text"} & (offered["hf-text"] | offered["hf-clip"] | offered["hf-vision"])


def test_fingerprints_follow_content_and_not_place(folder_of, tmp_path):
    folder = folder_of("text", "bert")
    moved = shutil.copytree(folder, tmp_path / "moved")
    one = fingerprint(TextConfig(weights=folder))
    assert fingerprint(TextConfig(weights=moved)) == one
    assert fingerprint(TextConfig(weights=folder, pooling="mean")) != one
    assert fingerprint(TextConfig(weights=folder_of("text", "bert", 1))) != one
    (moved / "README.md").write_text("about", encoding="utf-8")
    assert fingerprint(TextConfig(weights=moved)) == one
    for name in ("tokenizer.json", "config.json", "model.safetensors"):
        changed = shutil.copytree(folder, tmp_path / name)
        (changed / name).write_bytes((changed / name).read_bytes() + b" ")
        assert fingerprint(TextConfig(weights=changed)) != one, name


def test_fingerprints_of_files_hubs_and_random_weights(folder_of):
    folder = folder_of("vision", "vit")
    file = folder / "model.safetensors"
    prints = [
        fingerprint(config)
        for config in (
            VisionConfig(weights=folder),
            VisionConfig(weights=file, model="vit"),
            VisionConfig(weights=file, config=folder),
            VisionConfig(weights=file, model="deit"),
            VisionConfig(hub="a/b", revision=COMMIT),
            VisionConfig(hub="a/c", revision=COMMIT),
            VisionConfig(hub="a/b", revision=COMMIT[::-1]),
            VisionConfig(random_seed=0, model="vit"),
            VisionConfig(random_seed=1, model="vit"),
            VisionConfig(random_seed=0, config=folder),
        )
    ]
    assert (
        len(set(prints)) == len(prints) - 1
    )  # a folder and its own file with its own config are the same model
    assert prints[0] == prints[2]


@pytest.mark.parametrize("library", ["transformers", "tokenizers"])
def test_fingerprints_follow_the_versions_of_the_libraries(monkeypatch, library):
    from burnish import hub

    config, before = LanguageConfig(hub="a/b", revision=COMMIT), hub._version
    one = fingerprint(config)
    monkeypatch.setattr(hub, "_version", lambda name: "99" if name == library else before(name))
    assert fingerprint(config) != one


def test_missing_files_are_named_before_anything_is_loaded(tmp_path):
    with pytest.raises(ModelFileError, match=r"there is no config\.json"):
        fingerprint(ClipConfig(weights=tmp_path))
