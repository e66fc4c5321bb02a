"""The documentation: every example runs, everything public is described, what code makes is current."""

import ast
import importlib
import importlib.util
import inspect
import re
import sys
from pathlib import Path

import pytest

import burnish
from burnish import hooks
from burnish.manager import Manager
from burnish.plan import ReportSpec, SelectSpec, SplitSpec, TuneSpec
from burnish.recipe import KEYS
from burnish.testing.dists import write_dist

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
TUTORIAL = sorted((DOCS / "write-a-plugin").glob("*.md"))


sys.path.append(str(ROOT / "tools"))  # tools import one another


def tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


examples = tool("run_examples")
reference = tool("make_reference")
public = importlib.import_module("public_names")
MADE = reference.pages()


def pages():
    """Pages with examples: those made from a README are run as the README."""
    made = {path for path in MADE if path.parent.name == "plugins"}
    found = [
        *DOCS.rglob("*.md"),
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *ROOT.glob("plugins/*/README.md"),
    ]
    return sorted(
        path
        for path in set(found) - made - set(TUTORIAL)
        if any(runs(block) for block in examples.blocks(path.read_text()))
    )


def runs(block):
    return block.run and (block.language in {"python", "console", "yaml"})


@pytest.fixture
def runner(tmp_path, tmp_path_factory, monkeypatch):
    """Run examples in a folder of their own, with the feature cache and the home of this test run."""
    shared = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("BURNISH_CACHE", str(shared / "docs-cache"))
    monkeypatch.delenv("BURNISH_PLUGINS", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    made = examples.Runner(tmp_path.resolve())
    yield made
    made.close()


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_of_a_page_run(page, runner):
    runner.run(page)


def test_a_plugin_is_written_from_the_pages_alone(runner):
    for page in TUTORIAL:
        runner.run(page)


def test_the_runner_finds_what_is_wrong(tmp_path, runner):
    for text, complaint in {
        "```python\n1 / 0\n```": "ZeroDivisionError",
        "```console\n$ burnish list tunar\n```": "ends with 2",
        "```console\n$ burnish show loss ce\nnothing\n```": "prints",
        "```console\n$ false\n...\n```": "ends with 1, and the page shows no error",
        "```yaml\nreplicate: 3\n```": "Did you mean 'replicates'",
        "```yaml\ndata: digits:features=true\ntuner: no-such-tuner\n```": "unknown tuner",
    }.items():
        page = tmp_path / "page.md"
        page.write_text(text)
        with pytest.raises(examples.ExampleError, match=re.escape(complaint)):
            runner.run(page)
    page.write_text("<!-- no-run: it fails -->\n```python\n1 / 0\n```")
    runner.run(page)


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        (["a  1.0 ±2.0"], ["a 3.5 ±1.5"], True),
        (["a 10.0"], ["a 30.0"], False),
        (["a", "...", "d"], ["a", "b", "c", "d"], True),
        (["a", "..."], ["b"], False),
        (["p <0.001 -1.2"], ["p 0.004 +0.3"], True),
        (["entry add2b6311e36"], ["entry 0123456789ab"], True),
        ([], ["something"], False),
    ],
)
def test_output_is_compared_but_for_last_bits(expected, printed, same):
    assert examples.agrees(expected, printed) is same


@pytest.mark.parametrize("path", sorted(MADE), ids=lambda path: path.name)
def test_pages_made_from_code_are_current(path):
    assert reference.is_current(path, MADE[path]), "run: python tools/make_reference.py"


@pytest.mark.parametrize("page", public.PACKAGES.values(), ids=public.PACKAGES)
def test_every_public_name_is_in_the_reference_with_its_text(page):
    text = "\n".join(path.read_text() for path in REFERENCE.glob("*.md"))
    homes = public.homes_of_names()
    for name in public.names_of(page):
        section = text.split(f"## `{homes[name.place][1]}`\n")[1].split("\n## ")[0]
        assert "```py\n" in section
        is_alias = isinstance(name.node, ast.Assign) and not name.doc
        assert name.doc or is_alias, f"{name.shown} says nothing"
    assert ":::" not in text


def test_a_page_has_signatures_sections_and_inherited_methods():
    page = (REFERENCE / "blocks.md").read_text()
    tuner = page.split("## `burnish.blocks.HeadTuner`\n")[1].split("\n## ")[0]
    assert "objective(out: Outputs, batch: Batch, fit: Fit) -> list[Term]" in tuner
    assert "* `burnish.errors.FitError`: no usable training items" in tuner
    descriptor = (REFERENCE / "descriptors.md").read_text().split("## `burnish.descriptors.Loss`\n")[1]
    assert "    name: str,\n    summary: str," in descriptor.split("\n## ")[0]


NOT_PUBLIC = {
    "plugins/huggingface/src/burnish_huggingface/place.py": {"burnish.config"},
    "plugins/tiny-clip/src/burnish_tiny_clip/training/data.py": {"burnish.manager"},
}
"""What plugins of this repository still import beyond the reference."""


def test_plugins_import_what_the_reference_describes():
    """First-party plugins have nothing that others lack."""
    offered = {entry.partition(":")[0] for page in public.PACKAGES.values() for entry in page.modules}
    described = {name.place for page in public.PACKAGES.values() for name in public.names_of(page)}
    wrong = []
    for file in sorted(ROOT.glob("plugins/*/src/**/*.py")):
        path = str(file.relative_to(ROOT))
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("burnish."):
                continue
            for alias in node.names:
                known = (node.module, alias.name) in described
                inside = node.module.startswith(("burnish.contracts.", "burnish.data."))
                if not (known or inside or node.module in offered | NOT_PUBLIC.get(path, set())):
                    wrong.append(f"{path}: {node.module}.{alias.name}")
    assert not wrong


@pytest.mark.parametrize("name", hooks.HOOKS.values())
def test_every_hook_is_documented_with_its_signature(name):
    signature = f"{name}({', '.join(inspect.signature(getattr(hooks, name)).parameters)})"
    assert f"## `{signature}`" in (REFERENCE / "hooks.md").read_text()


@pytest.mark.parametrize(("kind", "name"), hooks.HOOKS.items())
def test_the_example_of_every_hook_is_a_plugin(kind, name, tmp_path, monkeypatch):
    (example,) = re.findall(r"```python\n(.*?)```", inspect.getdoc(getattr(hooks, name)), re.DOTALL)
    write_dist(
        tmp_path,
        "burnish-documented",
        "0.1",
        {"documented": f"documented_{kind}"},
        {f"documented_{kind}.py": example},
    )
    monkeypatch.syspath_prepend(tmp_path)
    manager = Manager(only=frozenset({"documented"}))
    (plugin,) = [info for info in manager.plugins if info.name == "documented"]
    assert plugin.status == "ok", plugin.reason
    assert {component.kind for component in manager.components(kind)} == {kind}


def test_every_recipe_key_is_described():
    page = (REFERENCE / "recipe.md").read_text()
    assert re.findall(r"^## `(\w+)`$", page, re.MULTILINE) == list(KEYS)
    for key, spec in {
        "split": SplitSpec,
        "tune": TuneSpec,
        "select": SelectSpec,
        "report": ReportSpec,
    }.items():
        section = page.split(f"## `{key}`")[1].split("\n## ")[0]
        assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(
            inspect.signature(spec).parameters
        )


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text()
    missing = [
        str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if not page.name.endswith(".prose.md")
    ]
    assert not [page for page in missing if f"- {page}\n" not in navigation]


def test_links_between_pages_lead_somewhere():
    broken = []
    for page in [
        *DOCS.rglob("*.md"),
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *ROOT.glob("plugins/*/README.md"),
    ]:
        for link in re.findall(
            r"\]\(([^)#]+)(?:#[^)]*)?\)",
            re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL),
        ):
            if not re.match(r"\w+:", link) and not (page.parent / link).exists():
                broken.append(f"{page.relative_to(ROOT)}: {link}")
    assert not broken


def test_the_study_page_is_made_from_a_store(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    recipe = {
        "name": "small-study",
        "data": "digits:features=true",
        "noise": {"use": "symmetric", "with": {"rate": [0, 0.4]}},
        "tuner": ["nothing", "ridge"],
        "replicates": 2,
        "report": {"x": "noise.rate", "baseline": "nothing"},
    }
    study = burnish.run(recipe, out=tmp_path / "study")
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "small-study.prose.md").write_text("What was asked.")
    page = tool("make_study_page").write_page(study.folder, tmp_path / "page")
    text = page.read_text()
    assert "What was asked." in text
    value = 100 * study.summary()["rows"][1]["numbers"]["accuracy"]["test"]["value"]
    assert f"{value:.1f}" in text
    pictures = re.findall(r"\]\(([\w/.-]+\.svg)\)", text)
    assert pictures
    assert all((page.parent / picture).read_text().count("<svg") == 1 for picture in pictures)
    assert str(tmp_path) not in text
