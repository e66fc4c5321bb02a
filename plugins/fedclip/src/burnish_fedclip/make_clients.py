"""Writes the file of a client of a real federation, or those of drawn clients, from data and a backbone.

At a client, whose items are all its own:

    python -m burnish_fedclip.make_clients --data ./photos --backbone openclip:weights=./ViT-B-32 --number 0
    --out /data

For a rehearsal, with clients as the tuner makes them: ``--clients dirichlet:0.5 --count 10`` or ``--clients
COLUMN`` in place of ``--number``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import burnish
from burnish.blocks import ensemble, scale_of
from burnish.errors import BurnishError
from burnish_fedclip import FedCLIPConfig
from burnish_fedclip.models import AttentionAdapter
from burnish_fedclip.server import Group
from burnish_fedclip.simulation import write_clients
from burnish_fedclip.tuners import make_group, only_client

if TYPE_CHECKING:
    from burnish.contracts.tuner import Task

_WHERE = "make_clients"


def task_of(data: str, backbone: str) -> Task:
    """Return what a tuner would see of the data.

    Features of training and validation items, and the text tower.
    """
    return burnish.task(data, backbone or None, progress=True)


def make(task: Task, config: FedCLIPConfig, number: int | None, out: Path) -> tuple[Group, int]:
    """Write the clients' files into a folder; return the clients and the number of classes.

    Args:
        task: features and labels.
        config: who the clients are, and the prompts.
        number: of the one client whose items all of them are; None makes clients as the config says.
        out: the folder.

    Raises:
        BurnishError: no labels, an empty client, or classes without names.
        OSError: a file cannot be written.
    """
    texts = ensemble(task.class_embeddings(config.templates))
    group = make_group(task, config, _WHERE) if number is None else only_client(task, number, _WHERE)
    out.mkdir(parents=True, exist_ok=True)
    write_clients(out, AttentionAdapter(texts, scale_of(task, config.scale), config.loss), group)
    return group, len(texts)


def main(arguments: list[str] | None = None) -> int:
    """Write the files, and print what the config of the run must say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="a data source or a path, as for burnish run")
    parser.add_argument("--backbone", default="", help="a backbone with a text tower, as for burnish run")
    parser.add_argument("--out", type=Path, required=True, help="folder to write client-K.safetensors to")
    parser.add_argument(
        "--template", action="append", help="a prompt; {} stands for the class name; the same at all clients"
    )
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--number", type=int, help="number of this client, from 0; every client has another one")
    who.add_argument("--clients", help="a column, dirichlet:ALPHA or class: several clients at once")
    parser.add_argument("--count", type=int, help="how many clients are drawn")
    given = parser.parse_args(arguments)
    try:
        options = {"clients": given.clients, "number": given.count, "templates": tuple(given.template or ())}
        config = FedCLIPConfig(**{name: value for name, value in options.items() if value})
        group, classes = make(task_of(given.data, given.backbone), config, given.number, given.out)
    except (BurnishError, OSError, ValueError) as error:
        print(f"{_WHERE}: {error}", file=sys.stderr)
        return 1
    for name, part, judge in zip(group.names, group.parts, group.judges, strict=True):
        print(f"client {name}: {len(part.rows)} training items, {len(judge.rows)} validation items")
    print(f"run config: dim={group.train.x.shape[1]} classes={classes}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
