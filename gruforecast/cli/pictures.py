"""Pictures that commands write."""

from __future__ import annotations

from typing import Any

from gruforecast.cli.console import Console
from gruforecast.cli.files import check_output

PICTURES = (".png", ".svg", ".pdf", ".jpg")
PICTURE_DPI = 150


def check_picture(path: str | None) -> None:
    """Before any work is done: a picture can be drawn and written."""
    if path is None:
        return
    check_output(path, PICTURES)
    need_matplotlib(path)


def need_matplotlib(path: str) -> None:
    """Pictures are drawn by Matplotlib, without a window."""
    try:
        import matplotlib
    except ImportError:
        raise ImportError(
            f"{path}: expected Matplotlib for pictures, which is not installed; pip install "
            f"'gruforecast[plot]'."
        ) from None
    matplotlib.use("Agg")


def save_picture(display: Any, path: str, console: Console) -> None:
    """A display's figure in a file."""
    display.figure_.savefig(path, dpi=PICTURE_DPI)
    console.wrote(path, "picture")
