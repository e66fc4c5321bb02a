"""Figures as SVG that stands inside a page.

No ids that clash, no references outwards, colours that follow the page's theme.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from burnish.report.canvas import drawing
from burnish.report.style import ROLES, Look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMESPACE: Final = "{http://www.w3.org/2000/svg}"
_LINK: Final = "{http://www.w3.org/1999/xlink}href"
_FONT: Final = re.compile(r"font: ([^;]*?)([\d.]+)px [^;]*")
_REFERENCE: Final = re.compile(r"url\(#([^)]+)\)")
_MARKS: Final = {
    "o": '<circle cx="16" cy="6" r="3.6"/>',
    "s": '<rect x="12.7" y="2.7" width="6.6" height="6.6"/>',
    "^": '<path d="M16 1.6 20 9.4H12z"/>',
    "D": '<path d="M16 1.2 20.6 6 16 10.8 11.4 6z"/>',
    "v": '<path d="M16 10.4 20 2.6H12z"/>',
    "P": '<path d="M14.5 2h3v2.5H20v3h-2.5V10h-3V7.5H12v-3h2.5z"/>',
    "X": (
        '<path d="M13.9 2.2 16 4.3 18.1 2.2 19.8 3.9 17.7 6 19.8 8.1 18.1 9.8 16 7.7 13.9 9.8 12.2 8.1 14.3 6'
        ' 12.2 3.9z"/>'
    ),
    "p": '<path d="M16 1.8 20.2 4.9 18.6 9.8H13.4L11.8 4.9z"/>',
    "": "",
}


def inline(figure: Figure, words: str, prefix: str) -> str:
    """Return a figure as an ``<svg>`` element.

    Args:
        figure: the figure.
        words: what it shows, for readers who cannot see it.
        prefix: begins every id, so that figures on one page have different ones.
    """
    out = io.BytesIO()
    with drawing():
        figure.savefig(out, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    root = ET.fromstring(out.getvalue())  # noqa: S314 - matplotlib wrote it
    for parent in root.iter():
        for child in [c for c in parent if c.tag.endswith("}metadata")]:
            parent.remove(child)
    used = {
        name
        for element in root.iter()
        for value in element.attrib.values()
        for name in _REFERENCE.findall(value)
    }
    used |= {value[1:] for element in root.iter() for name, value in element.attrib.items() if name == _LINK}
    for element in root.iter():
        element.tag = element.tag.removeprefix(_NAMESPACE)
        _rewrite(element, used, prefix)
    size = root.attrib.pop("viewBox")
    root.attrib.clear()
    root.attrib.update({"viewBox": size, "role": "img", "aria-label": words})
    return ET.tostring(root, encoding="unicode")


def _rewrite(element: ET.Element, used: set[str], prefix: str) -> None:
    for name, value in list(element.attrib.items()):
        if name == "id":
            del element.attrib[name]
            if value in used:
                element.set("id", prefix + value)
        elif name == _LINK:
            del element.attrib[name]
            element.set("href", f"#{prefix}{value[1:]}")
        else:
            value = _FONT.sub(r"font: \1\2px var(--sans)", value) if name == "style" else value
            value = _REFERENCE.sub(rf"url(#{prefix}\1)", value)
            for colour, role in ROLES.items():
                value = value.replace(colour, f"var({role})")
            element.set(name, value)


def mark(look: Look) -> str:
    """Return the sign of a line for a legend."""
    colour = f"var({ROLES[look.colour]})"
    dash = (
        ""
        if isinstance(look.dashes, str)
        else f' stroke-dasharray="{" ".join(f"{1.5 * part:g}" for part in look.dashes[1])}"'
    )
    line = f'<path d="M0 6H32" stroke="{colour}" stroke-width="2"{dash}/>'
    return (
        '<svg class="mark" viewBox="0 0 32 12" aria-hidden="true"'
        f' fill="{colour}">{line}{_MARKS[look.marker]}</svg>'
    )
