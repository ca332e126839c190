"""Figures are drawn without a window, and none is left open."""

import os
import sys

import pytest

os.environ["MPLBACKEND"] = "Agg"


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def many_shards(monkeypatch):
    """Batches are cut into many shards, however small: threads share out even the smallest work."""
    from gruforecast.training import gradients

    monkeypatch.setattr(gradients, "WORTH_SHARING", 1e-9)
    monkeypatch.setattr(gradients, "LEAST_SHARD", 1)
