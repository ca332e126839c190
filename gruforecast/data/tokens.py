"""Tokens and categories as numbers of rows in an embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gruforecast.data.inputs import Carried
from gruforecast.foundations.stored import stored


def is_none(tokens: np.ndarray) -> np.ndarray:
    """What stands for no token: None, NaN, or a negative number."""
    none = np.asarray(pd.isna(tokens))
    if tokens.dtype.kind in "if":
        none = none | (np.nan_to_num(tokens) < 0)
    return none


def plain(label: Any) -> Any:
    """A label as Python writes it, without NumPy's type."""
    return label.item() if isinstance(label, np.generic) else label


@stored("TokenEncoder")
@dataclass(frozen=True)
class TokenEncoder:
    """Each column's tokens, numbered; -1 where there is none or, if wished, an unknown one."""

    vocabularies: tuple[pd.Index, ...]  # (F,) the tokens of each column, in order
    ignore_unknown: bool
    dtype: str

    @classmethod
    def fit(cls, values: np.ndarray, *, ignore_unknown: bool, dtype: str) -> TokenEncoder:
        """Learn the tokens of training rows (n, F) alone."""
        vocabularies = []
        for column in values.T:
            known = pd.Index(column[~is_none(column)]).unique()
            if not len(known):
                raise ValueError(
                    "X: expected at least one token in every column, got a column without any; "
                    "drop it."
                )
            try:
                vocabularies.append(known.sort_values())
            except TypeError:
                kinds = sorted({type(token).__name__ for token in known})
                raise ValueError(
                    f"X: expected tokens of one type in a column, got {' and '.join(kinds)}; "
                    f"convert them."
                ) from None
        return cls(tuple(vocabularies), ignore_unknown, dtype)

    @property
    def width(self) -> int:
        return len(self.vocabularies)

    @property
    def sizes(self) -> list[int]:
        """Number of tokens of each column."""
        return [len(vocabulary) for vocabulary in self.vocabularies]

    def encode(
        self, values: np.ndarray, bounds: np.ndarray, **_: Any
    ) -> tuple[np.ndarray, Carried]:
        """Rows (n, F) of tokens -> their numbers (n, F); nothing is carried forward."""
        out = np.empty(values.shape, self.dtype)
        for j, vocabulary in enumerate(self.vocabularies):
            column = values[:, j]
            codes = vocabulary.get_indexer(pd.Index(column))
            unknown = (codes < 0) & ~is_none(column)
            if unknown.any() and not self.ignore_unknown:
                at = int(np.argmax(unknown))
                raise ValueError(
                    f"X: expected tokens that training has seen, got {plain(column[at])!r}; train "
                    f"with it or set handle_unknown='ignore'."
                )
            out[:, j] = codes
        return out, Carried.nothing(len(bounds) - 1, values.shape[1])
