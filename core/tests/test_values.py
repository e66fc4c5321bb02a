"""Parts of a study without a trial: features, tasks and assessments."""

from pathlib import Path

import numpy as np
import pytest

import burnish
from burnish.errors import BurnishError, FitError, RecipeError
from burnish.manager import use_plugin_files

PLUGIN = Path(__file__).parent / "engine" / "parts_plugin.py"


@pytest.fixture(autouse=True)
def _plugin(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BURNISH_PLUGINS", "")
    use_plugin_files([PLUGIN])
    yield
    use_plugin_files([])


def test_features_are_those_of_every_item_in_the_order_of_its_content():
    found = burnish.features("rows", "numbers")
    assert found.table.shape == (90, 4)
    assert repr(found) == "<features of rows: 90 items, 4 wide>"
    texts = [found.dataset.read(position) for position in range(90)]
    expected = np.array([[float(word) for word in text.split()] for text in texts], dtype=np.float32)
    assert np.array_equal(found.table, expected)
    assert sorted(found.origins) == sorted(f"row {number}" for number in range(90))


def test_a_task_is_what_a_tuner_is_given_in_a_study():
    plain = burnish.task("rows", "numbers", replicate=1)
    noisy = burnish.task("rows", "numbers", noise="shift", assess="doubt", replicate=1)
    assert set(plain.splits) == {"train", "validation"}
    train = plain.splits["train"].index
    assert plain.features("train").shape == (len(train), 1, 4)
    assert plain.seed == noisy.seed != burnish.task("rows", "numbers").seed
    assert len(noisy.splits["train"]) == len(train) - -(-len(train) // 5)
    assert (noisy.supervision.y[train] != plain.supervision.y[train]).any()
    # What is known are the two splits that a tuner sees: nothing of a test item.
    known = np.flatnonzero(plain.supervision.known)
    assert set(known) == {*train.tolist(), *plain.splits["validation"].index.tolist()}


def test_an_assessment_speaks_of_the_training_items_by_what_they_are():
    found = burnish.assess("rows", "numbers", assess="doubt", noise="shift")
    assert repr(found).startswith("<assessment of rows: ")
    assert np.array_equal(found.assessment.index, burnish.task("rows", "numbers").splits["train"].index)
    assert found.assessment.tables["doubts"].columns["doubt"] == [0.25, 0.5]


def test_a_frame_has_a_row_an_item():
    pandas = pytest.importorskip("pandas")
    frame = burnish.assess("rows", "numbers", assess="doubt").to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == ["origin", "given", "clean_probability", "keep"]
    assert frame["given"].isin(["a", "b", "c"]).all()


def test_what_is_wrong_is_said():
    with pytest.raises(RecipeError, match="2 rows are asked for, and there is one value"):
        burnish.features("rows", ["numbers", "numbers:name=b"])
    with pytest.raises(RecipeError, match="-1 is no replicate"):
        burnish.task("rows", "numbers", replicate=-1)
    with pytest.raises(BurnishError, match="nobody"):
        burnish.features("rows", "nobody")
    with pytest.raises(FitError, match="noise parts-plugin/doubt of plugin parts-plugin"):
        burnish.assess("rows", "numbers", assess="doubt:at=assess")
