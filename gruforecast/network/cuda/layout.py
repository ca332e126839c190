"""Parameters on a GPU: widths filled up to multiples of four, with zeros that stay zeros.

A unit that is filled up has weights, biases and gradients of zero, so it does nothing and learns
nothing; four numbers can be read at once everywhere.
"""

from __future__ import annotations

import numpy as np

from gruforecast.network.parameters import Layout, Parameter
from gruforecast.network.specification import Specification

WIDE = 4


def filled(n: int) -> int:
    """The next multiple of four."""
    return -(-n // WIDE) * WIDE


class WideLayout:
    """Where each parameter of a network lies on a GPU.

    ``places`` (P,) says where the numbers of ``Network.flat`` go in a vector of ``size`` numbers.
    """

    def __init__(self, spec: Specification) -> None:
        self.spec = spec
        self.at: dict[str, int] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        places, start = [], 0
        for parameter in Layout(spec).parameters:
            axes = self._axes(parameter)
            widths = [filled(int(axis[-1]) + 1) for axis in axes]
            if parameter.name.startswith("embedding"):
                widths = list(parameter.shape)  # read number by number
            self.at[parameter.name], self.shapes[parameter.name] = start, tuple(widths)
            if len(axes) == 1:
                inside = axes[0]
            else:
                inside = (axes[0][:, None] * widths[1] + axes[1][None, :]).ravel()
            places.append(start + inside)
            start += filled(int(np.prod(widths)))
        self.places = np.concatenate(places)
        self.size = start

    def widen(self, flat: np.ndarray) -> np.ndarray:
        """Numbers (P,) of the network -> (size,)."""
        out = np.zeros(self.size, flat.dtype)
        out[self.places] = flat
        return out

    def _axes(self, parameter: Parameter) -> list[np.ndarray]:
        """Where the rows and columns of a parameter go."""
        kind = parameter.name.rsplit(".", 1)[1]
        rows, columns = np.arange(parameter.shape[0]), np.arange(parameter.shape[-1])
        if parameter.name.startswith("layer"):
            if kind not in ("w_x", "w_h"):
                return [self._of_units(columns)]
            of_first = kind == "w_x" and parameter.name.startswith("layer0.")
            return [rows if of_first else self._of_units(rows), self._of_units(columns)]
        if len(parameter.shape) == 1:
            return [columns]
        from_encoding = parameter.name == self._first_after_layers() or (
            kind == "w_state" and (self.spec.decoder_steps or not self.spec.dense_sizes)
        )
        return [self._of_units(rows) if from_encoding else rows, columns]

    def _of_units(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers of units, gate by gate or direction by direction."""
        size = self.spec.hidden_size
        return np.asarray(numbers // size * filled(size) + numbers % size)

    def _first_after_layers(self) -> str:
        return "dense0.w" if self.spec.dense_sizes else "head.w"
