"""A card where the package looks for one, and cards with less of everything."""

from contextlib import contextmanager

import pytest

from gruforecast.network.cuda import inference
from gruforecast.training.cuda import launch


@contextmanager
def in_place(card):
    """The package finds this card instead of opening one."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (inference, launch):
            patch.setattr(module, "open_card", lambda number: card)
        patch.setattr(launch, "FIRST", 10**9)  # nothing depends on time
        yield card


@contextmanager
def changed(card, **attributes):
    """The card with other attributes for a while."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in attributes.items():
            patch.setattr(card, name, value, raising=False)
        yield card


def with_shared(card, n_numbers):
    """The card with so many numbers of shared memory for a block, or fewer."""
    prepare, limit = card.prepare, n_numbers * card.real.itemsize
    return changed(card, prepare=lambda *kernel: min(limit, prepare(*kernel)))


def with_blocks(card, n_blocks):
    """The card with so few multiprocessors, of which each has a block."""
    at_once = card.n_at_once
    return changed(
        card, n_multiprocessors=n_blocks, n_at_once=lambda *kernel: min(n_blocks, at_once(*kernel))
    )


@contextmanager
def counted(card):
    """The numbers of blocks of all launches from now on."""
    made, run = [], card.launch

    def launch(kernel, n_blocks, *arguments, **options):
        made.append(n_blocks)
        run(kernel, n_blocks, *arguments, **options)

    with changed(card, launch=launch):
        yield made
