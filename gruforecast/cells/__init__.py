"""Floor 1: the recurrent cells, each in one file with its forward and its backward pass."""

from __future__ import annotations

from gruforecast.cells.base import Cell
from gruforecast.cells.gru import GRU_AFTER, GRU_BEFORE
from gruforecast.cells.lstm import LSTM
from gruforecast.cells.rnn import RNN
from gruforecast.foundations.checks import check_choice

CELLS = {"gru": GRU_AFTER, "lstm": LSTM, "rnn": RNN}


def get_cell(name: str, reset_after: bool = True) -> Cell:
    """The cell of that name; ``reset_after`` chooses the form of the GRU."""
    cell = CELLS[check_choice("cell", name, CELLS)]
    return GRU_BEFORE if cell is GRU_AFTER and not reset_after else cell


__all__ = ["CELLS", "Cell", "get_cell"]
