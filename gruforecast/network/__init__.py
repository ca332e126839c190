"""Floor 2: parameters, layers, and the order of passes."""

from gruforecast.network.network import Network
from gruforecast.network.specification import Specification
from gruforecast.network.windows import Windows

__all__ = ["Network", "Specification", "Windows"]
