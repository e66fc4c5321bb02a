"""Two plugins with every fault that the contracts look for, installed as fake distributions."""

import sys
from pathlib import Path

import pytest

from burnish.testing.contract import manager_of
from burnish.testing.dists import write_dist


@pytest.fixture(scope="session", autouse=True)
def plugins(tmp_path_factory):
    site = tmp_path_factory.mktemp("site")
    write_dist(site, "burnish-faulty", "0.1", {"faulty": "faulty"})
    write_dist(site, "burnish-messy", "0.1", {"messy": "messy"})
    added = [str(site), str(Path(__file__).parent / "plugins")]
    sys.path[:0] = added
    manager_of.cache_clear()
    yield
    for path in added:
        sys.path.remove(path)
    manager_of.cache_clear()
