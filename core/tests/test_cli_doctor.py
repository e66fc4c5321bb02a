"""`burnish doctor`."""

import json
import os
import subprocess
import sys

import pytest

from burnish.testing.dists import write_dist

PLUGIN = "import burnish\nBURNISH_API = 1\n"


def doctor(site, *arguments, **environment):
    run = subprocess.run(
        [sys.executable, "-m", "burnish", "doctor", *arguments],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])]),
            **environment,
        },
    )
    assert "Traceback" not in run.stderr
    return run


@pytest.fixture
def sound(site, monkeypatch):
    write_dist(site, "burnish-sound", "0.1.0", {"sound": "burnish_sound"}, {"burnish_sound.py": PLUGIN})
    monkeypatch.setenv("BURNISH_PLUGINS", "sound")
    return site


def test_a_sound_installation(sound, tmp_path):
    run = doctor(sound, "--json", "--no-torch")
    found = json.loads(run.stdout)
    assert (run.returncode, found["ok"], found["problems"]) == (0, True, [])
    assert found["versions"]["burnish"]
    assert found["plugins"]["sound"]["status"] == "ok"
    assert found["device"]["found"] in {"cpu", "cuda"}
    assert found["processor"]["cores"] >= 1
    assert found["cache"]["folder"] == str(tmp_path / "cache")
    assert found["cache"]["writable"] is True
    assert "torch" not in found
    assert not (tmp_path / "cache").exists()


def test_torchs_own_view(sound):
    run = doctor(sound)
    assert run.returncode == 0
    assert "vector_instructions" in run.stdout
    assert run.stdout.rstrip().endswith("nothing is wrong")


def test_light_without_torch(sound):
    heavy = (
        "import sys; from burnish.cli.doctor import examine; examine(False); print(sorted({'torch', 'numpy'}"
        " & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", heavy], capture_output=True, encoding="utf-8", check=True)
    assert run.stdout.strip() == "[]"


def test_what_is_wrong_is_said_and_the_exit_code_is_1(site):
    write_dist(site, "burnish-broken", "0.1.0", {"broken": "burnish_broken"}, {"burnish_broken.py": "1 / 0"})
    write_dist(
        site,
        "burnish-needy",
        "0.1.0",
        {"needy": "burnish_needy"},
        {"burnish_needy.py": PLUGIN},
        requires=["nothing-is-called-this>=2"],
    )
    blocked = site / "a-file"
    blocked.write_text("")
    run = doctor(
        site, "--json", "--no-torch", BURNISH_PLUGINS="broken,needy", BURNISH_CACHE=str(blocked / "cache")
    )
    problems = "\n".join(json.loads(run.stdout)["problems"])
    assert run.returncode == 1
    assert "broken" in problems
    assert "ZeroDivisionError" in problems
    assert "plugin needy requires nothing-is-called-this" in problems
    assert "cannot be written" in problems
    assert "wrong: " in doctor(site, "--no-torch", BURNISH_PLUGINS="").stdout


def test_a_torch_that_cannot_be_imported_is_a_problem(sound, tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise OSError('libtorch.so: wrong ELF class')")
    run = doctor(tmp_path, "--json", PYTHONPATH=os.pathsep.join([str(tmp_path), str(sound)]))
    assert run.returncode == 1
    assert "torch cannot be imported: OSError: libtorch.so" in run.stdout
