"""The tuner: its objective, its variants, its control, and training in a stack.

The objective is held against golden values and a plain second implementation.
"""

import dataclasses

import numpy as np
import pytest
import torch

from burnish.blocks import Batch, Fit, HeadJob, Outputs
from burnish.contracts.loss import Targets
from burnish.contracts.tuner import Run
from burnish.data import Classes
from burnish.heads.modules import MLPHead
from burnish.heads.stacked import fit_heads, signature
from burnish.testing.stand_ins import CrossEntropy
from burnish_nmtune import NMTuneConfig, views
from burnish_nmtune.nmtune import NMTune

NAMES = ["loss", "mse", "cov", "svd"]


def pattern(n, d, a, b):
    k = np.arange(1, n * d + 1, dtype=np.float64).reshape(n, d)
    return torch.from_numpy(np.sin(0.37 * a * k**2 + b))


F, Z, W, Y = (
    pattern(6, 4, 1, 0),
    pattern(6, 4, 0.7, 0.3),
    pattern(3, 4, 0.4, 0.1),
    torch.tensor([0, 1, 2, 0, 1, 2]),
)


def terms_of(tuner, x, z, y, number_of_views=1):
    """Return {name: (weight, value)} of the objective for embeddings z of features x."""
    every = torch.ones(len(x), dtype=torch.bool)
    index = torch.arange(len(x))
    batch = Batch(x, Targets(hard=y), every.float(), index, every, every, number_of_views)
    constants = {
        name: torch.tensor(float(getattr(tuner.config, name)), dtype=x.dtype) for name in tuner.constants
    }

    def loss(out, batch):
        return torch.nn.functional.cross_entropy(out.logits, batch.targets.hard)

    fit = Fit(constants, {}, torch.ones(3), torch.tensor(0.0), loss, Outputs)
    return {
        t.name: (float(t.weight), t.value.item())
        for t in tuner.objective(Outputs(z @ W.to(z.dtype).T, z), batch, fit)
    }


def total(terms):
    return sum(weight * value for weight, value in terms.values())


def test_golden_values_of_the_paper_variant():
    terms = terms_of(NMTune(NMTuneConfig()), F, Z, Y)
    assert list(terms) == NAMES
    assert [weight for weight, _ in terms.values()] == pytest.approx([1, 0.01, 0.01, 0.01])
    assert [value for _, value in terms.values()] == pytest.approx(
        [0.90007662, 1.86382734, 0.01865310, -0.42113145], abs=1e-8
    )
    assert total(terms) == pytest.approx(0.91469011, abs=1e-8)


def test_golden_values_of_the_released_variant():
    # Two identical views: every term but the decompositions' shape is that of one view; only values can be
    # compared.
    twice = terms_of(NMTune(NMTuneConfig(variant="released")), F.repeat(2, 1), Z.repeat(2, 1), Y.repeat(2), 2)
    assert [weight for weight, _ in twice.values()] == pytest.approx([1, 1, 0.04, 0.001])
    assert twice["loss"][1] == pytest.approx(0.90007662, abs=1e-8)
    assert twice["mse"][1] == pytest.approx(0.46595684, abs=1e-8)
    assert twice["svd"][1] == pytest.approx(-0.25, abs=1e-12)
    # The covariance of 2 B rows that come twice is that of B rows times (2 B - 2) / (2 B - 1).
    assert twice["cov"][1] == pytest.approx(0.01865310 * (10 / 11) ** 2, abs=1e-8)
    by_hand = 0.90007662 + 0.46595684 + 0.04 * 0.01865310 + 0.001 * -0.25
    assert by_hand == pytest.approx(1.36652958, abs=1e-8)


def test_released_variant_on_two_different_views():
    f, z, y = pattern(12, 4, 1, 0), pattern(12, 4, 0.7, 0.3), Y.repeat(2)
    found = terms_of(NMTune(NMTuneConfig(variant="released")), f, z, y, 2)
    w, s = f[:6].numpy(), z[6:].numpy()
    unit = [m / np.linalg.norm(m, axis=1, keepdims=True) for m in (w, s)]
    sigma = np.linalg.svd(z.numpy(), compute_uv=False)
    centred = z.numpy() - z.numpy().mean(0)
    c = centred.T @ centred / 11
    logits = (z @ W.T).numpy()
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    expected = {
        "loss": -log_p[np.arange(12), y.numpy()].mean(),
        "mse": ((unit[0] - unit[1]) ** 2).mean(),
        "cov": (np.sum(c**2) - np.sum(np.diag(c) ** 2)) / 4,
        "svd": -(sigma / sigma.sum())[:5].mean(),
    }
    assert {name: value for name, (_, value) in found.items()} == pytest.approx(expected)


def test_weights_of_one_own_stand_beside_those_of_the_variant():
    config = NMTune(NMTuneConfig(variant="released", lam=0.5, w_cov=0.0)).config
    assert (config.lam, config.w_mse, config.w_cov, config.w_svd) == (0.5, 1.0, 0.0, 0.001)


def test_views():
    for variant, number in (("paper", 1), ("released", 2)):
        assert views(NMTuneConfig(variant=variant)) == NMTune(NMTuneConfig(variant=variant)).views == number


def job(tuner, replicate=0, n=150, dim=16, number_of_views=1):
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(3, dim)) * 1.5
    y = rng.integers(0, 3, n)
    x = np.maximum(centres[y][:, None] + rng.normal(size=(n, number_of_views, dim)) + 0.5, 0).astype(
        np.float32
    )
    return (
        HeadJob(
            tuner,
            CrossEntropy(),
            x,
            np.arange(n),
            {"hard": y},
            np.ones(n, np.float32),
            Classes.of(["a", "b", "c"]),
            seed=replicate,
            order=replicate,
            generator=np.random.default_rng(replicate),
        ),
        x,
        y,
    )


SHORT = {"epochs": 3, "batch": 32}


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_it_learns(variant):
    tuner = NMTune(NMTuneConfig(variant=variant, epochs=15, batch=32, lr=3e-3))
    trial, x, y = job(tuner, number_of_views=tuner.views)
    (result,) = fit_heads([trial], Run())
    assert result.error == ""
    assert (result.predictor.predict(x[:, 0]).top() == y).mean() > 0.8
    assert result.predictor.embed(x[:, 0]).shape == (len(y), 16)


def test_trials_that_differ_in_constants_share_a_stack_and_get_the_bits_they_get_alone():
    configs = [
        NMTuneConfig(**SHORT),
        NMTuneConfig(lam=0.1, w_svd=0.0, lr=3e-3, **SHORT),
        NMTuneConfig(w_cov=5.0, **SHORT),
    ]
    jobs = [job(NMTune(config), replicate)[0] for replicate, config in enumerate(configs)]
    jobs = [dataclasses.replace(j, features=jobs[0].features) for j in jobs]
    assert len({signature(j) for j in jobs}) == 1
    assert signature(job(NMTune(NMTuneConfig(ratio=2, **SHORT)))[0]) != signature(jobs[0])
    together = fit_heads(jobs, Run())
    for trial, stacked in zip(jobs, together, strict=True):
        (alone,) = fit_heads([trial], Run())
        for name, tensor in alone.predictor.state().items():
            assert torch.equal(tensor, stacked.predictor.state()[name]), name


def test_lambda_0_is_the_plain_mlp():
    class Plain(NMTune):
        constants = ()

        def objective(self, out, batch, fit):
            return super(NMTune, self).objective(out, batch, fit)

    (control,) = fit_heads([job(Plain(NMTuneConfig(**SHORT)))[0]], Run())
    (ours,) = fit_heads([job(NMTune(NMTuneConfig(lam=0.0, **SHORT)))[0]], Run())
    for name, tensor in control.predictor.state().items():
        assert torch.equal(tensor, ours.predictor.state()[name]), name


def test_a_step_against_torch_and_full_decompositions():
    """Ten steps of the stacked trainer against torch's own AdamW on the same batches.

    The latter uses `torch.linalg.svd` and the D x D matrix.
    """
    from burnish.heads.batches import batch_rows

    config = NMTuneConfig(epochs=2, batch=32, lam=1.0, schedule="constant")
    trial, x, y = job(NMTune(config))
    (result,) = fit_heads([trial], Run())
    with torch.random.fork_rng():
        torch.manual_seed(trial.seed)
        net = MLPHead(16, 3)
    optimiser = torch.optim.AdamW(net.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    for epoch in range(2):
        batches = torch.from_numpy(batch_rows(len(y), 32, trial.order, epoch))
        for number, rows in enumerate(batches):
            f, labels = torch.from_numpy(x[:, 0])[rows], torch.from_numpy(y)[rows]
            own = len(y) - number * 32  # the last batch is completed with rows that the loss leaves out
            out = net(f)
            z = out.embeddings
            sigma = torch.linalg.svd(z, full_matrices=False)[1]
            c = torch.cov(z.T)
            objective = (
                torch.nn.functional.cross_entropy(out.logits[:own], labels[:own])
                + (torch.nn.functional.normalize(f) - torch.nn.functional.normalize(z)).square().sum(1).mean()
                + (c.square().sum() - c.diagonal().square().sum()) / 16
                - sigma[0] / sigma.sum()
            )
            optimiser.zero_grad()
            objective.backward()
            optimiser.step()
    # Normalisation takes the first bias out again: its gradient is rounding, which AdamW blows up to whole
    # steps.
    compared = [
        name for name in net.state_dict() if name not in ("body.mlp.0.bias", "body.mlp.1.running_mean")
    ]
    for name in compared:
        tensor = net.state_dict()[name]
        assert torch.allclose(result.predictor.state()[name].to(tensor.dtype), tensor, atol=2e-5), name
