"""Small models with random weights, in the library's own file format."""

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from transformers import BertConfig, BertModel, BertTokenizerFast

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A BERT of two layers for letters, with mean pooling; texts are cut at 20 tokens."""
    base = tmp_path_factory.mktemp("made")
    config = BertConfig(
        vocab_size=64,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config).save_pretrained(base / "transformer")
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        ":",
        *LETTERS,
        *(f"##{letter}" for letter in LETTERS),
    ]
    (base / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(str(base / "vocab.txt")).save_pretrained(base / "transformer")
    transformer = Transformer(str(base / "transformer"), max_seq_length=20)
    prompts = {"query": "query: "}
    SentenceTransformer(
        modules=[transformer, Pooling(16, "mean"), Normalize()], prompts=prompts, device="cpu"
    ).save(str(base / "model"))
    return base / "model"
