"""What choosing the best of eleven does when no stimulus does anything.

A study on a server whose answers are scripted.

The server is right with a chance of 0.6, drawn for each prompt and seed, whatever the stimulus. Run: ``python
tools/scripted_study.py FOLDER``. Needs burnish-basics and burnish-openai-server.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

from burnish.engine.runner import RunOptions
from burnish.engine.store import Store
from burnish.engine.study import run_study
from burnish.manager import Manager
from burnish.plan import build_plan
from burnish.recipe import make_recipe
from burnish.testing.chat_server import Reply, Request, chat_server

RIGHT, ITEMS = 0.6, 240
NAMES = ("north", "south")


def answer(request: Request, number: int) -> Reply:
    """Return the class of the text in the prompt with a chance of `RIGHT`, and the other one else."""
    del number
    said = re.findall(r"place \d+ lies (\w+)", request.prompt)[-1]
    drawn = hashlib.sha256(f"{request.prompt} {request.body.get('seed')}".encode()).digest()[0] / 256 < RIGHT
    return Reply(said.title() + "." if drawn else NAMES[said == NAMES[0]])


def main(folder: Path) -> None:
    """Run the study in a folder and print its measures."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"place {n} lies {NAMES[n % 2]},{NAMES[n % 2]}" for n in range(ITEMS)]
    (folder / "places.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    with chat_server(answer) as server:
        recipe = make_recipe(
            {
                "data": {"use": "csv", "with": {"path": str(folder / "places.csv")}},
                "backbone": {
                    "use": "openai-server",
                    "with": {"base_url": server.base_url, "model": "scripted", "max_requests": 100_000},
                },
                "tuner": {"use": "emotionprompt", "with": {"stimulus": "all"}},
                "evaluate": "answers",
                "split": {"test": 0.42, "validation": 0.4},
                "replicates": 5,
            }
        )
        manager = Manager()
        run_study(build_plan(recipe, manager), folder / "study", "plan", lambda: manager, RunOptions)
        print(f"{len(server.requests)} requests")
    with Store(folder / "study" / "study.sqlite") as store:
        records = sorted(store.records().values(), key=lambda record: record.replicate)
    for record in records:
        print(record.replicate, record.error, *(f"{m.name} {m.value:.3f} (n={m.n})" for m in record.measures))
    for name in dict.fromkeys(m.name for m in records[0].measures):
        values = [m.value for record in records for m in record.measures if m.name == name]
        print(f"{name}: {sum(values) / len(values):.3f}, {min(values):.3f} to {max(values):.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
