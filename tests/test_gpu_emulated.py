"""The tests of ``tests/gpu_bodies`` on an emulated GPU, in float64: mathematics, barriers, places.

Memory of this GPU is full of NaN at first, so that whoever reads what nobody wrote is found.
"""

import itertools
import sys

import numpy as np
import pytest

if not sys.platform.startswith("linux"):
    pytest.skip("kernels for a GPU are tested on Linux", allow_module_level=True)
pytest.importorskip("numba_cuda", reason="expected numba-cuda; install the extra cuda")
pytest.importorskip("greenlet", reason="expected greenlet; install the extra test")

from gruforecast.network.cuda import fields
from gruforecast.network.cuda.layout import WideLayout, filled
from gruforecast.network.cuda.learning import LearningProgram
from gruforecast.network.cuda.packing import fitting_program
from gruforecast.network.cuda.program import Program
from gruforecast.network.cuda.stack import MOST_ROWS
from tests.emulator import EmulatedCard
from tests.gpu_bodies import gradients, network
from tests.gpu_bodies.gradients import Gradients
from tests.gpu_bodies.network import CASES, LIMITS, WIDE, Networks
from tests.gpu_bodies.problems import FLAGS, make_problem
from tests.gpu_bodies.runs import Runs
from tests.gpu_bodies.segments import Segments
from tests.gpu_bodies.training import DEEP, Training, mixed_trials
from tests.gpu_bodies.trials import check, make_trial


class UncleanCard(EmulatedCard):
    """Nothing but counters is zero at first."""

    def zeros(self, n, dtype):
        made = super().zeros(n, dtype)
        if made.dtype.kind == "f":
            made.array[...] = np.nan
        return made


class Emulated:
    """What all classes of bodies are given; ``within`` is how far numbers may be off."""

    @pytest.fixture
    def card(self):
        return UncleanCard(real=np.float64)

    @pytest.fixture
    def tolerance(self):
        return self.within


class TestNetworks(Emulated, Networks):
    within = 1e-9


class TestGradients(Emulated, Gradients):
    within = 3e-7  # of differences, where layer norm bends most


class TestSegments(Emulated, Segments):
    within = 1e-8


class TestTraining(Emulated, Training):
    within = 1e-8


class TestRuns(Emulated, Runs):
    within = 1e-8


class TestFloat32:
    """The type of a real GPU."""

    @pytest.mark.parametrize("case", CASES[::3], ids=str)
    def test_networks(self, case):
        network.check(UncleanCard(), make_problem(case), 3e-6)

    @pytest.mark.parametrize("case", CASES[1::3], ids=str)
    def test_gradients(self, case):
        gradients.check(UncleanCard(), make_problem(case), 1e-5)

    def test_training(self):
        trials = [make_trial(options={"clip_norm": 0.3}, **DEEP), *mixed_trials()[:2]]
        check(UncleanCard(), *trials, tolerance=1e-5)


@pytest.mark.parametrize("n_threads", [1, 64, 256])
def test_other_numbers_of_threads(n_threads):
    card, problem = UncleanCard(real=np.float64, n_threads=n_threads), make_problem(CASES[0])
    network.check(card, problem, 1e-9)
    gradients.check(card, problem, 3e-7)


def test_cases_cover_all_pairs_of_options():
    rows = []
    for cell, layers, dense, flags, _, _ in CASES[:10]:
        on = set(flags.split())
        rows.append((cell, f"{layers} layers", dense != (), *((f, f in on) for f in FLAGS)))
    choices = [set(column) for column in zip(*rows, strict=True)]
    possible = {p for a, b in itertools.combinations(choices, 2) for p in itertools.product(a, b)}
    covered = {pair for row in rows for pair in itertools.combinations(row, 2)}
    assert possible - covered == {("1 layers", ("dropout", True))}


def recurrences(kind, case, limit):
    """Rows of the shards of a case; of its recurrent layers (parts, whether weights fit)."""
    spec = make_problem(case).network.specification
    n, n_steps = case[4][:2]
    wide, most = WideLayout(spec), min(MOST_ROWS, filled(n))
    program = fitting_program(lambda rows: kind(spec, wide, n_steps, rows, limit), most)
    code = fields.RECUR_BACK if kind is LearningProgram else fields.RECUR
    done = program.backward if kind is LearningProgram else program.forward
    return program.n_rows, {(o[fields.N_PARTS], o[fields.IN_SHARED]) for o in done if o[0] == code}


@pytest.mark.parametrize("kind", [Program, LearningProgram])
def test_cases_cover_all_ways_of_a_recurrence(kind):
    limit = EmulatedCard().shared_limit // 8
    found = [recurrences(kind, case, limit)[1] for case in CASES]
    n_parts = {n for ways in found for n, in_shared in ways if in_shared}
    assert 1 in n_parts
    assert max(n_parts) > 1
    (many, outside), (fewer, also) = (recurrences(kind, WIDE, limit) for limit in LIMITS)
    assert fewer < many <= MOST_ROWS
    for ways in (outside, also):
        assert {(n > 1, in_shared) for n, in_shared in ways} == {(True, 0)}
