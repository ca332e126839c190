"""Where passes and training run: on the CPU, or on a GPU for what one can do."""

from __future__ import annotations

from gruforecast.foundations.device import resolve_device
from gruforecast.network.specification import Specification
from gruforecast.network.windows import Windows


def gpu_for(
    device: str, dtype: str, *windows: Windows, spec: Specification | None = None
) -> int | None:
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
    elif spec is not None and spec.reads_segments:
        problem = (
            f"segment_length: expected 1 on a GPU, got {spec.segment_length}; choose it, or "
            f"device='cpu'."
        )
    elif spec is not None and spec.pooling != "last":
        problem = (
            f"pooling: expected 'last' on a GPU, got {spec.pooling!r}; choose it, or device='cpu'."
        )
    elif spec is not None and spec.decoder_steps:
        problem = (
            f"decoder_steps: expected 0 on a GPU, got {spec.decoder_steps}; choose it, or "
            f"device='cpu'."
        )
    if problem is None:
        return gpu
    if device == "auto":
        return None
    raise ValueError(problem)
