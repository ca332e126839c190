"""The tests of ``tests/gpu_bodies`` on the first GPU of this machine, in float32."""

import pytest

from gruforecast.foundations.device import count_gpus, has_compiler

if not (count_gpus() and has_compiler()):
    pytest.skip("expected an NVIDIA GPU and numba-cuda, got none", allow_module_level=True)

from gruforecast.foundations.cuda.card import open_card
from tests.gpu_bodies.gradients import Gradients
from tests.gpu_bodies.network import Networks
from tests.gpu_bodies.runs import Runs
from tests.gpu_bodies.segments import Segments
from tests.gpu_bodies.training import Training


@pytest.fixture(scope="module")
def card():
    return open_card(0)


class OnHardware:
    """Who derives from it says ``within`` what numbers may be off."""

    @pytest.fixture
    def tolerance(self):
        return self.within


class TestNetworks(OnHardware, Networks):
    within = 1e-5


class TestGradients(OnHardware, Gradients):
    within = 1e-4


class TestSegments(OnHardware, Segments):
    within = 1e-4


class TestTraining(OnHardware, Training):
    within = 1e-3


class TestRuns(OnHardware, Runs):
    within = 1e-3
