"""Where passes and training run: on the CPU, or on a GPU for what one can do."""

from __future__ import annotations

from collections.abc import Sequence

from gruforecast.foundations.device import resolve_device
from gruforecast.network.specification import Specification
from gruforecast.network.windows import Windows


def gpu_for(
    device: str, dtype: str, *windows: Windows, spec: Specification | None = None,
    problem: str | None = None,
) -> int | None:  # fmt: skip
    """The number of the GPU to use, None for the CPU.

    What a GPU cannot do runs on the CPU with "auto", and is an error with "cuda"; ``problem`` says
    what that is, if the caller knows of something.
    """
    gpu = resolve_device(device)
    if gpu is None:
        return None
    problem = problem or _problem(dtype, windows, spec)
    if problem is None:
        return gpu
    if device == "auto":
        return None
    raise ValueError(problem)


def _problem(dtype: str, windows: Sequence[Windows], spec: Specification | None) -> str | None:
    """What a GPU cannot do, as an error says it."""
    choices: dict[str, tuple[object, object]] = {"dtype": ("float32", dtype)}
    if spec is not None:
        choices["pooling"] = ("last", spec.pooling)
    for name, (wanted, got) in choices.items():
        if wanted != got:
            return f"{name}: expected {wanted!r} on a GPU, got {got!r}; choose it, or device='cpu'."
    if any(one.initial_state is not None for one in windows):
        return (
            "initial_state: expected None on a GPU, got an array; drop it, or choose device='cpu'."
        )
    return None
