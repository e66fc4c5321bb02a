"""Recipes are found in a package's folder; only the head of each file is read for it."""

import subprocess
import sys

import pytest

import burnish
from burnish.errors import PluginError, RecipeError
from burnish.manager import Manager
from burnish.notation.yaml_file import read_yaml
from burnish.plan import build_plan, to_yaml
from burnish.recipe import find_recipe, make_recipe
from burnish.testing.dists import write_dist

PLUGIN = """
import burnish
BURNISH_API = 1

@burnish.hookimpl
def burnish_recipes():
    return burnish.recipes("burnish_many")
"""


def many(site, files):
    written = {f"burnish_many/recipes/{name}": text for name, text in files.items()}
    write_dist(
        site, "burnish-many", "0.1", {"many": "burnish_many"}, {"burnish_many/__init__.py": PLUGIN} | written
    )
    manager = Manager(only=frozenset({"many"}))
    return manager, next(plugin.reason for plugin in manager.plugins if plugin.name == "many")


SUMMARIES = {
    'summary: "Does it help? add --data ./x"': "Does it help? add --data ./x",
    "summary: 'In single ones: yes'": "In single ones: yes",
    "summary: Plain words, 5 of them  ": "Plain words, 5 of them",
    "# first\n# a comment\n\nsummary: Later": "Later",
    "data: x\r\nsummary: With carriage returns\r\ntuner: y": "With carriage returns",
}


@pytest.mark.parametrize("text", SUMMARIES)
def test_every_file_of_the_folder_is_a_recipe_with_its_summary(site, text):
    manager, reason = many(site, {"one.yaml": f"{text}\n", "two-b.yml": "summary: Two", "notes.txt": "no"})
    assert reason == ""
    found = {c.name: (c.descriptor.summary, c.descriptor.file) for c in manager.components("recipe")}
    assert found == {"one": (SUMMARIES[text], "recipes/one.yaml"), "two-b": ("Two", "recipes/two-b.yml")}
    # The light reading and the whole one agree.
    assert read_yaml(text, "one.yaml").value["summary"] == SUMMARIES[text]
    assert find_recipe("one", manager).values["summary"] == SUMMARIES[text]


@pytest.mark.parametrize(
    "text", ["data: x", "data:\n  summary: Of another", "#" * 5000 + "\nsummary: Too late", "summary:"]
)
def test_a_recipe_without_a_summary_is_told(site, text):
    assert many(site, {"one.yaml": text})[1] == (
        "burnish_many, recipes/one.yaml: the recipe has no summary near its top. Write summary:"
        ' "what it asks", in one line.'
    )


def test_a_folder_that_is_not_there_is_told(site):
    assert many(site, {})[1] == "package 'burnish_many' has no folder 'recipes'. Put its recipes there."
    with pytest.raises(PluginError, match="package 'burnish_nowhere' has no folder 'recipes'"):
        burnish.recipes("burnish_nowhere")


def test_a_plan_keeps_the_summary_which_is_in_no_key(study):
    values = {"data": "pictures", "backbone": "small", "tuner": "linear", "numeric": {"device": "cpu"}}
    plain, told = (
        build_plan(make_recipe(values | more), study) for more in ({}, {"summary": "What it asks: much"})
    )
    assert 'summary: "What it asks: much"' in to_yaml(told)
    assert "summary" not in to_yaml(plain)
    assert plain.key() == told.key()


@pytest.mark.parametrize("summary", [3, "two\nlines"])
def test_a_summary_is_one_line_of_text(summary):
    with pytest.raises(RecipeError, match="summary: the summary is not one line of text"):
        make_recipe({"summary": summary})


def test_finding_recipes_reads_no_yaml(site):
    many(site, {"one.yaml": "summary: One"})
    code = (
        "import sys; from burnish.manager import Manager; m = Manager(only=frozenset({'many'}));"
        "assert len(m.components('recipe')) == 1; print([n for n in sys.modules if n.startswith('ruamel')])"
    )
    path = f"import sys; sys.path[:0] = {[str(site), *sys.path]!r}; "
    done = subprocess.run([sys.executable, "-c", path + code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
