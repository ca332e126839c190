"""Where passes and training run: on the CPU, or on a GPU for what one can do."""

from __future__ import annotations

from gruforecast.foundations.device import resolve_device
from gruforecast.network.windows import Windows


def gpu_for(device: str, dtype: str, *windows: Windows) -> int | None:
    """The number of the GPU to use, None for the CPU.

    What a GPU cannot do runs on the CPU with "auto", and is an error with "cuda".
    """
    gpu = resolve_device(device)
    if gpu is None:
        return None
    problem = None
    if dtype != "float32":
        problem = f"dtype: expected 'float32' on a GPU, got {dtype!r}; choose it, or device='cpu'."
    elif any(one.initial_state is not None for one in windows):
        problem = (
            "initial_state: expected None on a GPU, got an array; drop it, or choose device='cpu'."
        )
    if problem is None:
        return gpu
    if device == "auto":
        return None
    raise ValueError(problem)
