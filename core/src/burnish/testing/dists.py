"""Fake installed distributions, for tests of discovery: no pip, no network, real `importlib_metadata`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path


def write_dist(
    folder: Path,
    name: str,
    version: str,
    plugins: Mapping[str, str],
    files: Mapping[str, str] | None = None,
    *,
    requires: Sequence[str] = (),
    editable: bool = False,
) -> Path:
    """Write what pip leaves behind when it installs a distribution.

    With `folder` on ``sys.path`` it counts as installed.

    Args:
        folder: stands for ``site-packages``.
        name: name of the distribution, such as ``"burnish-x"``.
        version: its version.
        plugins: entry points of the group ``burnish``: plugin name -> module.
        files: text by path relative to `folder`, such as ``{"burnish_x.py": "..."}``.
        requires: its requirements.
        editable: whether it claims to be installed from a folder, so that its code is identified by its
            files, not its version.

    Returns:
        The ``.dist-info`` folder.
    """
    info = folder / f"{re.sub(r'[-_.]+', '_', name)}-{version}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    header = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {text}" for text in requires),
    ]
    (info / "METADATA").write_text("\n".join(header) + "\n")
    (info / "entry_points.txt").write_text(
        "\n".join(["[burnish]", *(f"{plugin} = {module}" for plugin, module in plugins.items())]) + "\n"
    )
    if editable:
        (info / "direct_url.json").write_text(
            json.dumps({"url": folder.as_uri(), "dir_info": {"editable": True}})
        )
    for path, text in (files or {}).items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return info
