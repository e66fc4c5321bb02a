"""The HTML report: complete, escaped, self-contained, the same bytes twice, and shown by a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from burnish.engine.folder import REPORT
from burnish.errors import StoreError
from burnish.report.html import write_report

EVIL = "<script>alert('x')</script>"
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Every tag with its attributes, every text, and whether tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def values(self, name: str) -> list[str]:
        return [
            value
            for _, attributes in self.tags
            for key, value in attributes.items()
            if key == name and value is not None
        ]

    @property
    def sections(self) -> list[str]:
        return [str(attributes["id"]) for tag, attributes in self.tags if tag == "section"]

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def whole_report(made_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(made_study, tmp_path_factory.mktemp("report") / "report.html")


def test_a_whole_study_has_every_section(whole_report: Path) -> None:
    page = Page(whole_report.read_text(encoding="utf-8"))
    assert page.sections == [
        "results",
        "comparison",
        "figures",
        "classes",
        "spectra",
        "tuning",
        "cost",
        "roles",
        "notes",
        "repeat",
    ]
    assert page.open == []
    figures = sum(tag == "figure" for tag, _ in page.tags)
    # differences in 2 panels, accuracy in 2 panels and 7 splits, classes in 2, spectra of backbone and tuner
    # in 2 each, cost
    assert figures == 2 + 2 + 7 + 2 + 4 + 1
    for text in (
        "photos/17.jpg: truncated file",
        "numeric mode",
        "cpu, float32, 2 threads, torch 2.15.0",
        "burnish run plan.yaml --out again",
        "plugin basics",
    ):
        assert text in page.words
    assert [a["href"] for tag, a in page.tags if tag == "a"] == [f"#{name}" for name in page.sections]


def test_it_asks_nothing_of_anyone(whole_report: Path) -> None:
    text = whole_report.read_text(encoding="utf-8")
    page = Page(text)
    assert not {tag for tag, _ in page.tags} & {"script", "iframe", "object", "embed", "img", "base", "form"}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    for name in ("src", "href", "xlink:href", "action", "data", "srcset"):
        assert all(value.startswith(("#", "data:,")) for value in page.values(name))
    assert set(re.findall(r"url\(([^)]*)\)", text)) <= {f"#{name}" for name in page.values("id")}
    assert "http" not in re.sub(r"http-equiv", "", text)
    assert "@import" not in text


def test_ids_are_there_once(whole_report: Path) -> None:
    ids = Page(whole_report.read_text(encoding="utf-8")).values("id")
    assert len(ids) == len(set(ids))


def test_figures_follow_the_theme_and_have_words(whole_report: Path) -> None:
    text = whole_report.read_text(encoding="utf-8")
    drawings = re.findall(r"<figure>.*?</figure>", text, re.DOTALL)
    assert all('role="img"' in d and re.search(r'aria-label="[^"]{10,}"', d) for d in drawings)
    assert not set(re.findall(r"#[0-9a-f]{6}\b", "".join(drawings)))
    used = set(re.findall(r"var\((--\w+)\)", text))
    for theme in re.findall(r":root\{([^}]*)\}", text)[:2]:
        assert used <= set(re.findall(r"(--\w+):", theme)) | {"--sans", "--mono", "--wash", "--accent"}
    assert "prefers-color-scheme:dark" in text


def test_the_same_study_gives_the_same_bytes(study: Callable[..., Path]) -> None:
    folder = study()
    first = write_report(folder).read_bytes()
    assert write_report(folder, folder / "again.html").read_bytes() == first
    assert (folder / REPORT).read_bytes() == first


def test_the_users_text_stays_text(study: Callable[..., Path], made: Any) -> None:
    classes = [EVIL, "$\\frac{", "日本語", "a & b <i>"]
    tuners = ("mlp", made.part("tuner", "nmtune", x=f"'{EVIL}`'"))
    folder = study(
        data=f"folder:path=./{EVIL}",
        tuners=tuners,
        classes=classes,
        notes=[("bad item", f"{EVIL}.jpg: \x1b[31m\udcff truncated")],
    )
    text = write_report(folder).read_text(encoding="utf-8")
    page = Page(text)
    assert "<script" not in text
    assert page.open == []
    assert page.words.count(EVIL) > 10
    for name in (*classes[1:], f"data: folder:path=./{EVIL}", f"{EVIL}.jpg"):
        assert name in page.words
    assert not {tag for tag, _ in page.tags} & {"script", "i"}
    assert "\x1b" not in text


def test_what_a_study_lacks_is_left_out(study: Callable[..., Path], made: Any) -> None:
    folder = study(noises=(), tuners=("linear",), replicates=1, extras=False, choices=False, plain=True)
    page = Page(write_report(folder).read_text(encoding="utf-8"))
    assert page.sections == ["results", "roles", "repeat"]
    assert [a["href"] for tag, a in page.tags if tag == "a"] == ["#results", "#roles", "#repeat"]


def test_without_x_rows_are_drawn_with_their_intervals(study: Callable[..., Path]) -> None:
    page = Page(write_report(study(noises=(), choices=False, extras=False)).read_text(encoding="utf-8"))
    assert page.sections == ["results", "comparison", "figures", "cost", "roles", "repeat"]


def test_failed_trials_are_named_and_never_drawn(study: Callable[..., Path]) -> None:
    def fail(records: dict[str, Any]) -> dict[str, Any]:
        keys = [
            key
            for key, record in records.items()
            if record.axes["tuner"] == "nmtune" and "0.3" in record.axes["backbone"]
        ]
        return records | {
            key: replace(records[key], measures=(), tables=(), curves=(), error="loss became NaN at step 3")
            for key in keys
        }

    page = Page(write_report(study(change=fail)).read_text(encoding="utf-8"))
    assert "loss became NaN at step 3" in page.words
    assert "not every row has a value" in page.words


def test_label_noise_is_told_by_who_saw_it(study: Callable[..., Path], made: Any) -> None:
    page = Page(
        write_report(study(noise=(made.part("noise", "symmetric", rate=0.4),), extras=False)).read_text(
            encoding="utf-8"
        )
    )
    assert "as observed: with symmetric:rate=0.4" in page.words
    assert "clean: as the source gives them, never corrupted" in page.words
    assert "choosing tuned options; never training" in page.words


def test_many_classes_show_the_lowest(study: Callable[..., Path]) -> None:
    page = Page(write_report(study(classes=[f"class {i}" for i in range(40)])).read_text(encoding="utf-8"))
    assert "the 30 lowest of 40 classes" in page.words


def test_an_unfinished_study_has_no_report(study: Callable[..., Path]) -> None:
    def lose(records: dict[str, Any]) -> dict[str, Any]:
        return dict(list(records.items())[:-1])

    folder = study(change=lose)
    with pytest.raises(
        StoreError,
        match=(
            r"the study is not complete: 11 of 12 trials are finished. Run the same command again to"
            r" resume it"
        ),
    ):
        write_report(folder)
    assert not (folder / REPORT).exists()
    with pytest.raises(StoreError, match="there is no study here"):
        write_report(folder / "elsewhere")


# -- a real browser ------------------------------------------------------------------------------------------

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)


def chromium(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM
    quiet = (
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
    )
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        *quiet,
        f"--user-data-dir={tmp_path / 'profile'}",
        "--hide-scrollbars",
        *arguments,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.fixture(params=[("light", 1, 1280), ("dark", 0, 390)], ids=lambda at: f"{at[0]}-{at[2]}")
def shot(
    request: pytest.FixtureRequest, whole_report: Path, tmp_path: Path
) -> Iterator[tuple[str, Image.Image, str]]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: the report is not shown by a browser")
    theme, scheme, width = request.param
    out = tmp_path / "shot.png"
    log = ("--enable-logging=stderr", "--v=0", f"--blink-settings=preferredColorScheme={scheme}")
    done = chromium(
        tmp_path, *log, f"--window-size={width},2400", f"--screenshot={out}", whole_report.as_uri()
    )
    with Image.open(out) as image:
        yield theme, image.convert("RGB"), done.stderr


def test_a_browser_shows_it(shot: tuple[str, Image.Image, str]) -> None:
    theme, image, log = shot
    assert "CONSOLE" not in log, "no message from the page"
    corner = image.getpixel((2, 2))
    assert (min(corner) > 230) if theme == "light" else (max(corner) < 60)
    colours = image.getcolors(maxcolors=1 << 24)
    assert colours is not None
    assert len(colours) > 200, "not blank"
    rows = [
        image.crop((0, y, image.width, y + 240)).getcolors(maxcolors=1 << 24) for y in range(0, 2400, 240)
    ]
    assert sum(len(row or []) > 10 for row in rows) >= 9, "filled from top to bottom"
