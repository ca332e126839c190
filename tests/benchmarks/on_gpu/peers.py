"""PyTorch: nn.GRU by cuDNN, a linear head, squared error, clipping and Adam.

Windows are a view of the series on the GPU that is indexed by start row. A graph holds a whole
step, with the start rows in a tensor of its own.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from gruforecast.network import Network, Specification
from gruforecast.training import Dataset
from tests.benchmarks.on_gpu.measure import Contender
from tests.benchmarks.on_gpu.tasks import Setting, Size

KINDS = {  # name: whether matrix products are in TF32, whether a graph is replayed
    "cudnn": (False, False),
    "cudnn graph": (False, True),
    "cudnn tf32": (True, False),
    "cudnn tf32 graph": (True, True),
}
TRITON = "torchrl triton"
MODULES = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM, "rnn": torch.nn.RNN}
BLOCKS = {"gru": [1, 0, 2], "lstm": [0, 1, 3, 2], "rnn": [0]}  # our gate at torch's place


def use_tf32(wanted: bool) -> None:
    """Matrix products and cuDNN round their factors to ten bits, or do not."""
    torch.backends.cuda.matmul.allow_tf32 = wanted
    torch.backends.cudnn.allow_tf32 = wanted


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


class Peer:
    """A network, its optimiser and the data, all on the GPU."""

    def __init__(
        self,
        size: Size,
        series: np.ndarray,
        n_batches: int,
        device: str,
        tf32: bool,
        is_graph: bool,
    ) -> None:
        if is_graph and device != "cuda":
            raise RuntimeError("CUDA graphs need a GPU")
        self.device, self.tf32 = device, tf32
        use_tf32(tf32)
        torch.manual_seed(0)
        self.recurrent = self.make_recurrent(size)
        self.head = torch.nn.Linear(size.hidden, 1).to(device)
        self.parameters = [*self.recurrent.parameters(), *self.head.parameters()]
        self.optimizer = self._adam(is_graph)
        rows = torch.from_numpy(series).to(device)
        self.windows = rows.unfold(0, size.steps, 1).transpose(1, 2)[:-1]
        self.targets = rows[size.steps :, 0].contiguous()
        n = n_batches * size.batch
        order = np.random.default_rng(0).permutation(n).reshape(n_batches, size.batch)
        self.batches = torch.from_numpy(order).to(device)
        self.batch = self.batches[0].clone()
        self.n_batches = n_batches
        self._replay: Callable[[], None] | None = None

    def make_recurrent(self, size: Size) -> torch.nn.Module:
        return torch.nn.GRU(size.features, size.hidden, batch_first=True).to(self.device)

    def _adam(self, is_graph: bool) -> torch.optim.Optimizer:
        """In one kernel where this version of PyTorch can."""
        try:
            return torch.optim.Adam(self.parameters, lr=1e-3, fused=True, capturable=is_graph)
        except (RuntimeError, TypeError):
            return torch.optim.Adam(self.parameters, lr=1e-3, capturable=is_graph)

    def last(self, x: Any) -> Any:
        """The last state (N, H) of windows (N, T, F)."""
        return self.recurrent(x)[1][0]

    def step(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        outputs = self.head(self.last(self.windows[self.batch]))[:, 0]
        functional.mse_loss(outputs, self.targets[self.batch]).backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()

    def forward(self) -> Any:
        with torch.no_grad():
            return self.head(self.last(self.windows))[:, 0]

    def capture(self, work: Callable[[], Any]) -> None:
        """Record a graph of what ``work`` launches, after some calls on a stream of its own."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                work()
        torch.cuda.current_stream().wait_stream(stream)
        self.optimizer.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        gc.collect()
        gc.disable()  # nothing of the GPU may be given back while it records
        try:
            with torch.cuda.graph(graph):
                self.result = work()
        finally:
            gc.enable()
        self._replay = graph.replay

    def steps(self, n: int) -> None:
        use_tf32(self.tf32)
        for k in range(n):
            self.batch.copy_(self.batches[k % self.n_batches])
            (self._replay or self.step)()

    def forwards(self, n: int) -> None:
        use_tf32(self.tf32)
        for _ in range(n):
            (self._replay or self.forward)()


class TritonPeer(Peer):
    """The GRU that torchrl has written in Triton."""

    def make_recurrent(self, size: Size) -> torch.nn.Module:
        from torchrl.modules import GRUModule

        return GRUModule(
            input_size=size.features, hidden_size=size.hidden, in_keys=["x", "hidden"],
            out_keys=["states", ("next", "hidden")], recurrent_backend="triton",
            default_recurrent_mode=True, device=self.device,
        )  # fmt: skip

    def last(self, x: Any) -> Any:
        from tensordict import TensorDict

        shape, hidden = x.shape[:2], self.parameters[-2].shape[1]  # of the head's weights
        begin = torch.zeros(*shape, 1, hidden, device=self.device)
        first = torch.zeros(*shape, 1, dtype=torch.bool, device=self.device)
        batch = TensorDict({"x": x.contiguous(), "hidden": begin, "is_init": first}, shape)
        return self.recurrent(batch)["states"][:, -1]


def makers(
    what: str, size: Size, series: np.ndarray, setting: Setting
) -> dict[str, Callable[[], Contender]]:
    """What makes each peer for a "step" or for "forward" alone."""
    kinds: dict[str, Any] = {name: (Peer, *kind) for name, kind in KINDS.items()}
    if find_spec("torchrl") is not None:
        kinds[TRITON] = (TritonPeer, False, False)
    return {
        name: partial(_make, what, size, series, setting, *kind) for name, kind in kinds.items()
    }


def _make(
    what: str, size: Size, series: np.ndarray, setting: Setting, kind: type[Peer], tf32: bool,
    is_graph: bool,
) -> Contender:  # fmt: skip
    device = setting.torch_device
    peer = kind(size, series, setting.n_batches, device, tf32, is_graph)
    if is_graph:
        peer.capture(peer.step if what == "step" else peer.forward)
    call = peer.steps if what == "step" else peer.forwards
    return Contender(call, wait=partial(wait, device))


def outputs_and_gradient(
    network: Network, data: Dataset, device: str
) -> tuple[np.ndarray, np.ndarray]:
    """Outputs (N, K) of the same network by PyTorch, and the gradient (P,) of the squared error."""
    use_tf32(False)
    spec, windows = network.specification, data.windows
    recurrent = MODULES[spec.cell](
        spec.n_features, spec.hidden_size, spec.num_layers, bidirectional=spec.bidirectional,
        batch_first=True,
    ).to(device)  # fmt: skip
    head = torch.nn.Linear(spec.encoding_size, spec.n_outputs).to(device)
    parameters = dict(recurrent.named_parameters())
    parameters |= {"head.w": head.weight, "head.b": head.bias}
    with torch.no_grad():
        for name, value in _in_torch(spec, network.weights).items():
            parameters[name].copy_(torch.from_numpy(np.array(value)))
    rows = torch.from_numpy(windows.series).to(device).unfold(0, windows.n_steps, 1)
    x = rows.transpose(1, 2)[torch.from_numpy(windows.starts).to(device)].contiguous()
    state = recurrent(x)[1]
    state = state[0] if spec.cell == "lstm" else state
    raw = head(torch.cat(list(state[-spec.n_directions :]), 1))
    functional.mse_loss(raw, torch.from_numpy(data.targets).to(device)).backward()
    gradient = {name: value.grad.cpu().numpy() for name, value in parameters.items()}
    ours = _in_ours(spec, network.weights, gradient)
    return raw.detach().cpu().numpy(), np.concatenate([part.ravel() for part in ours])


def _names(spec: Specification) -> Iterator[tuple[str, str]]:
    """Each layer and direction as we and as PyTorch call it."""
    for layer in range(spec.num_layers):
        for d in range(spec.n_directions):
            yield f"layer{layer}." + "reverse." * d, f"l{layer}" + "_reverse" * d


def _in_torch(spec: Specification, ours: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Our parameters under PyTorch's names, in its form."""

    def blocks(value: np.ndarray) -> np.ndarray:
        parts = np.split(value, len(BLOCKS[spec.cell]), -1)
        return np.concatenate([parts[i] for i in BLOCKS[spec.cell]], -1).T

    found = {"head.w": ours["head.w"].T, "head.b": ours["head.b"]}
    for own, suffix in _names(spec):
        found[f"weight_ih_{suffix}"] = blocks(ours[own + "w_x"])
        found[f"weight_hh_{suffix}"] = blocks(ours[own + "w_h"])
        found[f"bias_ih_{suffix}"] = blocks(ours[own + "b"])
        found[f"bias_hh_{suffix}"] = bias = np.zeros_like(ours[own + "b"])
        if spec.cell == "gru":
            bias[2 * spec.hidden_size :] = ours[own + "b_h"]
    return found


def _in_ours(
    spec: Specification, ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    """PyTorch's gradients in the order of our parameters, in our form."""

    def blocks(value: np.ndarray) -> np.ndarray:
        order = BLOCKS[spec.cell]
        parts = np.split(value.T, len(order), -1)
        return np.concatenate([parts[order.index(k)] for k in range(len(order))], -1)

    found = {"head.w": theirs["head.w"].T, "head.b": theirs["head.b"]}
    for own, suffix in _names(spec):
        found[own + "w_x"] = blocks(theirs[f"weight_ih_{suffix}"])
        found[own + "w_h"] = blocks(theirs[f"weight_hh_{suffix}"])
        found[own + "b"] = blocks(theirs[f"bias_ih_{suffix}"])
        found[own + "b_h"] = theirs[f"bias_hh_{suffix}"][2 * spec.hidden_size :]
    return [found[name] for name in ours]
