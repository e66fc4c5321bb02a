"""A second, slow and obvious implementation of the method.

Loops over rows, dictionaries of plain arrays, numpy in float64.
"""

from __future__ import annotations

import math

import numpy as np


def unit(x: np.ndarray) -> np.ndarray:
    """Return a vector of length 1."""
    return x / math.sqrt(sum(float(v) ** 2 for v in x))


def cosine_logits(rows: np.ndarray, columns: np.ndarray, scale: float) -> np.ndarray:
    """Return scale * cos of every pair, one at a time."""
    return np.array([[scale * float(unit(r) @ unit(c)) for c in columns] for r in rows])


def softmax(x: np.ndarray) -> np.ndarray:
    """Return the softmax of a vector."""
    e = np.exp(x - x.max())
    return e / e.sum()


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return the layer norm of one token."""
    return (x - x.mean()) / math.sqrt(float(x.var()) + 1e-5) * weight + bias


def attention(tokens: np.ndarray, may: np.ndarray, p: dict[str, np.ndarray], heads: int) -> np.ndarray:
    """Return LN(x) + rho MHA(LN(x)) token by token and head by head.

    `may[i, j]`: token i attends to token j.
    """
    x = np.array([layer_norm(token, p["norm.weight"], p["norm.bias"]) for token in tokens])
    d = x.shape[1]
    size = d // heads
    q, k, v = (
        x @ p["qkv.weight"][part * d : (part + 1) * d].T + p["qkv.bias"][part * d : (part + 1) * d]
        for part in range(3)
    )
    out = np.empty_like(x)
    for i in range(len(x)):
        others = [j for j in range(len(x)) if may[i, j]]
        joined = []
        for h in range(heads):
            own = slice(h * size, (h + 1) * size)
            weights = softmax(np.array([float(q[i, own] @ k[j, own]) / math.sqrt(size) for j in others]))
            joined.append(sum(w * v[j, own] for w, j in zip(weights, others, strict=True)))
        out[i] = x[i] + float(p["rho"]) * (p["out.weight"] @ np.concatenate(joined) + p["out.bias"])
    return out


def may_attend(mask: str, items: int, classes: int, text_self: bool) -> np.ndarray:
    """Return who may attend to whom, asked pair by pair."""
    size = items + 2 * classes
    kind = ["item"] * items + ["prototype"] * classes + ["text"] * classes

    def may(i: int, j: int) -> bool:
        if mask == "queries":
            return kind[j] != "item" or i == j
        if mask == "in-visual":
            return kind[i] == "text" or kind[j] == "text" or i == j
        if mask == "in-text":
            return kind[i] != "text" or kind[j] != "text" or (i == j and not text_self)
        if mask == "between":
            return (kind[i] == "text") == (kind[j] == "text")
        return True

    return np.array([[may(i, j) for j in range(size)] for i in range(size)])


def similarities(v, u, t, p, heads, scale, kappa, mask, text_self=False):
    """Return Z0, Zvt, Zvv of the items and prototypes."""
    v, u, t = v @ p["project_items"], u @ p["project_items"], t @ p["project_texts"]
    b, c = len(v), len(u)
    own = {name.removeprefix("attention."): value for name, value in p.items()}
    fused = attention(np.concatenate([v, u, t]), may_attend(mask, b, c, text_self), own, heads)
    rows, prototypes, texts = fused[: b + c], fused[b : b + c], fused[b + c :]
    before = cosine_logits(np.concatenate([v, u]), t, scale)
    return before, cosine_logits(rows, texts, scale), cosine_logits(rows, prototypes, kappa * scale)


def cla(logits, targets, counts, weights, tau=1.0):
    """Return the compensating logit-adjusted loss, row by row."""
    total = sum(float(n) + 1 for n in counts)
    pi = [(float(n) + 1) / total for n in counts]
    adjusted = [np.array([z + tau * math.log(q) for z, q in zip(row, pi, strict=True)]) for row in logits]
    losses = [-math.log(softmax(row)[y]) for row, y in zip(adjusted, targets, strict=True)]
    return sum(w * value for w, value in zip(weights, losses, strict=True)) / sum(weights)
