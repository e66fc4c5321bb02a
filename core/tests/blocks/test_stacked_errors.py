"""Tuners that cannot be trained in a stack: what an author is told, and where."""

import pytest

from burnish.blocks import Term
from burnish.contracts.tuner import Run
from burnish.errors import FitError
from burnish.heads.stacked import fit_heads

RUN = Run()


def test_code_that_cannot_be_stacked_is_named_with_its_line(heads):
    class Branching(heads.Linear):
        def objective(self, out, batch, fit):
            loss = fit.loss(out, batch)
            if loss > 0:  # the culprit
                loss = loss * 2
            return [Term("loss", 1.0, loss)]

    with pytest.raises(FitError) as caught:
        fit_heads(heads.jobs(2, Branching), RUN)
    text = str(caught.value)
    assert text.startswith("test_stacked_errors.py, line ")
    assert "if loss > 0:" in text
    assert "Branching cannot be trained" in text


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("build", "BadTuner cannot build a head for 12 features and 4 classes: no such width"),
        ("prepare", "BadTuner cannot prepare: no such width"),
    ],
)
def test_errors_of_an_authors_code_are_named_with_their_line(heads, method, message):
    def bad(self, *arguments):
        raise KeyError("no such width")

    tuner = type("BadTuner", (heads.Linear,), {method: bad})
    (result,) = fit_heads(heads.jobs(1, tuner), RUN)
    assert message.replace("no such width", "'no such width'") in result.error
    assert result.error.startswith("test_stacked_errors.py, line ")


def test_more_views_than_there_are_is_refused(heads):
    tuner = type("Two", (heads.Linear,), {"views": 2})
    (result,) = fit_heads(heads.jobs(1, tuner), RUN)
    assert result.error == "features of shape (80, 1, 12). Possible: (N, V, D) with at least 2 views."


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (lambda loss: [], "at least one term, names that differ"),
        (lambda loss: [Term("a", 1.0, loss), Term("a", 1.0, loss)], "at least one term, names that differ"),
        (lambda loss: [Term("a", 1.0, loss.repeat(2))], "term 'a' has shape (2,). Possible: 0-d values"),
    ],
)
def test_odd_terms_are_refused(heads, terms, message):
    class Odd(heads.Linear):
        def objective(self, out, batch, fit):
            return terms(fit.loss(out, batch))

    with pytest.raises(FitError) as caught:
        fit_heads(heads.jobs(1, Odd), RUN)
    assert message in str(caught.value)
