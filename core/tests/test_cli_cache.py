import json
import os
import time

import numpy as np
import pytest

from burnish.cli import main
from burnish.engine.answers.answers import AnswerCache, AnswerSpec
from burnish.engine.features.cache import FeatureCache
from burnish.engine.features.spec import FeatureSpec
from burnish.manager import get_manager, use_plugin_files
from burnish.plan import Numeric, Part, build_plan
from burnish.recipe import make_recipe

PLUGIN = """
from dataclasses import dataclass
import burnish
BURNISH_API = 1

@dataclass(frozen=True)
class FakeConfig:
    size: int = 1

@burnish.hookimpl
def burnish_backbones():
    return [
        burnish.Backbone(
            name="fake-net", target="fake:Net", config=FakeConfig, summary="No net", needs={"image"},
            provides={"features"},
        ),
        burnish.Backbone(
            name="given", target="fake:Given", summary="Rows of features", needs={"features"},
            provides={"features"},
        ),
    ]

@burnish.hookimpl
def burnish_sources():
    return [
        burnish.Source(
            name="fake-data", target="fake:Data", summary="No data", fingerprint="fake_light:mark",
            provides={"image", "labels"},
        ),
        burnish.Source(
            name="fake-rows", target="fake:Rows", summary="No rows", fingerprint="fake_light:mark",
            provides={"features", "labels"},
        ),
    ]

@burnish.hookimpl
def burnish_tuners():
    return [burnish.Tuner(
        name="fake-tuner", target="fake:Tuner", summary="No tuner", needs={"features"}, provides={"own-loss"}
    )]

@burnish.hookimpl
def burnish_evaluators():
    return [burnish.Evaluator(name="fake-measure", target="fake:Measure", summary="No measure")]
"""
PARTS = ["--tuner", "fake-tuner", "--evaluate", "fake-measure"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("BURNISH_CACHE", str(folder))
    monkeypatch.delenv("BURNISH_CACHE_SIZE", raising=False)
    monkeypatch.setenv("BURNISH_PLUGINS", "")
    yield folder
    use_plugin_files(())


def burnish(capsys, *arguments):
    """Run the command line; return exit code, standard output and standard error."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    told = capsys.readouterr()
    return caught.value.code, told.out, told.err


def fill(folder, items=3, **options):
    part = Part(
        "backbone",
        "fake",
        "fake",
        options,
        "1",
        "f",
        "fake:" + ",".join(f"{k}={v}" for k, v in options.items()),
    )
    spec = FeatureSpec(part, "text", None, Numeric("cpu", "float32", 2, "2"))
    with FeatureCache(folder) as opened:
        opened.open(spec).add(
            np.random.default_rng(0).integers(0, 256, (items, 32), dtype=np.uint8),
            np.ones((items, 4), np.float32),
        )
    return folder / "features" / spec.key()


def test_an_empty_cache(capsys, cache):
    assert burnish(capsys, "cache", "list") == (0, f"{cache}: 0 entries, 0 B of at most 20 GB\n", "")
    assert burnish(capsys, "cache", "verify") == (0, f"{cache}: 0 files are whole, 0 damaged\n", "")
    assert burnish(capsys, "cache", "prune") == (0, f"{cache}: 0 entries removed, 0 B freed\n", "")
    assert not cache.exists()


def test_list(capsys, cache):
    first, second = fill(cache, size=1), fill(cache, size=2)
    os.utime(first / "spec.json", (time.time() - 86_400 * 3,) * 2)
    code, out, _ = burnish(capsys, "cache", "list")
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert lines[1] == ["entry", "backbone", "view", "items", "width", "size", "used"]
    assert lines[2][:5] == [second.name[:12], "fake:size=2", "-", "3", "4"]
    assert lines[3][-3:] == ["3", "days", "ago"]
    record = json.loads(burnish(capsys, "cache", "list", "--json")[1])
    assert [entry["key"] for entry in record["entries"]] == [second.name, first.name]
    assert (record["folder"], record["bound"]) == (str(cache), 20 * 10**9)


def test_verify_tells_of_damage_with_its_exit_code(capsys, cache):
    [shard] = fill(cache, size=1).glob("*.shard")
    shard.write_bytes(shard.read_bytes()[:-1])
    code, out, _ = burnish(capsys, "cache", "verify")
    assert code == 1
    size = shard.with_name(shard.name + ".damaged").stat().st_size
    assert out.splitlines() == [
        f"{cache}: 0 files are whole, 1 damaged",
        f"  {shard}: a damaged cache entry: it has {size} bytes, not {size + 1}",
    ]
    assert "1 damaged" in burnish(capsys, "cache", "list")[1]
    assert json.loads(burnish(capsys, "cache", "verify", "--json")[1]) == {"whole": 0, "damaged": []}


def test_answers_are_shown_and_go_only_when_asked_to(capsys, cache):
    model = Part("backbone", "fake", "fake", {}, "1", "f", "fake:model=wise")
    kept = AnswerCache(cache, AnswerSpec(model, None))
    kept.add([(b"1" * 32, "yes"), (b"2" * 32, "no")])
    lines = [line.split() for line in burnish(capsys, "cache", "list")[1].splitlines()]
    assert lines[1:] == [
        ["answers", "model", "number", "size", "used"],
        [kept.spec.key()[:12], "fake:model=wise", "2", *lines[2][3:]],
    ]
    assert json.loads(burnish(capsys, "cache", "list", "--json")[1])["entries"][0]["items"] == 2
    assert burnish(capsys, "cache", "verify")[1] == f"{cache}: 1 file is whole, 0 damaged\n"
    assert "0 entries removed" in burnish(capsys, "cache", "prune", "--max-size", "0")[1]
    assert kept.find([b"1" * 32]) == {b"1" * 32: "yes"}
    out = burnish(capsys, "cache", "prune", "--entry", kept.spec.key()[:8])[1]
    assert "0 entries and 1 file of answers removed" in out
    assert not kept.path.exists()


def test_prune(capsys, cache, monkeypatch):
    first, second = fill(cache, size=1), fill(cache, size=2)
    os.utime(first / "spec.json", (time.time() - 86_400 * 3,) * 2)
    assert "0 entries removed" in burnish(capsys, "cache", "prune")[1]
    assert "0 entries removed" in burnish(capsys, "cache", "prune", "--older-than", "4d")[1]
    assert "1 entry removed" in burnish(capsys, "cache", "prune", "--older-than", "48h")[1]
    assert not first.exists()
    assert (
        json.loads(burnish(capsys, "cache", "prune", "--entry", second.name[:6], "--json")[1])["removed"][0][
            "key"
        ]
        == second.name
    )
    third = fill(cache, size=3)
    monkeypatch.setenv("BURNISH_CACHE_SIZE", "10kB")
    assert "0 entries removed" in burnish(capsys, "cache", "prune")[1]
    monkeypatch.setenv("BURNISH_CACHE_SIZE", "10B")
    assert "1 entry removed" in burnish(capsys, "cache", "prune")[1]
    assert not third.exists()
    fill(cache, size=1)
    assert "1 entry removed" in burnish(capsys, "cache", "prune", "--all")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--older-than", "3x"],
            "burnish: --older-than: '3x' is no age. Possible: a number with s, m, h, d or w, such as 30d.",
        ),
        (
            ["--max-size", "big"],
            "burnish: --max-size: 'big' is no size. Possible: such as 500MB, 20GB or a number of bytes.",
        ),
    ],
)
def test_what_cannot_be_read(capsys, arguments, message):
    assert burnish(capsys, "cache", "prune", *arguments) == (2, "", message + "\n")


def test_an_unknown_entry(capsys, cache):
    assert burnish(capsys, "cache", "prune", "--entry", "zz") == (
        1,
        "",
        f"burnish: {cache}: no entry begins with 'zz'. See `burnish cache list`.\n",
    )


def test_why(capsys, cache, tmp_path, monkeypatch):
    (tmp_path / "fake_light.py").write_text("def mark(config):\n    return 'data'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugin = tmp_path / "fake.py"
    plugin.write_text(PLUGIN)

    def why(backbone, *more, data="fake-data"):
        parts = ["--data", data, "--backbone", backbone, *PARTS]
        return burnish(capsys, "cache", "why", "--plugin", str(plugin), *parts, "--numeric", "fp32", *more)

    code, out, err = why("fake-net")
    assert (code, out, err) == (0, "fake-net: not cached, and nothing like it\n", "")
    use_plugin_files([plugin])
    values = {
        "data": "fake-data",
        "tuner": "fake-tuner",
        "evaluate": ["fake-measure"],
        "backbone": "fake-net",
        "numeric": "fp32",
    }
    plan = build_plan(make_recipe(values), get_manager())
    spec = FeatureSpec(plan.rows[0].backbone, "image", None, plan.numeric)
    with FeatureCache(cache) as opened:
        opened.open(spec).add(np.zeros((5, 32), np.uint8), np.ones((5, 4), np.float32))
    key = spec.key()[:12]
    assert why("fake-net") == (0, f"fake-net: 5 items are cached (entry {key})\n", "")
    assert why("fake-net:size=2")[1].splitlines() == [
        f"fake-net:size=2: not cached; the nearest entry, {key}, differs in",
        "  backbone.options.size  wanted 2  there 1",
    ]
    record = json.loads(why("fake-net", "--json")[1])[0]
    assert (record["cached"], record["items"], record["key"]) == (True, 5, spec.key())
    assert json.loads(why("fake-net:size=2", "--json")[1])[0]["differences"] == [
        {"field": "backbone.options.size", "wanted": 2, "there": 1}
    ]
    given = "given: given features are not cached; they are read from the data each time\n"
    assert why("given", data="fake-rows") == (0, given, "")
    record = json.loads(why("given", "--json", data="fake-rows")[1])[0]
    assert (record["cached"], record["items"]) == (False, 0)
