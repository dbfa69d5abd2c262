"""A picture that a notebook displays, and what all of them are drawn with: letters, sizes, colours."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diag.io.out_files import check_output, write_output
from diag.printable import printable

if TYPE_CHECKING:
    from PIL import Image

INK, PAPER, FAINT = (28, 32, 38), (255, 255, 255), (110, 116, 124)
SHARP = 2
"""Pictures with letters are drawn so many times as large as they are shown, for sharp screens."""
_FONTS = ("NotoSans-Regular.ttf", "DejaVuSans.ttf", "Arial Unicode.ttf", "LiberationSans-Regular.ttf", "Arial.ttf")
"""Fonts with more letters than the one that Pillow brings, which has no accents."""


@dataclass(frozen=True, slots=True, repr=False)
class Picture:
    """A PNG with its size as shown, in CSS pixels, and what it shows in words. A notebook displays it.

    Examples
    --------
    >>> picture = diag.views.image_grid(data)  # doctest: +SKIP
    >>> picture.save("first.png")  # doctest: +SKIP
    """

    png: bytes
    width: int
    height: int
    alt: str

    def __repr__(self) -> str:
        """Return what it shows in words: also what a notebook keeps beside it."""
        return f"<Picture: {self.alt}>"

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        return self.png, {"width": self.width, "height": self.height}

    def save(self, path: str | Path) -> Path:
        """Write the PNG to a file.

        Raises
        ------
        InvalidInputError
            If its name ends as another kind of file does, or its folder cannot be written.
        """
        check_output(Path(path), "save", endings=(".png",))
        return write_output(path, self.png)


def picture_of(page: Image.Image, alt: str, sharp: int = SHARP) -> Picture:
    """Return a page that was drawn `sharp` times as large as it is shown."""
    buffer = io.BytesIO()
    page.save(buffer, format="PNG", optimize=page.width * page.height < 2_000_000)
    return Picture(buffer.getvalue(), page.width // sharp, page.height // sharp, printable(alt, 300))


@lru_cache(maxsize=8)
def font_of(size: int) -> Any:
    """Return a font: one of this machine's that has many letters, else the one that Pillow brings."""
    from PIL import ImageFont

    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size=size)


def fitting(text: str, font: Any, width: float) -> str:
    """Return a text, cut so that it is no wider than so many pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"
