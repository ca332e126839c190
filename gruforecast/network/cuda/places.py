"""Where the parts of a network lie in a workspace."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Recurrent:
    """Places of a recurrent layer in one direction."""

    prefix: str
    number: int
    is_reversed: bool
    a: int
    h: int
    c: int
    extra: int
    mask: int
    dropped: int
    normed_x: int
    inverse_x: int
    normed_h: int
    inverse_h: int
    u: int


@dataclass
class Ahead:
    """Sizes and places of the head over rows known in the future."""

    n: int  # rows of all windows
    n_columns: int
    n_units: int
    of_step: int  # outputs of a step, filled up
    rows: int
    units: int
    from_state: int
    out: int
