"""The contract kit on everything this plugin offers."""

import numpy as np

from burnish.testing import (
    AssessorContract,
    BackboneContract,
    CorruptorContract,
    EvaluatorContract,
    LossContract,
    SourceContract,
    SummaryContract,
    TunerContract,
    missing_contracts,
)
from burnish.testing.data import blobs, payloads

BOTH = ("labels", "multi-labels")
QUICK = {"epochs": 30, "lr": 0.02}


# -- losses --------------------------------------------------------------------------------------------------


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


class TestCrossEntropy(LossContract):
    plugin, name = "basics", "ce"

    def reference(self, logits, labels):
        return [-np.log(p[y]) for p, y in zip(softmax(logits), labels, strict=True)]


class TestLabelSmoothing(LossContract):
    plugin, name = "basics", "label-smoothing"

    def reference(self, logits, labels):
        rows = zip(softmax(logits), labels, strict=True)
        return [-sum((0.1 / len(p) + 0.9 * (k == y)) * np.log(p[k]) for k in range(len(p))) for p, y in rows]


class TestGCE(LossContract):
    plugin, name = "basics", "gce"

    def reference(self, logits, labels):
        return [(1 - p[y] ** 0.7) / 0.7 for p, y in zip(softmax(logits), labels, strict=True)]


class TestGCEIsCrossEntropyAt0(LossContract):
    plugin, name, example = "basics", "gce", {"q": 0}

    def reference(self, logits, labels):
        return [-np.log(p[y]) for p, y in zip(softmax(logits), labels, strict=True)]


class TestSCE(LossContract):
    plugin, name = "basics", "sce"

    def reference(self, logits, labels):
        rows = zip(softmax(logits), labels, strict=True)
        return [-0.1 * np.log(p[y]) - sum(p[k] * -4 for k in range(len(p)) if k != y) for p, y in rows]


class TestFocal(LossContract):
    plugin, name = "basics", "focal"

    def reference(self, logits, labels):
        return [-((1 - p[y]) ** 2) * np.log(p[y]) for p, y in zip(softmax(logits), labels, strict=True)]


class TestBCE(LossContract):
    plugin, name = "basics", "bce"

    def reference(self, logits, labels):
        p = 1 / (1 + np.exp(-logits))
        return np.mean(-labels * np.log(p) - (1 - labels) * np.log(1 - p), axis=1)


# -- tuners --------------------------------------------------------------------------------------------------


class TestNothing(TunerContract):
    plugin, name, learns = "basics", "nothing", False


class TestZeroShot(TunerContract):
    plugin, name, needs_labels = "basics", "zero-shot", False


class TestNearestClassMean(TunerContract):
    plugin, name = "basics", "nearest-class-mean"


class TestNearestClassMeanByCosine(TunerContract):
    plugin, name, example = "basics", "nearest-class-mean", {"metric": "cosine"}


class TestLinear(TunerContract):
    plugin, name, example = "basics", "linear", QUICK


class TestRidge(TunerContract):
    plugin, name = "basics", "ridge"


class TestMLP(TunerContract):
    plugin, name, example = "basics", "mlp", QUICK


class TestKNN(TunerContract):
    plugin, name = "basics", "knn"


# -- noise ---------------------------------------------------------------------------------------------------


class TestNone(CorruptorContract):
    plugin, name, rate = "basics", "none", ""


class TestSymmetric(CorruptorContract):
    plugin, name, example = "basics", "symmetric", {"rate": 0.3}


class TestSymmetricOverAllClasses(CorruptorContract):
    plugin, name, example = "basics", "symmetric", {"rate": 0.3, "exclude_true": False}
    reads_labels = True  # which draws land on the item's own class

    def expected_rate(self, rate):
        return rate * (1 - 1 / self.classes)


class TestPair(CorruptorContract):
    plugin, name, example = "basics", "pair", {"rate": 0.3}


class TestAsymmetric(CorruptorContract):
    plugin, name, example = "basics", "asymmetric", {"rate": 0.3, "transitions": ["a>b", "b>c", "c>d", "d>a"]}
    reads_labels = True


class TestInstanceDependent(CorruptorContract):
    plugin, name, example = "basics", "instance-dependent", {"rate": 0.3}


class TestMissing(CorruptorContract):
    plugin, name, example = "basics", "missing", {"rate": 0.3}


class TestLongTail(CorruptorContract):
    plugin, name, example, rate = "basics", "long-tail", {"ratio": 10}, ""
    reads_labels = True


class TestFewShot(CorruptorContract):
    plugin, name, example, rate = "basics", "few-shot", {"shots": 5}, ""
    reads_labels = True


class TestNewClasses(CorruptorContract):
    plugin, name, rate = "basics", "new-classes", ""
    reads_labels, draws = True, False


class TestConfidentJoint(AssessorContract):
    plugin, name = "basics", "confident-joint"


# -- evaluators ----------------------------------------------------------------------------------------------


class TestAccuracy(EvaluatorContract):
    plugin, name, targets, best = "basics", "accuracy", BOTH, {"accuracy": 1.0}


class TestBalancedAccuracy(EvaluatorContract):
    plugin, name, targets, best = "basics", "balanced-accuracy", BOTH, {"balanced-accuracy": 1.0}


class TestPerClass(EvaluatorContract):
    plugin, name, targets = "basics", "per-class", BOTH


class TestWorst(EvaluatorContract):
    plugin, name, targets, best = "basics", "worst", BOTH, {"worst-1": 1.0}


class TestMacroF1(EvaluatorContract):
    plugin, name, targets, best = "basics", "macro-f1", BOTH, {"macro-f1": 1.0}


class TestMeanAveragePrecision(EvaluatorContract):
    plugin, name, targets, best = "basics", "mean-average-precision", BOTH, {"mean-average-precision": 1.0}


class TestECE(EvaluatorContract):
    plugin, name, targets = "basics", "ece", BOTH


class TestNLL(EvaluatorContract):
    plugin, name, targets = "basics", "nll", BOTH


class TestGroups(EvaluatorContract):
    plugin, name, targets, example = "basics", "groups", BOTH, {"many": 22, "few": 20}


class TestDetection(EvaluatorContract):
    plugin, name = "basics", "detection"
    best = {"detection-precision": 1.0, "detection-recall": 1.0, "detection-f1": 1.0, "detection-auroc": 1.0}


# -- data ----------------------------------------------------------------------------------------------------


class TestFeatures(BackboneContract):
    plugin, name = "basics", "features"


class TestDigits(SourceContract):
    plugin, name = "basics", "digits"


class TestDigitsAsFeatures(SourceContract):
    plugin, name, example = "basics", "digits", {"features": True}


class TestFolder(SourceContract):
    plugin, name = "basics", "folder"

    def options(self, folder):
        for number, image in enumerate(payloads("image", 12)):
            file = folder / "photos" / ("train", "test")[number % 3 == 0] / "ab"[number % 2] / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(image)
        return {"path": str(folder / "photos")}


class TestCsv(SourceContract):
    plugin, name = "basics", "csv"

    def options(self, folder):
        rows = [
            f'"{text}",{"good" if number % 2 else "bad"},{number // 2}'
            for number, text in enumerate(payloads("text", 20))
        ]
        (folder / "reviews.csv").write_text("\n".join(["text,label,group", *rows]), encoding="utf-8")
        return {"path": str(folder / "reviews.csv"), "group": "group"}


class TestCsvOfMultiLabels(SourceContract):
    plugin, name = "basics", "csv"

    def options(self, folder):
        rows = [
            f'"{text}",{("red|blue", "red", "blue|green")[number % 3]}'
            for number, text in enumerate(payloads("text", 20))
        ]
        (folder / "many.csv").write_text("\n".join(["text,label", *rows]), encoding="utf-8")
        return {"path": str(folder / "many.csv")}


class TestNpz(SourceContract):
    plugin, name = "basics", "npz"

    def options(self, folder):
        x, y = blobs(40)
        np.savez(folder / "rows.npz", x=x, y=y)
        return {"path": str(folder / "rows.npz")}


class TestRank(SummaryContract):
    plugin, name = "basics", "rank"


def test_everything_it_offers_has_a_contract():
    assert missing_contracts("basics", globals()) == []
