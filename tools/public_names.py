"""What a plugin may import from burnish: the public modules, each with its page of the reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reference_text import Name, Place, anchor, described, find, public_names


@dataclass(frozen=True)
class Page:
    """A page of public names.

    Attributes:
        modules: whose public names it describes; ``module:name,name`` for some of them alone.
        title: of the page.
        text: what is said first.
    """

    modules: tuple[str, ...]
    title: str
    text: str


PACKAGES: Mapping[str, Page] = {
    "burnish": Page(
        ("burnish",),
        "import burnish",
        "Light: importing `burnish` imports neither torch nor numpy. What runs things is imported when it"
        " is used. How it is used: [from Python](../guides/from-python.md),"
        " [parts of a study](../guides/parts-of-a-study.md).",
    ),
    "descriptors": Page(
        ("burnish.descriptors",),
        "Descriptors",
        "The light records with which a plugin announces what it offers. `import burnish` has them, too.",
    ),
    "data": Page(
        ("burnish.data", "burnish.data.images:open_rgb,decode_rgb,rgb_of,resize,random_resized_crop_flip"),
        "Data",
        "What flows: items in a canonical order, what is known of their targets, classes and splits."
        " numpy, no torch.",
    ),
    "contracts": Page(
        ("burnish.contracts",),
        "Contracts",
        "What the objects behind descriptors look like. In shapes, N is all items, M some of them, B"
        " those of a batch, C classes, D columns.",
    ),
    "blocks": Page(
        (
            "burnish.blocks",
            "burnish.blocks.adapters",
            "burnish.blocks.prompts",
            "burnish.blocks.module_training",
            "burnish.blocks.text_classifier",
            "burnish.blocks.image_inputs",
        ),
        "Blocks",
        "Torch parts that several methods share.",
    ),
    "heads": Page(
        (
            "burnish.heads.modules",
            "burnish.heads.batches",
            "burnish.heads.targets",
            "burnish.heads.item_loss",
            "burnish.heads.member:finite_rows",
            "burnish.heads.predictor:check_state",
            "burnish.heads.threads",
        ),
        "Heads",
        "What the trainer of heads is made of, for tuners that train themselves. The base class, `HeadTuner`,"
        " and what its methods are given are among the [blocks](blocks.md).",
    ),
    "testing": Page(
        (
            "burnish.testing",
            "burnish.testing.data:practice,practice_on_pictures,changed",
            "burnish.testing.outcomes:outcome,corruption_input",
            "burnish.testing.chat_server",
            "burnish.testing.dists",
        ),
        "Testing",
        "The contract kit. A test class inherits from the contract of its kind and names a component:"
        " [how](../write-a-plugin/3-test-it.md).",
    ),
    "files": Page(
        ("burnish.files:ensure_folder,write_atomic,write_text,write_json",),
        "Files",
        "Files are written whole or not at all, under a name that is theirs.",
    ),
    "hub": Page(("burnish.hub",), "Hub", "Weights from a hub: a pinned commit, and no code."),
    "fingerprint": Page(
        ("burnish.fingerprint:of_config,of_path,of_files",),
        "Fingerprints",
        "What stands for files and options in keys.",
    ),
    "places": Page(
        (
            "burnish.places:cache_folder,cache_bound,logical_cores,physical_cores,compute_threads,reading_threads,ahead",
        ),
        "Places",
        "Where features are kept, and how many cores and threads are used.",
    ),
    "sklearn": Page(
        ("burnish.sklearn",),
        "scikit-learn",
        "Tuners as scikit-learn estimators: [how](../guides/scikit-learn.md).",
    ),
    "errors": Page(
        ("burnish.errors",),
        "Errors",
        "Errors for people. Each becomes one line of the command line, and its exit code.",
    ),
}
"""Pages of public names by file. A plugin imports from these modules, and from no other of burnish."""


def names_of(page: Page) -> Iterator[Name]:
    """Yield the public names of a page's modules."""
    for entry in page.modules:
        module, _, some = entry.partition(":")
        for name in some.split(",") if some else public_names(module):
            yield find(module, name)


def homes_of_names() -> dict[Place, tuple[str, str]]:
    """Return the page that describes each public name, and its heading there.

    A name that several modules offer is described once: by the module that defines it, else by the first.
    """
    found: dict[Place, tuple[str, str]] = {}
    for page_name, page in PACKAGES.items():
        for name in names_of(page):
            if name.place not in found or name.shown == ".".join(name.place):
                found[name.place] = (page_name, name.shown)
    return found


def package_page(page_name: str, homes: Mapping[Place, tuple[str, str]]) -> str:
    """Return the page of some modules: what it describes, and links to what other pages describe."""
    page = PACKAGES[page_name]
    here: list[str] = []
    elsewhere: list[str] = []
    for name in names_of(page):
        home, heading = homes[name.place]
        if (home, heading) == (page_name, name.shown):
            here.append(described(name, homes))
        elif home != page_name:
            link = f"{home}.md#{anchor(heading)}"
            elsewhere.append(f"* `{name.shown}`: [{PACKAGES[home].title}]({link})")
    also = ["Described elsewhere:\n\n" + "\n".join(elsewhere) + "\n"] if elsewhere else []
    return "\n".join([f"# {page.title}\n", f"{page.text}\n", *also, *here])
