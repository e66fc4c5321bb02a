"""The targets of the plugin `faulty`."""

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import log_softmax

from burnish.blocks import HeadTuner, Lease, one_hot
from burnish.contracts.evaluator import Measure, Measures, Table, Terms
from burnish.contracts.loss import LossValue
from burnish.contracts.noise import Assessment, Corruption
from burnish.contracts.scores import Scores
from burnish.contracts.source import NewItem
from burnish.contracts.tuner import Adapted
from burnish.data import Classes, Dataset, Labels, content_id
from burnish.errors import DataError, FitError, ModelFileError
from burnish.testing.data import Rows, blobs


class Faulty:
    def __init__(self, config, *further):
        self.config, self.fault, self.further = config, config.fault, further


class Loss(Faulty):
    @property
    def accepts(self):
        return ["hard"] if self.fault == "a list" else frozenset({"hard", "soft", "multi"})

    def memory(self, n, classes):
        return {"seen": torch.zeros(n)} if self.fault in {"memory", "forgets"} else {}

    def __call__(self, x, rows):
        return LossValue(
            self._values(x), per="class" if self.fault == "wrong per" else "example"
        ), {} if self.fault == "forgets" else rows

    def _values(self, x):
        p = log_softmax(x.logits, -1)
        if self.fault == "underflow":
            p = torch.softmax(x.logits, -1).log()
        if x.targets.multi is not None:
            entries = torch.nn.functional.binary_cross_entropy_with_logits(
                x.logits, x.targets.multi.to(x.logits.dtype), reduction="none"
            )
            return entries.mean(-1) if self.fault == "unobserved" else (entries * x.targets.observed).sum(-1)
        soft = x.targets.soft
        if x.targets.hard is not None:
            soft = one_hot(x.targets.hard, x.logits.shape[-1]).to(x.logits.dtype)
            soft = soft * 0.9 if self.fault == "hard is not soft" else soft
        values = -(soft * p).nan_to_num(neginf=-torch.inf).sum(-1)
        match self.fault:
            case "reduces":
                return values.mean()
            case "order":
                return values * torch.arange(1.0, len(values) + 1)
            case "branches":
                return values * 2 if float(values.detach().sum()) > 8 else values
            case "detached":
                return (
                    values
                    + x.logits.detach().square().sum(-1)
                    - x.logits.square().sum(-1).detach()
                    + p.detach()[..., 0] * p[..., 0].exp()
                )
            case "random":
                return values * torch.rand(())
            case "writes":
                x.logits.data.mul_(0.5)
        return values


class Means(Faulty):
    """Nearest class mean."""

    def fit(self, task):
        if not isinstance(task.supervision, Labels) and self.fault != "assumes labels":
            raise FitError("these are no labels")
        x = task.features("train")[:, 0]
        if self.fault == "asks":
            with contextlib.suppress(Exception):
                task.features("test")
        y = task.supervision.y[task.splits["train"].index]
        if self.fault == "peeks":
            x = x + task.supervision.y.sum()
        if not (y >= 0).any() and self.fault != "learns from nothing":
            raise FitError("no training item has a label")
        if self.fault == "needs all classes" and len(np.unique(y[y >= 0])) < len(task.classes):
            raise IndexError("a class is missing")
        if self.fault == "writes":
            Path("model.bin").write_text("x")
        known = [c for c in range(len(task.classes)) if (y == c).any()]
        means = np.full((len(task.classes), x.shape[1]), 1e3, dtype=np.float32)
        for c in known:
            means[c] = x[y == c].mean(0)
        if self.fault == "random":
            means += np.random.rand(*means.shape) * 1e-3
        if self.fault == "own random":
            means += np.random.default_rng().random(means.shape).astype(np.float32) * 1e-3
        if self.fault == "guesses":
            means = means[::-1].copy()
        return Predicts(self, torch.from_numpy(means), task.classes)

    def restore(self, state, info, classes):
        if self.fault != "trusts":
            means = state.get("means")
            fine = (
                set(state) == {"means"}
                and means.ndim == 2
                and means.dtype == torch.float32
                and len(means) == len(classes)
            )
            if not (fine and torch.isfinite(means).all()) or "dim" not in info:
                raise ModelFileError("this is no state of class means")
        return Predicts(self, torch.zeros(3, 6) if self.fault == "forgets" else state["means"], classes)


class Predicts:
    def __init__(self, tuner, means, classes):
        self.tuner, self.means, self.classes = tuner, means, classes

    def predict(self, features):
        if self.tuner.fault == "changes features":
            features += 1
        x = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32))
        if self.tuner.fault == "batch" and len(x):
            x = x - x.mean(0)
        values = -(x[:, None] - self.means[None]).square().sum(-1).numpy()
        return Scores(
            "logits", values.astype(np.float64) if self.tuner.fault == "float64" else values, self.classes
        )

    def embed(self, features):
        return None

    def state(self):
        return {"means": self.means}

    def info(self):
        return {"dim": int(self.means.shape[1])}


class Trained(HeadTuner):
    made = 0

    def build(self, dim, classes):
        head = torch.nn.Linear(dim, classes)
        if self.config.fault == "counts its fits":
            Trained.made += 1
            torch.nn.init.constant_(head.bias, Trained.made)
        return head


class Inside(Means):
    """Nearest class mean of the features of a backbone whose last block is scaled while it is on loan."""

    def fit(self, task):
        towers = task.backbone()
        block = towers.sites.blocks[-1].name
        with Lease(towers.module) as lease:
            lease.after("double", block, torch.nn.Identity())
            task.run.progress(0, 1)
            if self.fault == "changes weights":
                with torch.no_grad():
                    towers.module.get_parameter(f"{block}.norm1.weight").add_(1.0)
        if self.fault == "leaves a hook":
            towers.module.get_submodule(block).register_forward_hook(lambda module, args, out: out)
        made = super().fit(task)
        return Adapts(self, made.means, task.classes)

    def restore(self, state, info, classes):
        return Adapts(self, super().restore(state, info, classes).means, classes)


class Adapts(Predicts, Adapted):
    @contextlib.contextmanager
    def adapt(self, backbone):
        with Lease(backbone.module) as lease:
            lease.after("double", backbone.sites.blocks[-1].name, torch.nn.Identity())
            yield backbone
        if self.tuner.fault == "adapts for good":
            with torch.no_grad():
                backbone.module.get_parameter("places").mul_(2)


class Flip(Faulty):
    @property
    def roles(self):
        return frozenset({"train", "test"}) if self.fault == "test" else frozenset({"train"})

    def corrupt(self, clean):
        if not isinstance(clean.supervision, Labels):
            raise DataError("not labels") if self.fault != "crashes" else TypeError("not labels")
        if len(clean.classes) < 2:
            raise DataError("one class")
        y, index = clean.supervision.y.copy(), clean.index
        known = index[y[index] >= 0] if self.fault != "labels the unknown" else index
        u = clean.uniforms(2)[y[index] >= 0] if self.fault != "labels the unknown" else clean.uniforms(2)
        draw = u[:, 0]
        rate = self.config.rate
        if self.fault == "random":
            draw = np.random.rand(len(known))
        if self.fault == "fixed":
            draw = np.arange(len(known)) / len(known)
        if self.fault == "not nested":
            draw = (draw + rate) % 1
        if self.fault == "reads labels":
            draw = (draw + y[known] / 4) % 1
        hit = known[
            np.argsort(draw, kind="stable")[
                : round((0.5 * rate if self.fault == "half" else rate) * len(known))
            ]
        ]
        if self.fault == "always one":
            hit = known[: max(1, len(hit))]
        if self.fault == "outside":
            hit = np.append(hit, np.setdiff1d(np.arange(len(y)), index)[:1])
        if self.fault == "in place":
            clean.supervision.y.setflags(write=True)
            clean.supervision.y[hit] = (clean.supervision.y[hit] + 1) % len(clean.classes)
        before = clean.supervision.y
        y[hit] = (y[hit] + 1) % (len(clean.classes) + (self.fault == "range"))
        changed = np.zeros(len(y), dtype=bool) if self.fault == "silent" else y != before
        return Corruption(
            replace(clean.supervision, y=y),
            index[::-1].copy() if self.fault == "backwards" else index,
            changed,
        )


class Judge(Faulty):
    def assess(self, evidence):
        m = len(evidence.index)
        y = evidence.supervision.y.clip(0)
        clean = evidence.probabilities[np.arange(m), y].astype(np.float64)
        index = evidence.index
        match self.fault:
            case "rows":
                index = np.arange(m)
            case "guesses":
                clean = 1 - clean
            case "random":
                clean = clean + np.random.rand(m) * 1e-3
            case "own random":
                clean = clean + np.random.default_rng().random(m) * 1e-3
            case "not finite":
                clean[0] = np.nan
            case "writes":
                evidence.probabilities[:] = 0
            case "writes files":
                Path("assessment.txt").write_text("x")
            case "crashes" if len(evidence.classes) == 1:
                raise IndexError("one class")
        return Assessment(index, clean_probability=clean, keep=clean if self.fault == "keep" else clean > 0.2)


class Right(Faulty):
    def measure(self, outcome):
        return Measures(
            tuple(
                self._of(outcome, split)
                for split in (["validation"] if self.fault == "other split" else outcome.splits)
            )
        )

    def _of(self, outcome, split):
        asked, split = ("test", split) if self.fault == "other split" else (split, split)
        targets = outcome.targets(asked)
        if not isinstance(targets, Labels):
            raise DataError("not labels") if self.fault != "crashes" else TypeError("not labels")
        right = (outcome.scores(asked).top() == targets.y).astype(float)
        value = float(right.mean())
        units, row = np.unique(outcome.units(asked), return_inverse=True)
        terms = Terms(units, np.bincount(row, weights=right), np.bincount(row).astype(float))
        match self.fault:
            case "numpy":
                value = np.float64(value)
            case "order":
                value = float((right * np.linspace(0, 1, len(right))).mean())
            case "percent":
                value = 100 * value
            case "random":
                value = float(value * np.random.rand())
            case "upside down":
                value = 1 - value
            case "nan":
                value = float("nan")
            case "terms":
                terms = Terms(units, terms.numerator + 0.1, terms.denominator)
        if self.fault in {"order", "percent", "random", "upside down", "nan"}:
            terms = None
        name = "wrong" if self.fault == "another name" else "right"
        return Measure(name, split, value, n=len(right), terms=terms)


class Best(Faulty):
    def summarise(self, study):
        if not study.rows and self.fault == "crashes":
            raise IndexError("no row")
        names = [row.axes["tuner"] for row in study.rows]
        values = [float(row.values["accuracy", "test"][0]) for row in study.rows]
        values = [value + np.random.rand() for value in values] if self.fault == "random" else values
        values = values[1:] if self.fault == "uneven" else values
        table = Table("best", "test", {"tuner": names, "value": values})
        scalars = (Measure("best", "test", 1.0),) if self.fault == "scalars" else ()
        return Measures(scalars, () if self.fault == "nothing" else (table,))


class Project(Faulty):
    modality, views = "features", False

    def __init__(self, config, runtime):
        super().__init__(config, runtime)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.network = (
                torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.BatchNorm1d(5))
                .eval()
                .requires_grad_(False)
            )
        self.dim = 4 if self.fault == "dim" else 5
        if self.fault == "views":
            self.views = True
        if self.fault == "trains":
            self.network.train()
        if self.fault == "wants gradients":
            self.network.requires_grad_(True)

    def prepare(self, items, view, ids):
        if self.fault == "loses a row":
            items = items[:-1] or items
        return {"x": np.stack([item.payload for item in items])}

    def encode(self, inputs):
        x = torch.from_numpy(inputs["x"])
        if self.fault == "changes weights":
            self.network[0].weight.data += 0.1
        if self.fault == "leaves a mess":
            kept = self.network[0].weight.data.clone()
            self.network[0].weight.data += 0.1
            features = self.network(x)
            self.network[0].weight.data = kept
            return features
        features = self.network(x)
        match self.fault:
            case "float64":
                return features.double()
            case "batch":
                return features - features.mean(0) if len(features) else features
            case "random":
                return features + torch.rand(())
        return features


class Made(Faulty):
    loads = 0

    def load(self):
        x, y = blobs(40)
        if self.fault == "changes":
            Made.loads += 1
            x = x + np.float32(Made.loads)
        ids = [content_id("text" if self.fault == "ids" else "features", row) for row in x]
        columns = {"group": np.arange(40)} if self.fault == "hides groups" else {}
        splits = ["train" if i % 2 else "test" for i in range(40)] if self.fault == "straddles" else None
        if self.fault == "straddles":
            columns = {"group": np.zeros(40)}
        reader = (
            Once(x)
            if self.fault == "reads once"
            else Rows(x.astype(np.float64) if self.fault == "float64" else x)
        )
        made = Dataset.build(
            name="made",
            modality="features",
            ids=ids,
            classes=Classes.of("abc"),
            supervision=Labels(y=y),
            reader=reader,
            columns=columns,
            splits=splits,
        )
        if self.fault == "order":
            return replace(made, ids=made.ids[::-1].copy(), rows=made.rows[::-1].copy())
        if self.fault == "overlap":
            return replace(made, assigned={"train": np.arange(30), "test": np.arange(25, 40)})
        return made

    def items(self, modality, column=""):
        if modality != "features" and self.fault != "any modality":
            raise DataError(f"its items are features, and {modality} is wanted")
        x, _ = blobs(40)
        for number, row in enumerate(x + np.float32(self.fault == "other items"), start=1):
            yield NewItem(str(number), lambda row=row: row)


class Once:
    def __init__(self, x):
        self.x, self.reads = x, 0

    def read(self, row):
        self.reads += 1
        return self.x[row] + np.float32(self.reads)
