"""Tiny models with random weights in the library's own files, and photographs where interpolation matters."""

import os

import numpy as np
import pytest
import torch
import transformers as hf
from sklearn.datasets import load_sample_images
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from burnish.contracts import Runtime
from burnish.testing.data import SENTENCES, items_of

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
EYES = {"image_size": 32, "patch_size": 8}
CORPUS = [
    *SENTENCES,
    "the quick brown fox jumps over the lazy dog",
    "a photo of a cat",
    "a photo of a dog",
    "0123456789 yes no maybe",
] * 3


def word_tokenizer(start="[CLS]", end="[SEP]", pad="[PAD]", longest=32):
    """Return a word tokenizer whose texts have a start and an end."""
    inner = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.train_from_iterator(
        CORPUS, trainers.WordLevelTrainer(vocab_size=80, special_tokens=[start, pad, end, "[UNK]"])
    )
    marks = [(name, inner.token_to_id(name)) for name in (start, end)]
    inner.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}", special_tokens=marks)
    names = {
        "cls_token": start,
        "sep_token": end,
        "bos_token": start,
        "eos_token": end,
        "pad_token": pad,
        "unk_token": "[UNK]",
    }
    return hf.PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=longest, **names)


def byte_tokenizer(longest=64):
    """Return a byte-level BPE tokenizer, as language models have it: no marks but an end of text."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    inner.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(
            vocab_size=300, special_tokens=["<|end|>"], initial_alphabet=alphabet, show_progress=False
        ),
    )
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=inner, model_max_length=longest, bos_token="<|end|>", eos_token="<|end|>"
    )


def save(folder, model, *parts, scale=1.0, seed=0):
    """Save a model with spread weights, so that items differ, and its tokenizer or image processor."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.normal_(0, scale * (0.6 if "embed" in name else weight.shape[-1] ** -0.5))
                if isinstance(model, hf.T5PreTrainedModel) and name.endswith(
                    ".q.weight"
                ):  # whose attention does not divide by its width
                    weight.mul_(model.config.d_kv**-0.5)
            elif name.endswith("bias"):
                weight.normal_(0, 0.1)
    model.save_pretrained(folder)
    for part in parts:
        part.save_pretrained(folder)
    return folder


def clip_model(kind="clip", seed=0):
    torch.manual_seed(seed)
    words = word_tokenizer()
    ids = {
        "bos_token_id": words.bos_token_id,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
    }
    text = {
        **SMALL,
        "vocab_size": len(words),
        "max_position_embeddings": 20,
        "projection_dim": 24,
        "projection_size": 32,
        **ids,
    }
    vision = {**SMALL, **EYES, "projection_dim": 24}
    if kind == "clip":
        config = hf.CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
        return (
            hf.CLIPModel(config),
            words,
            hf.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        )
    config = hf.SiglipConfig(text_config=text, vision_config=vision)
    return hf.SiglipModel(config), words, hf.SiglipImageProcessorPil(size={"height": 32, "width": 32})


def vision_model(kind="vit", seed=0):
    torch.manual_seed(seed)
    if kind == "vit":  # with a head, as most files have it
        processor = hf.ViTImageProcessorPil(size={"height": 32, "width": 32})
        return hf.ViTForImageClassification(hf.ViTConfig(**SMALL, **EYES)), processor
    if kind == "deit":
        processor = hf.DeiTImageProcessorPil(
            size={"height": 40, "width": 40}, crop_size={"height": 32, "width": 32}
        )
        return hf.DeiTModel(hf.DeiTConfig(**SMALL, **EYES), add_pooling_layer=False), processor
    processor = hf.BitImageProcessorPil(size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32})
    if kind == "dinov2":
        return hf.Dinov2Model(hf.Dinov2Config(**SMALL, **EYES, mlp_ratio=2)), processor
    return (
        hf.Dinov2WithRegistersModel(
            hf.Dinov2WithRegistersConfig(**SMALL, **EYES, mlp_ratio=2, num_register_tokens=3)
        ),
        processor,
    )


def text_model(kind="bert", seed=0):
    torch.manual_seed(seed)
    words = word_tokenizer()
    small = (
        dict(SMALL) if kind != "distilbert" else {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48}
    )
    more = {"vocab_size": len(words), "max_position_embeddings": 34, "pad_token_id": words.pad_token_id}
    return hf.AutoModel.from_config(hf.AutoConfig.for_model(kind, **small, **more)), words


def language_model(kind="gpt2", seed=0):
    torch.manual_seed(seed)
    parts = byte_tokenizer()
    marks = {
        "vocab_size": len(parts),
        "bos_token_id": parts.bos_token_id,
        "eos_token_id": parts.eos_token_id,
        "pad_token_id": None,
    }
    if kind == "gpt2":
        return (
            hf.GPT2LMHeadModel(hf.GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=64, **marks)),
            parts,
        )
    if kind == "llama":
        config = hf.LlamaConfig(
            **SMALL, num_key_value_heads=1, max_position_embeddings=64, tie_word_embeddings=False, **marks
        )
        return hf.LlamaForCausalLM(config), parts
    marks |= {"pad_token_id": parts.eos_token_id, "decoder_start_token_id": parts.eos_token_id}
    return (
        hf.T5ForConditionalGeneration(
            hf.T5Config(d_model=32, d_kv=16, d_ff=48, num_layers=2, num_heads=2, **marks)
        ),
        parts,
    )


MAKERS = {"clip": clip_model, "vision": vision_model, "text": text_model, "lm": language_model}


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory):
    """Return a function (family, kind, seed) -> folder of a saved model, each made once."""
    made = {}

    def find(family, kind, seed=0):
        if (family, kind, seed) not in made:
            folder = tmp_path_factory.mktemp(kind)
            scale = 1.5 if family == "lm" else 1.0
            made[family, kind, seed] = save(folder, *MAKERS[family](kind, seed), scale=scale, seed=seed)
        return made[family, kind, seed]

    return find


@pytest.fixture(scope="session")
def runtime():
    return Runtime(offline=True)


@pytest.fixture(scope="session")
def photographs():
    """Return twelve parts of photographs, uint8 (64, 96, 3)."""
    return [
        image[top : top + 64, left : left + 96]
        for image in load_sample_images().images
        for top in (60, 200, 330)
        for left in (40, 400)
    ]


@pytest.fixture(scope="session")
def texts():
    return [*SENTENCES, "the dog", "a photo of a cat"]


def relative(found, wanted):
    """Return the largest ||a - b|| / ||b - mean(b)|| over items."""
    centred = wanted - wanted.mean(0)
    return float(((found - wanted).norm(dim=1) / centred.norm(dim=1)).max())


@pytest.fixture(scope="session")
def apart():
    return relative


@pytest.fixture(scope="session")
def encoded():
    """Return a function (backbone, payloads) -> features."""
    from burnish.contracts import View

    def encode(backbone, payloads):
        items, ids = items_of(
            backbone.modality, [np.ascontiguousarray(p) if isinstance(p, np.ndarray) else p for p in payloads]
        )
        return backbone.encode(backbone.prepare(items, View(), ids))

    return encode
