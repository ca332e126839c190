"""Where the parts of a network lie in a workspace."""

from __future__ import annotations

from dataclasses import dataclass, field

from gruforecast.network.cuda import fields


@dataclass
class Recurrent:
    """Places of a recurrent layer in one direction."""

    prefix: str
    number: int
    course: int  # the order of its steps
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

    def after(self, n: int) -> int:
        """Where a state lies, n numbers behind that before the first step; 0 where reversed."""
        return self.h + (0 if self.course == fields.REVERSED else n)


@dataclass
class Stack:
    """The recurrent layers on windows, or on the segments ahead."""

    n_steps: int
    n_rows: int  # of all steps
    first: int  # place of the first step of each window that is not masked
    n_drawn: int  # steps of windows that train, for which dropout is drawn; others may have more
    key: int = 0  # what masks are drawn with, beside what those of the windows are
    is_apart: bool = False  # whether each step is the first one from the same state
    layers: list[list[Recurrent]] = field(default_factory=list)
    sources: list[tuple[int, int]] = field(default_factory=list)  # place, width of what each reads


@dataclass
class Ends:
    """Places of gradients of the first or the last states of all layers; -1 where there is none."""

    h: list[int]  # (R, D H) of each layer
    stride: int  # of the rows of these
    c: list[list[int]]  # (R, H) of each layer and direction


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
    state: tuple[int, int]  # place and width of what it reads of the past
