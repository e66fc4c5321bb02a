"""Discovery: whatever is wrong with a plugin is a reason in a list."""

import os
import re
import sys
import textwrap

import pytest

import burnish
from burnish import hooks
from burnish.cli import CORE_COMMANDS, main
from burnish.descriptors import KINDS
from burnish.errors import MissingExtraError, PluginError
from burnish.installed import first_party, metadata
from burnish.manager import Manager, get_manager, load_manager, use_plugin_files
from burnish.testing.dists import write_dist

GOOD = """
import burnish
BURNISH_API = 1

@burnish.hookimpl
def burnish_losses():
    return [burnish.Loss(name={name!r}, target="{module}.heavy:Loss", summary="A loss")]
"""


def good(site, plugin, loss="gce", *, version="0.1", editable=False, extra=""):
    module = f"burnish_{plugin}"
    text = GOOD.format(name=loss, module=module) + extra
    write_dist(
        site,
        f"burnish-{plugin}",
        version,
        {plugin: module},
        {f"{module}/__init__.py": text},
        editable=editable,
    )


def failing(site, text, plugin="bad"):
    write_dist(
        site,
        f"burnish-{plugin}",
        "0.1",
        {plugin: f"burnish_{plugin}"},
        {f"burnish_{plugin}.py": textwrap.dedent(text)},
    )


def only(*names):
    """A manager in which nothing else is installed."""
    manager = Manager(only=frozenset(names))
    manager.plugins = tuple(plugin for plugin in manager.plugins if plugin.status != "off")
    return manager


def info(manager, name):
    return next(plugin for plugin in manager.plugins if plugin.name == name)


def test_a_plugin_is_found_with_where_it_is_from(site):
    good(site, "one")
    manager = only("one")
    plugin = info(manager, "one")
    assert (plugin.status, plugin.distribution, plugin.version, plugin.module, plugin.source) == (
        "ok",
        "burnish-one",
        "0.1",
        "burnish_one",
        "index",
    )
    assert plugin.file == str(site / "burnish_one" / "__init__.py")
    assert str(plugin) == "one (burnish-one 0.1)"
    component = manager.get("loss", "gce")
    assert component is manager.get("loss", "one/gce")
    assert (component.full_name, str(component), component.plugin) == ("one/gce", "loss one/gce", plugin)


HOOK = "import burnish\nBURNISH_API = 1\n@burnish.hookimpl\ndef burnish_{}:\n    {}"

BROKEN = {
    "import error": (
        "import nowhere_to_be_found",
        r"ModuleNotFoundError: No module named 'nowhere_to_be_found' \(.*burnish_bad.py, line 1\)",
    ),
    "exit": ("raise SystemExit(3)", r"SystemExit: 3 \(.*\)"),
    "syntax": ("def", "SyntaxError: .*"),
    "no api": ("import burnish", "it does not say which API it is made for: BURNISH_API = 1 is missing"),
    "newer api": ("BURNISH_API = 2", "it is made for API 2, this burnish has API 1: upgrade burnish"),
    "odd api": ("BURNISH_API = '1'", "BURNISH_API is '1', not a whole number: write 1"),
    "older api": ("BURNISH_API = 0", "it is made for API 0, this burnish has API 1: upgrade the plugin"),
    "unknown hook": (
        HOOK.format("tuner()", "return []"),
        r"unknown hook 'burnish_tuner'\. Did you mean 'burnish_tuners'\?",
    ),
    "unknown argument": (
        HOOK.format("tuners(config)", "return []"),
        (
            r"Plugin 'bad' for hook 'burnish_tuners' hookimpl definition: burnish_tuners\(config\)"
            r" Argument\(s\) \{'config'\} are declared.*"
        ),
    ),
    "hook raises": (
        HOOK.format("tuners()", "return 1 / 0"),
        r"ZeroDivisionError: division by zero \(.*burnish_bad.py, line 5\)",
    ),
    "generator raises": (
        HOOK.format("tuners()", "yield from []\n    raise OSError('gone')"),
        r"OSError: gone \(.*burnish_bad.py, line 6\)",
    ),
    "text": (
        HOOK.format("tuners()", "return 'linear'"),
        "burnish_tuners returned a str, not a list of burnish.Tuner",
    ),
    "wrong kind": (
        HOOK.format("tuners()", "return [burnish.Loss(name='x', target='a:b', summary='s')]"),
        "burnish_tuners returned a Loss in its list, not a burnish.Tuner",
    ),
    "twice": (
        HOOK.format("losses()", "return [burnish.Loss(name='x', target='a:b', summary='s')] * 2"),
        "burnish_losses returned two named 'x'",
    ),
    "bad name": (
        HOOK.format("losses()", "return [burnish.Loss(name='My Loss', target='a:b', summary='s')]"),
        "Loss 'My Loss': the name is not kebab case. Possible: lower-case letters, digits and single dashes.",
    ),
    "bad measures": (
        HOOK.format(
            "evaluators()", "return [burnish.Evaluator(name='x', target='a:b', summary='s', measures=(1,))]"
        ),
        r"Evaluator 'x': measures are \(1,\), not names.",
    ),
    "measures of no function": (
        HOOK.format(
            "evaluators()", "return [burnish.Evaluator(name='x', target='a:b', summary='s', measures='m')]"
        ),
        "Evaluator 'x': measures 'm' is not of the form 'package.module:object'.",
    ),
    "bad revision": (
        HOOK.format("losses()", "return [burnish.Loss(name='x', target='a:b', summary='s', revision=0)]"),
        "Loss 'x': the revision 0 is no whole number from 1 on.",
    ),
    "bad word": (
        HOOK.format(
            "losses()", "return [burnish.Loss(name='x', target='a:b', summary='s', needs={'feature'})]"
        ),
        r"Loss 'x': 'feature' is no word of needs and provides. Did you mean 'features'\? Possible: .*",
    ),
    "wrapper": (
        (
            "import burnish\nBURNISH_API = 1\n@burnish.hookimpl(wrapper=True)\ndef burnish_losses():\n   "
            " return (yield)"
        ),
        "burnish_losses is a hook wrapper; hooks only return what their own plugin offers",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_listed_with_its_reason_and_harms_no_other(site, case):
    text, reason = BROKEN[case]
    failing(site, text)
    good(site, "one")
    manager = only("bad", "one")
    plugin = info(manager, "bad")
    assert plugin.status == "failed"
    assert re.fullmatch(reason, plugin.reason), plugin.reason
    assert "\n" not in plugin.reason
    assert [str(c) for c in manager.components("loss")] == ["loss one/gce"]


def test_a_failed_plugin_is_quoted_where_a_name_is_not_found(site):
    failing(site, "raise RuntimeError('half installed')")
    good(site, "one")
    with pytest.raises(PluginError) as caught:
        only("bad", "one").get("loss", "gcee", "study.yaml, line 3, loss")
    file = site / "burnish_bad.py"
    assert (
        str(caught.value)
        == "study.yaml, line 3, loss: unknown loss 'gcee'. Did you mean 'gce'? Possible: gce. "
        f"Plugin bad (burnish-bad 0.1) failed: RuntimeError: half installed ({file}, line 1)."
    )


def test_a_missing_first_party_plugin_is_answered_with_what_to_install(site):
    good(site, "one")
    with pytest.raises(
        PluginError,
        match=(
            r"unknown tuner 'nmtune'\. Possible: no tuner is installed\. It is in burnish-nmtune: pip install"
            r" burnish-nmtune\."
        ),
    ):
        only("one").get("tuner", "nmtune")


def test_only_who_uses_an_ambiguous_name_is_asked_to_qualify_it(site):
    good(site, "one")
    good(site, "two")
    good(site, "three", loss="sce")
    manager = only("one", "two", "three")
    with pytest.raises(PluginError) as caught:
        manager.get("loss", "gce", "loss")
    assert (
        str(caught.value)
        == "loss: loss 'gce' is offered by several plugins. Possible: one/gce (burnish-one), two/gce"
        " (burnish-two). Write one of these."
    )
    assert manager.get("loss", "two/gce").plugin.name == "two"
    assert [manager.text(c) for c in manager.components("loss")] == ["one/gce", "two/gce", "sce"]


def test_two_distributions_with_one_plugin_name_are_both_set_aside(site):
    good(site, "one")
    write_dist(
        site,
        "other-one",
        "2.0",
        {"one": "burnish_other"},
        {"burnish_other.py": GOOD.format(name="x", module="burnish_other")},
    )
    manager = only("one")
    assert [p.status for p in manager.plugins if p.name == "one"] == ["failed", "failed"]
    assert (
        info(manager, "one").reason
        == "burnish-one 0.1 and other-one 2.0 both provide a plugin named 'one': uninstall one"
    )


def test_one_distribution_seen_twice_on_the_path_counts_once(site, tmp_path, monkeypatch):
    good(site, "one")
    write_dist(tmp_path / "second", "burnish_One", "0.1", {"one": "burnish_one"})
    monkeypatch.syspath_prepend(str(tmp_path / "second"))
    manager = only("one")
    assert [p.status for p in manager.plugins if p.name == "one"] == ["ok"]


def test_an_unknown_kind_is_told(site):
    with pytest.raises(
        PluginError,
        match=r"there is no kind 'tuners'\. Did you mean 'tuner'\? Possible: backbone, noise, tuner, loss",
    ):
        only().components("tuners")


def test_the_environment_decides_before_anything_is_imported(site, monkeypatch):
    good(site, "one")
    failing(site, "import sys; sys.modules['burnish_was_imported'] = sys")
    monkeypatch.setenv("BURNISH_PLUGINS", " one, ghost")
    manager = get_manager()
    assert manager is get_manager()
    assert info(manager, "bad").status == "off"
    assert info(manager, "bad").reason == "BURNISH_PLUGINS leaves it out"
    assert info(manager, "ghost").reason == "BURNISH_PLUGINS names it, but it is not installed"
    assert "burnish_was_imported" not in sys.modules
    monkeypatch.setenv("BURNISH_PLUGINS", "")
    assert get_manager() is not manager
    assert get_manager().components("loss") == ()
    with pytest.raises(PluginError, match=r"BURNISH_PLUGINS leaves out .*one"):
        get_manager().get("loss", "gce")


def test_a_local_file_is_loaded_beside_the_installed_ones(site, tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_PLUGINS", "")
    file = tmp_path / "my_loss.py"
    file.write_text(GOOD.format(name="mine", module="my_loss"))
    use_plugin_files([file])
    component = get_manager().get("loss", "mine")
    assert (component.plugin.name, component.plugin.source, component.plugin.file) == (
        "my-loss",
        "file",
        str(file),
    )
    before = get_manager().code_identity(component)
    assert before.startswith("sha256:")
    assert get_manager() is get_manager()
    assert len(load_manager([file, str(file)]).components("loss")) == 1, "named twice, loaded once"


def test_a_local_file_that_is_changed_is_imported_again_and_known_by_its_new_code(
    site, tmp_path, monkeypatch
):
    monkeypatch.setenv("BURNISH_PLUGINS", "")
    file = tmp_path / "my_loss.py"
    file.write_text(GOOD.format(name="mine", module="my_loss") + "class Loss:\n    text = 'old'\n")
    use_plugin_files([file])

    def loss(manager):
        component = manager.get("loss", "mine")
        return manager.resolve(component, "my_loss:Loss").text, manager.code_identity(component)

    first = get_manager()
    text, code = loss(first)
    file.write_text(file.read_text().replace("old", "new"))
    os.utime(file, ns=(1, 1))
    # What is imported is what it was: so is its code.
    assert loss(first) == (text, code) == ("old", code)
    assert loss(get_manager())[0] == "new"
    assert loss(get_manager())[1] != code


def test_two_local_files_of_one_name_are_told(site, tmp_path):
    files = [tmp_path / name / "my_loss.py" for name in ("a", "b")]
    for file in files:
        file.parent.mkdir()
        file.write_text(GOOD.format(name="mine", module="my_loss"))
    with pytest.raises(PluginError) as caught:
        Manager(files=files, only=frozenset())
    assert str(caught.value) == (
        f"--plugin {files[1]}: there is another module named 'my_loss' ({files[0]}): rename the file."
    )


def test_a_local_file_with_the_name_of_an_installed_plugin_is_told(site, tmp_path):
    good(site, "one")
    file = tmp_path / "one.py"
    file.write_text(GOOD.format(name="mine", module="one"))
    with pytest.raises(PluginError, match=r"there is a plugin named 'one' already: one \(burnish-one 0\.1\)"):
        Manager(files=[file], only=frozenset({"one"}))


COMMANDS = [
    ("list", "loss"),
    ("show", "loss", "mine"),
    ("plugins",),
    ("doctor",),
    ("validate", "--data", "pictures", "--backbone", "small", "--tuner", "linear", "--loss", "mine"),
    ("cache", "why", "--data", "pictures", "--backbone", "small", "--tuner", "linear", "--loss", "mine"),
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.usefixtures("study")
def test_a_local_file_is_known_to_every_command(tmp_path, capsys, arguments):
    file = tmp_path / "my_loss.py"
    file.write_text(GOOD.format(name="mine", module="my_loss"))
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--plugin", str(file)])
    assert not ended.value.code, capsys.readouterr().err


@pytest.mark.parametrize("command", [name for name in CORE_COMMANDS if name != "new-plugin"])
@pytest.mark.usefixtures("study")
def test_every_command_takes_local_files(capsys, command):
    with pytest.raises(SystemExit) as ended:
        main([command, "--plugin", "gone.py", "--help"])
    assert not ended.value.code
    assert "--plugin FILE" in capsys.readouterr().out


def test_a_local_folder_is_a_package(site, tmp_path):
    folder = tmp_path / "my_pack"
    folder.mkdir()
    (folder / "__init__.py").write_text(GOOD.format(name="mine", module="my_pack"))
    (folder / "heavy.py").write_text("class Loss: pass")
    manager = Manager(files=[folder], only=frozenset())
    component = manager.get("loss", "mine")
    assert manager.resolve(component, component.descriptor.target).__name__ == "Loss"


LOCAL = {
    "missing": ("gone.py", None, "there is no such file or folder"),
    "not python": ("notes.txt", "x", "not a .py file. Name a .py file or the folder of a package"),
    "odd name": (
        "my-loss.py",
        "x",
        "'my-loss' cannot be the name of a module. Rename it with letters, digits and underscores",
    ),
    "broken": ("broken_one.py", "1 / 0", r"ZeroDivisionError: division by zero \(.*broken_one.py, line 1\)"),
    "shadows": ("json.py", "x = 1", r"there is another module named 'json' \(.*\): rename the file"),
    "no api": (
        "plain_one.py",
        "x = 1",
        "it does not say which API it is made for: BURNISH_API = 1 is missing",
    ),
}


@pytest.mark.parametrize("case", LOCAL)
def test_a_local_file_that_cannot_be_used_is_an_error(site, tmp_path, case):
    name, text, reason = LOCAL[case]
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(PluginError, match=rf"^--plugin {path}: {reason}\.$"):
        Manager(files=[path], only=frozenset())
    assert "broken_one" not in sys.modules


def test_a_folder_without_init_is_no_package(site, tmp_path):
    with pytest.raises(
        PluginError, match=r"the folder has no __init__\.py\. Name a \.py file or the folder of a package\."
    ):
        Manager(files=[tmp_path], only=frozenset())


# -- targets -------------------------------------------------------------------------------------------------


def heavy(site, text):
    good(site, "one")
    (site / "burnish_one" / "heavy.py").write_text(text)
    manager = only("one")
    return manager, manager.get("loss", "gce")


def test_a_missing_library_is_answered_with_the_extra_that_installs_it(site):
    write_dist(
        site, "burnish-one", "0.1", {"one": "burnish_one"}, requires=["no_such_lib>=1; extra == 'fast'"]
    )
    manager, component = heavy_only(site, "import no_such_lib")
    with pytest.raises(MissingExtraError) as caught:
        manager.resolve(component, "burnish_one.heavy:Loss")
    assert (
        str(caught.value)
        == "loss one/gce of plugin one (burnish-one 0.1): the library 'no_such_lib' is not installed. Install"
        " it: pip install 'burnish-one[fast]'."
    )


def heavy_only(site, text):
    (site / "burnish_one").mkdir()
    (site / "burnish_one" / "__init__.py").write_text(GOOD.format(name="gce", module="burnish_one"))
    (site / "burnish_one" / "heavy.py").write_text(text)
    manager = only("one")
    return manager, manager.get("loss", "gce")


def test_a_library_in_no_extra_is_named(site):
    manager, component = heavy(site, "import no_such_lib.part")
    with pytest.raises(
        MissingExtraError,
        match=r"the library 'no_such_lib' is not installed\. Install it: pip install no_such_lib\.",
    ):
        manager.resolve(component, "burnish_one.heavy:Loss")


@pytest.mark.parametrize(
    ("text", "target", "reason"),
    [
        (
            "1 / 0",
            "burnish_one.heavy:Loss",
            "burnish_one.heavy:Loss cannot be imported: ZeroDivisionError: division by zero.",
        ),
        (
            "",
            "burnish_one.heavy:Loss",
            (
                "burnish_one.heavy:Loss cannot be imported: AttributeError: module 'burnish_one.heavy' has no"
                " attribute 'Loss'."
            ),
        ),
        (
            "",
            "burnish_one.hevy:Loss",
            "a module is missing: No module named 'burnish_one.hevy'. Install the plugin again.",
        ),
    ],
)
def test_a_target_that_cannot_be_imported_names_plugin_and_version(site, text, target, reason):
    manager, component = heavy(site, text)
    with pytest.raises(PluginError) as caught:
        manager.resolve(component, target)
    assert str(caught.value) == f"loss one/gce of plugin one (burnish-one 0.1): {reason}"


def test_a_failing_light_function_names_its_plugin(site):
    good(
        site,
        "one",
        extra=(
            "\ndef provides(config):\n    raise KeyError(config)\ndef wrong(config):\n    return"
            " {'featurs'}\n"
        ),
    )
    manager = only("one")
    component = manager.get("loss", "gce")
    with pytest.raises(
        PluginError,
        match=(
            r"^loss one/gce of plugin one \(burnish-one 0\.1\): burnish_one:provides failed: KeyError: 3\.$"
        ),
    ):
        manager.call(component, "burnish_one:provides", 3)


def test_provides_may_depend_on_the_config(site):
    good(site, "one", extra="\ndef provides(config):\n    return {config}\n")
    manager = only("one")
    component = manager.get("loss", "gce")
    object.__setattr__(component.descriptor, "provides", "burnish_one:provides")
    assert manager.provides(component, "features") == {"features"}
    with pytest.raises(PluginError, match="provides gives 'featurs', which is no word of needs and provides"):
        manager.provides(component, "featurs")


def test_an_older_api_is_supported_for_a_release_and_noted(site, monkeypatch, capsys):
    monkeypatch.setattr(hooks, "API_VERSION", 3)
    monkeypatch.setattr(hooks, "OLDEST_API", 2)
    for plugin, version in (("new", 3), ("old", 2), ("ancient", 1), ("future", 4)):
        good(site, plugin)
        file = site / f"burnish_{plugin}" / "__init__.py"
        file.write_text(file.read_text().replace("BURNISH_API = 1", f"BURNISH_API = {version}"))
    manager = only("new", "old", "ancient", "future")
    told = "it is made for API 2, which the next release of burnish no longer has: it should move to API 3"
    assert (info(manager, "new").status, info(manager, "new").note) == ("ok", "")
    assert (info(manager, "old").status, info(manager, "old").note) == ("ok", told)
    assert (
        info(manager, "ancient").reason
        == "it is made for API 1, this burnish has API 2 to 3: upgrade the plugin"
    )
    assert info(manager, "future").reason.endswith("this burnish has API 2 to 3: upgrade burnish")
    monkeypatch.setenv("BURNISH_PLUGINS", "new,old")
    with pytest.raises(SystemExit) as ended:
        main(["plugins"])
    assert not ended.value.code
    assert [line for line in capsys.readouterr().out.splitlines() if "API" in line] == [f"old: {told}"]


def test_code_identity_is_the_revision_of_a_wheel_and_the_files_of_a_folder(site):
    good(site, "one", version="1.2")
    good(site, "two", editable=True)
    manager = only("one", "two")
    assert manager.code_identity(manager.get("loss", "one/gce")) == "revision 1"
    edited = manager.get("loss", "two/gce")
    before = manager.code_identity(edited)
    (site / "burnish_two" / "inner").mkdir()
    (site / "burnish_two" / "inner" / "more.py").write_text("x = 1")
    added = manager.code_identity(edited)
    file = site / "burnish_two" / "inner" / "more.py"
    file.write_text("x = 2")
    os.utime(file, ns=(1, 1))
    assert len({before, added, manager.code_identity(edited)}) == 3
    (site / "burnish_two" / "data.txt").write_text("no code")
    assert manager.code_identity(edited) == manager.code_identity(edited)


def test_unmet_requirements_are_listed(site):
    met = [
        "burnish>=0.1",
        "burnish==0.1.*",
        "burnish[run]>=0.1,<1",
        f"burnish=={burnish.__version__}",
        "other; extra == 'x'",
        "click!=0.1",
    ]
    files = {"burnish_one.py": GOOD.format(name="x", module="burnish_one")}
    write_dist(
        site,
        "burnish-one",
        "0.1",
        {"one": "burnish_one"},
        files,
        requires=[*met, "burnish>=99", "burnish>=0.1,<0.1.0", "no-such-dist"],
    )
    manager = only("one")
    assert manager.unmet(info(manager, "one")) == (
        f"burnish>=99, but {metadata.version('burnish')} is installed",
        f"burnish<0.1.0,>=0.1, but {metadata.version('burnish')} is installed",
        "no-such-dist is not installed",
    )


@pytest.mark.parametrize("package", first_party.PACKAGES)
def test_the_table_of_first_party_components_is_what_they_offer(package):
    plugin = package.removeprefix("burnish-")
    manager = only(plugin)
    if not any(p.distribution == package and p.status == "ok" for p in manager.plugins):
        pytest.skip(f"{package} is not installed")
    offers = {
        kind: sorted(c.name for c in manager.components(kind) if c.plugin.name == plugin) for kind in KINDS
    }
    assert all(c.descriptor.measures is not None for c in manager.components("evaluator"))
    assert {kind: names for kind, names in offers.items() if names} == {
        kind: sorted(text.split()) for kind, text in first_party.PACKAGES[package].items()
    }
