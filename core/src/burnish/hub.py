"""Model hubs: pinned revisions, downloads and library versions. Light.

They are the same for every backbone that loads models of others.

A branch or tag may point elsewhere tomorrow, so a model of a hub is named by its id and a commit, which fixes
every file. What is downloaded is data: weights, configurations, vocabularies; the caller says which files,
and no code is ever among them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from burnish.errors import ConfigError, MachineError
from burnish.installed.metadata import NotInstalledError, version

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_ID: Final = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)


def check_pinned(hub: str, revision: str | None, where: str) -> None:
    """Refuse a hub id without a commit.

    Args:
        hub: the id, such as ``"timm/vit_base_patch16_224.augreg_in21k"``.
        revision: the commit.
        where: what it is an option of, for errors.

    Raises:
        ConfigError: the id is no id, or the revision is none, a branch, a tag or a short hash.
    """
    if not _ID.fullmatch(hub):
        raise ConfigError(
            f"hub {hub!r} is no id of a model on a hub", where=where, possible="NAME or OWNER/NAME"
        )
    if revision is None or not _COMMIT.fullmatch(revision):
        raise ConfigError(
            (
                f"revision is {revision!r}, which pins nothing"
                if revision
                else f"hub {hub!r} stands without a revision"
            ),
            where=where,
            possible="a commit of 40 hexadecimal digits",
            todo="The model's page on the hub lists its commits",
        )


def download(hub: str, revision: str, patterns: Sequence[str], *, offline: bool, where: str) -> Path:
    """Return the folder of a model's files at a commit.

    Of the hub's cache on this machine, filled from the network where it has to be.

    Args:
        hub: the id.
        revision: the commit.
        patterns: names of the files wanted, such as ``"*.safetensors"``.
        offline: look on this machine only.
        where: what asks for it, for errors.

    Raises:
        ConfigError: there is no such model or commit, or it is not for everyone.
        MachineError: it is not on this machine, and the hub cannot be asked.
    """
    check_pinned(hub, revision, where)
    from huggingface_hub import snapshot_download
    from huggingface_hub import utils as hub_utils
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    todo = "Download it beforehand on a machine with network, or name a folder instead of a hub id"
    told = hub_utils.logging.get_verbosity()
    hub_utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # it would tell of every attempt; what comes of them is told below
    try:
        return Path(
            snapshot_download(hub, revision=revision, allow_patterns=list(patterns), local_files_only=offline)
        )
    except RevisionNotFoundError as error:
        raise ConfigError(
            f"the hub has no commit {revision[:12]} of {hub!r}",
            where=where,
            todo="Look at the model's commits on the hub",
        ) from error
    except (GatedRepoError, RepositoryNotFoundError) as error:
        raise ConfigError(
            f"the hub shows no model {hub!r}",
            where=where,
            todo="Check the name, and whether the model asks for a login (`hf auth login`)",
        ) from error
    except (HfHubHTTPError, OSError) as error:
        reason = (
            "and no hub may be asked" if offline else f"and the hub cannot be asked ({_first_line(error)})"
        )
        raise MachineError(
            f"{hub!r} at {revision[:12]} is not on this machine, {reason}", where=where, todo=todo
        ) from error
    finally:
        hub_utils.logging.set_verbosity(told)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120].rstrip(".")


def versions(*distributions: str) -> str:
    """Return the installed versions of libraries as one text for fingerprints.

    Such as ``"timm 1.0.31, torchvision 0.29.2"``.
    """
    return ", ".join(f"{name} {_version(name)}" for name in distributions)


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except NotInstalledError:
        return "none"
