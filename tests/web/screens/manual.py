"""docs/screens: where each picture is, and the page that shows them. Written by `make screens`, from the catalogue."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from local.environment import ROOT
from tests.browser import Theme
from tests.web.screens.catalogue import CATALOGUE, ROOMS
from tests.web.screens.looking import THEMES
from tests.web.screens.screen import Screen, Size

HERE = ROOT / "docs" / "screens"
HEIGHTS: dict[Size, int] = {"desktop": 720, "phone": 780}
"""CSS pixels of the window in a picture."""
PICTURED: dict[Size, tuple[Theme, ...]] = {"desktop": THEMES, "phone": ("light",)}
"""A phone in the dark shows nothing that the others do not; its colours are tested all the same."""
COLOURS, COMMON = 34, 6
"""A page has few colours: a palette keeps text sharp where blocks would blur it, and the file small."""
WIDTHS: dict[Size, int] = {"desktop": 240, "phone": 90}

_TOP = """# Every screen in every state

Made by `make screens` from `tests/web/screens/catalogue.py`, with the same preparation that the accessibility tests
use. Times and ids stand still; long pages are cut. [The web pages](../ui.md) says how to change what you see here.
"""


def picture(screen: Screen, theme: Theme, size: Size) -> Path:
    """Where the picture of a state is."""
    return HERE / screen.room / f"{screen.state}-{theme}-{size}.webp"


def pictures() -> Iterator[Path]:
    """Every picture that the catalogue names."""
    for screen in CATALOGUE:
        for size in screen.sizes:
            for theme in PICTURED[size]:
                yield picture(screen, theme, size)


def packed(png: bytes) -> bytes:
    """Return a screenshot as WebP: lossless, on a palette.

    The commonest colours stay as they are. Of the others rare and lively ones weigh more than they cover: a green dot
    is a few pixels and says that the page is live, while the greys of letters are many.
    """
    with Image.open(io.BytesIO(png)) as shot:
        whole = shot.convert("RGB")
    counted: list[tuple[int, tuple[int, ...]]] = whole.getcolors(whole.width * whole.height)  # type: ignore[assignment]
    counted.sort(reverse=True)
    common = b"".join(bytes(colour) for _, colour in counted[:COMMON])
    weighed = b"".join(bytes(colour) * _weight(count, colour) for count, colour in counted)
    others = Image.frombytes("RGB", (len(weighed) // 3, 1), weighed).quantize(COLOURS - COMMON, kmeans=4)
    palette = Image.new("P", (1, 1))
    palette.putpalette(common + bytes(others.getpalette() or []))
    file = io.BytesIO()
    whole.quantize(palette=palette, dither=Image.Dither.NONE).convert("RGB").save(
        file, "WEBP", lossless=True, quality=75, method=6
    )
    return file.getvalue()


def _weight(count: int, colour: tuple[int, ...]) -> int:
    return max(1, int(count**0.25 * (1 + (max(colour) - min(colour)) / 12)))


def page() -> str:
    """The page that shows all pictures."""
    return _TOP + "".join(_room(room, title) for room, title in ROOMS.items())


def _room(room: str, title: str) -> str:
    lines = "".join(_line(screen) for screen in CATALOGUE if screen.room == room)
    return f"\n## {title}\n\n| state | light | dark | phone |\n|---|---|---|---|\n{lines}"


def _line(screen: Screen) -> str:
    name = screen.state.replace("-", " ")
    cells = [_cell(screen, theme, "desktop") for theme in THEMES]
    phones = " ".join(_cell(screen, theme, "phone") for theme in PICTURED["phone"])
    return f"| **{name}**: {screen.told} | {cells[0]} | {cells[1]} | {phones.strip()} |\n"


def _cell(screen: Screen, theme: Theme, size: Size) -> str:
    if size not in screen.sizes:
        return ""
    at = picture(screen, theme, size).relative_to(HERE).as_posix()
    words = f"{ROOMS[screen.room]}, {screen.state.replace('-', ' ')}, {theme}, {size}"
    return f'[<img src="{at}" width="{WIDTHS[size]}" alt="{words}">]({at})'
