"""Answers and likelihoods.

Batches against single prompts, and against slow loops over one token at a time.
"""

import numpy as np
import pytest
import torch
import transformers as hf

from burnish.contracts import Runtime
from burnish.contracts.language import Decoding
from burnish.errors import DataError, ModelFileError
from burnish_huggingface import LanguageConfig
from burnish_huggingface.generation import Draw, until_end, until_stop
from burnish_huggingface.lm import LanguageModel

PROMPTS = ["the cat", "a photo of a dog", "yes", "0123456789 yes no maybe the quick brown fox", "one two"]
KINDS = ["gpt2", "llama", "t5"]


def make(folder, **options):
    return LanguageModel(LanguageConfig(weights=folder, **options), Runtime())


def loaded(folder, kind):
    auto = hf.AutoModelForSeq2SeqLM if kind == "t5" else hf.AutoModelForCausalLM
    return auto.from_pretrained(folder), hf.AutoTokenizer.from_pretrained(folder)


@torch.inference_mode()
def slow_greedy(folder, kind, prompt, count):
    """One prompt, no cache, no padding: the whole text again for each token."""
    model, tokenizer = loaded(folder, kind)
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
    made = []
    while len(made) < count:
        if kind == "t5":
            so_far = torch.tensor([[model.config.decoder_start_token_id, *made]])
            logits = model(input_ids=ids, decoder_input_ids=so_far).logits[0, -1]
        else:
            logits = model(input_ids=torch.cat([ids, torch.tensor([made], dtype=torch.long)], 1)).logits[
                0, -1
            ]
        token = int(logits.argmax())
        if token == tokenizer.eos_token_id:
            break
        made.append(token)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_the_likeliest_answers_of_a_batch_are_those_of_a_slow_loop(folder_of, kind):
    folder = folder_of("lm", kind)
    found = make(folder, batch=4).generate(PROMPTS, Decoding(max_new_tokens=12), range(5))
    tokenizer = hf.AutoTokenizer.from_pretrained(folder)
    assert found == [tokenizer.decode(slow_greedy(folder, kind, prompt, 12)) for prompt in PROMPTS]
    assert len(set(found)) > 2
    single = make(folder, batch=1)
    assert found == [single.generate([prompt], Decoding(max_new_tokens=12), [9])[0] for prompt in PROMPTS]


@pytest.mark.parametrize("kind", KINDS)
def test_drawn_answers_depend_on_their_own_prompt_and_seed(folder_of, kind):
    model, decoding = make(folder_of("lm", kind)), Decoding(max_new_tokens=8, temperature=0.9, top_p=0.95)
    state = torch.get_rng_state()
    together = model.generate(PROMPTS, decoding, [3, 1, 4, 1, 5])
    assert torch.equal(torch.get_rng_state(), state)
    backwards = model.generate(PROMPTS[::-1], decoding, [5, 1, 4, 1, 3])
    alone = [
        model.generate([prompt], decoding, [seed])[0]
        for prompt, seed in zip(PROMPTS, [3, 1, 4, 1, 5], strict=True)
    ]
    assert together == backwards[::-1] == alone
    drawn = model.generate(["the cat"] * 6, decoding, range(6))
    assert len(set(drawn)) > 3


def test_drawing_follows_temperature_and_nucleus():
    scores = torch.tensor([[2.0, 1.0, 0.0, -1.0, -3.0]])
    for temperature, top_p in ((1.0, 1.0), (0.7, 0.8), (2.0, 0.5)):
        draw = Draw(Decoding(temperature=temperature, top_p=top_p), 0)
        counts = np.bincount([int(draw(None, scores).argmax()) for _ in range(2000)], minlength=5) / 2000
        p = np.exp(scores[0].numpy() / temperature)
        p /= p.sum()
        kept, total = np.zeros(5), 0.0
        for token in np.argsort(-p):  # the smallest set that reaches top_p
            if total >= top_p:
                break
            kept[token], total = p[token], total + p[token]
        np.testing.assert_allclose(counts, kept / kept.sum(), atol=0.04)
        assert not counts[kept == 0].any()


def test_stop_texts_end_answers_and_are_no_part_of_them(folder_of):
    for kind in KINDS:
        model = make(folder_of("lm", kind), batch=5)
        whole = model.generate(PROMPTS, Decoding(max_new_tokens=12), range(5))
        stops = tuple({text[4:6] for text in whole if len(text) > 6 and "\ufffd" not in text[4:6]})
        assert stops
        cut = model.generate(PROMPTS, Decoding(max_new_tokens=12, stop=stops), range(5))
        assert cut == [until_stop(text, stops) for text in whole]
        assert any(len(one) < len(other) for one, other in zip(cut, whole, strict=True))
    assert until_stop("one. two! three", ("!", ".")) == "one"
    assert until_end([4, 5, 2, 6], [9, 2]) == [4, 5]
    assert until_end([4, 5], None) == [4, 5]


@torch.inference_mode()
def slow_likelihood(folder, kind, prompt, continuation):
    model, tokenizer = loaded(folder, kind)
    before = tokenizer(prompt)["input_ids"]
    if kind == "t5":
        after, ids = tokenizer(continuation)["input_ids"], torch.tensor([before])
    else:
        whole = tokenizer(prompt + continuation)["input_ids"]
        assert whole[: len(before)] == before, "these pairs have no token across the border"
        after = whole[len(before) :]
    found = []
    for at, token in enumerate(after):
        if kind == "t5":
            logits = model(
                input_ids=ids,
                decoder_input_ids=torch.tensor([[model.config.decoder_start_token_id, *after[:at]]]),
            ).logits[0, -1]
        else:
            logits = model(input_ids=torch.tensor([[*before, *after[:at]]])).logits[0, -1]
        found.append(float(logits.double().log_softmax(-1)[token]))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_log_likelihood_is_that_of_a_slow_loop(folder_of, kind):
    folder = folder_of("lm", kind)
    continuations = [" sat on the mat", " jumps", " no maybe", " yes", " the quick brown fox"]
    found = make(folder, batch=2).log_likelihood(PROMPTS, continuations).numpy()
    assert found.dtype == np.float32
    for row, prompt, continuation in zip(found, PROMPTS, continuations, strict=True):
        wanted = slow_likelihood(folder, kind, prompt, continuation)
        np.testing.assert_allclose(row[: len(wanted)], wanted, rtol=1e-4, atol=1e-5)
        assert np.isnan(row[len(wanted) :]).all()
    assert np.isnan(found).any()


def test_a_token_across_the_border_counts_as_the_continuations(folder_of):
    folder = folder_of("lm", "gpt2")
    tokenizer = hf.AutoTokenizer.from_pretrained(folder)
    whole = tokenizer("the cat")["input_ids"]
    assert len(whole) == 2
    assert make(folder).log_likelihood(["the c"], ["at"]).shape == (1, 1)
    assert make(folder).log_likelihood(["the cat"], [""]).shape == (1, 0)
    # Nothing before it: the mark of a start.
    assert torch.isfinite(make(folder).log_likelihood([""], ["the cat"])).all()


def test_generation_settings_of_the_model_play_no_part_but_its_ends(folder_of, tmp_path):
    import json
    import shutil

    shutil.copytree(folder_of("lm", "gpt2"), tmp_path / "model")
    file = tmp_path / "model" / "generation_config.json"
    file.write_text(
        json.dumps({"do_sample": True, "num_beams": 4, "repetition_penalty": 9.0, "eos_token_id": [0]}),
        encoding="utf-8",
    )
    decoding = Decoding(max_new_tokens=10)
    assert make(tmp_path / "model").generate(PROMPTS, decoding, range(5)) == make(
        folder_of("lm", "gpt2")
    ).generate(PROMPTS, decoding, range(5))
    tokens = slow_greedy(folder_of("lm", "gpt2"), "gpt2", "the cat", 10)
    file.write_text(json.dumps({"eos_token_id": [0, tokens[4]]}), encoding="utf-8")
    shorter = make(tmp_path / "model").generate(["the cat"], decoding, [0])[0]
    assert shorter == hf.AutoTokenizer.from_pretrained(tmp_path / "model").decode(
        tokens[: tokens.index(tokens[4])]
    )


def test_a_chat_template_is_used_only_if_asked_for(folder_of, tmp_path):
    import shutil

    plain = folder_of("lm", "gpt2")
    with pytest.raises(ModelFileError, match=r"no chat template.*Leave chat out"):
        make(plain, chat=True)
    shutil.copytree(plain, tmp_path / "model")
    tokenizer = hf.AutoTokenizer.from_pretrained(plain)
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt"
        " %}model: {% endif %}"
    )
    tokenizer.save_pretrained(tmp_path / "model")
    decoding, filled = Decoding(max_new_tokens=6), "user: the cat\nmodel: "
    assert make(tmp_path / "model", chat=True).generate(["the cat"], decoding, [0]) == make(plain).generate(
        [filled], decoding, [0]
    )
    assert make(tmp_path / "model").generate(["the cat"], decoding, [0]) == make(plain).generate(
        ["the cat"], decoding, [0]
    )
    chat = make(tmp_path / "model", chat=True).log_likelihood(["the cat"], ["yes"])
    torch.testing.assert_close(chat, make(plain).log_likelihood([filled], ["yes"]))


def test_what_does_not_fit_is_refused(folder_of):
    model = make(folder_of("lm", "gpt2"))
    long = "the quick brown fox " * 20
    message = (
        r"prompt 1: the text 'the quick brown fox .*\.\.\.' has \d+ tokens and 8 more are asked for, and the"
        r" context holds 64"
    )
    with pytest.raises(DataError, match=message):
        model.generate(["yes", long], Decoding(max_new_tokens=8), [0, 1])
    with pytest.raises(DataError, match="context holds 64"):
        model.log_likelihood([long], ["yes"])
    with pytest.raises(ValueError, match="seeds for"):
        model.generate(["yes"], Decoding(), [0, 1])
    with pytest.raises(ValueError, match="max_new_tokens is at least 1"):
        model.generate(["yes"], Decoding(max_new_tokens=0), [0])
    assert model.generate([], Decoding(), []) == []


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_pooled_last_hidden_states(folder_of, texts, encoded, apart, kind):
    folder = folder_of("lm", kind)
    model, tokenizer = loaded(folder, kind)
    inner = model.get_encoder() if kind == "t5" else model.base_model
    with torch.inference_mode():
        rows = [
            inner(input_ids=tokenizer(text, return_tensors="pt")["input_ids"]).last_hidden_state[0]
            for text in texts
        ]
    for pooling, wanted in (
        ("mean", torch.stack([row.mean(0) for row in rows])),
        ("last", torch.stack([row[-1] for row in rows])),
    ):
        backbone = make(folder, pooling=pooling)
        assert apart(encoded(backbone, texts), wanted) <= 1e-3
        half = LanguageModel(LanguageConfig(weights=folder, pooling=pooling), Runtime(dtype="bfloat16"))
        assert apart(encoded(half, texts), wanted) <= 5e-2
        assert next(half.module.parameters()).dtype == torch.bfloat16
        assert backbone.text_tower is backbone
