"""Searches of parameters that fit many candidates at once."""

from gruforecast.model_selection.search import GRUSearchCV

__all__ = ["GRUSearchCV"]
