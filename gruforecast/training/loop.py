"""The training loop."""

from __future__ import annotations

from collections.abc import Sequence

from gruforecast.foundations.checks import check_type, warn_caller
from gruforecast.network import Network
from gruforecast.network.network import resolve_threads
from gruforecast.network.placement import gpu_for
from gruforecast.training.dataset import Dataset
from gruforecast.training.epochs import evaluate
from gruforecast.training.finite import NotFiniteWarning
from gruforecast.training.gradients import check_fit
from gruforecast.training.in_step import train_on_cpu
from gruforecast.training.job import Callback, InStep, Job
from gruforecast.training.options import TrainingOptions
from gruforecast.training.state import TrainingResult, TrainingState
from gruforecast.training.together import train_on_gpu


def train(
    network: Network,
    data: Dataset,
    options: TrainingOptions | None = None,
    *,
    validation: Dataset | None = None,
    callbacks: Sequence[Callback] = (),
    resume_from: TrainingState | None = None,
    n_threads: int | None = None,
    device: str = "cpu",
) -> TrainingResult:
    """Train a network in place.

    The result has the same bits for any number of threads. With a validation set the best
    weights come back, those at the start among them, also after an exception; when the loss is no
    longer finite, the last weights with a finite loss do, with a ``NotFiniteWarning``.

    Parameters
    ----------
    network : Network
    data : Dataset
    options : TrainingOptions, optional
    validation : Dataset, optional
        Scored after every epoch.
    callbacks : sequence of functions of an EpochReport
        Called after every epoch; the run stops when one returns True.
    resume_from : TrainingState, optional
        The ``checkpoint`` of an earlier result: the run goes on bit for bit.
    n_threads : int, optional
        As many as there are processors by default.
    device : str, default "cpu"
        "cpu"; "cuda", "cuda:1" and so on for a GPU, which takes float32; "auto" for the first GPU
        if there is one that can be used.

    Returns
    -------
    TrainingResult

    Examples
    --------
    >>> import numpy as np
    >>> from gruforecast.network import Network, Specification, Windows
    >>> from gruforecast.training import Dataset, TrainingOptions, train
    >>> series = np.sin(0.3 * np.arange(500.0)).reshape(-1, 1)
    >>> data = Dataset(Windows(series, np.arange(460), n_steps=20), series[20:480])
    >>> network = Network(Specification(n_features=1, hidden_size=16), seed=0)
    >>> result = train(network, data, TrainingOptions(max_epochs=5, learning_rate=0.01))
    >>> result.loss_curve[-1] < 0.05
    True
    """
    (result,) = train_ensemble(
        [network],
        data,
        [TrainingOptions() if options is None else options],
        validation=validation,
        callbacks=callbacks,
        resume_from=None if resume_from is None else [resume_from],
        n_threads=n_threads,
        device=device,
    )
    return result


def train_ensemble(
    networks: Sequence[Network],
    data: Dataset | Sequence[Dataset],
    options: Sequence[TrainingOptions],
    *,
    validation: Dataset | Sequence[Dataset] | None = None,
    callbacks: Sequence[Callback] = (),
    resume_from: Sequence[TrainingState] | None = None,
    n_threads: int | None = None,
    device: str = "cpu",
) -> list[TrainingResult]:
    """Train networks in place and side by side, on the same data or each on its own.

    What comes of each is what ``train`` makes of it alone, on a CPU to the last bit.

    Parameters
    ----------
    networks : sequence of Network
    data : Dataset, or a sequence with one for each network
    options : sequence of TrainingOptions
        One for each network; with other seeds, as a rule.
    validation : Dataset, or a sequence with one for each network, optional
        Scored after every epoch; networks stop one by one.
    callbacks : sequence of functions of an EpochReport
        Called after every epoch of all networks, with the report of the first that still trains;
        all stop when one returns True.
    resume_from : sequence of TrainingState, optional
        The ``checkpoint`` of each earlier result.
    n_threads : int, optional
        Shared out among the networks. As many as there are processors by default.
    device : str, default "cpu"
        As of ``train``; a GPU trains them all at once.

    Returns
    -------
    list of TrainingResult
    """
    if not networks or len(networks) != len(options):
        raise ValueError(
            f"options: expected one for each of some networks, got {len(options)} for "
            f"{len(networks)}; pass as many as networks."
        )
    told = InStep(callbacks)
    n = len(networks)
    earlier = [None] * n if resume_from is None else resume_from
    parts = [part if isinstance(part, Sequence) else [part] * n for part in (data, validation)]
    for name, part in zip(("data", "validation"), parts, strict=True):
        if len(part) != n:
            raise ValueError(
                f"{name}: expected one for all networks or one for each, got {len(part)} for {n}; "
                f"pass as many as networks."
            )
    each = list(zip(*parts, networks, options, earlier, strict=True))
    for one in each:
        _check_arguments(callbacks, *one)
    windows = [part.windows for one in each for part in one[:2] if part is not None]
    gpu = gpu_for(device, networks[0].specification.dtype, *windows)
    jobs = []
    for member, (own, own_validation, network, chosen, before) in enumerate(each):
        if before is None:
            state = TrainingState.start(network, chosen)
            if own_validation is not None:
                loss = chosen.make_loss()
                state.record_start(evaluate(network, own_validation, loss, n_threads=n_threads))
        else:
            state = before.resume(network, chosen, validated=own_validation is not None)
        jobs.append(Job(network, own, chosen, own_validation, state, told.of(member)))
    if gpu is None:
        outcomes = train_on_cpu(jobs, resolve_threads(n_threads))
    else:
        outcomes = train_on_gpu(jobs, gpu)
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
    for member, outcome in enumerate(outcomes, start=1):
        if outcome.message is not None:
            which = f"network {member} of {len(jobs)}, " if len(jobs) > 1 else ""
            warn_caller(which + outcome.message, NotFiniteWarning)
    return [TrainingResult.of(outcome.checkpoint, outcome.reason) for outcome in outcomes]


def _check_arguments(
    callbacks: Sequence[Callback],
    data: Dataset,
    validation: Dataset | None,
    network: Network,
    options: TrainingOptions,
    resume_from: TrainingState | None,
) -> None:
    check_type("options", options, TrainingOptions, "pass TrainingOptions(...)")
    loss = options.make_loss()
    check_fit(network, data, loss)
    n_numeric = network.specification.n_numeric
    if isinstance(options.input_noise, tuple) and len(options.input_noise) != n_numeric:
        raise ValueError(
            f"input_noise: expected one number for each of the {n_numeric} numeric columns, got "
            f"{len(options.input_noise)}; pass as many, or one for all."
        )
    if validation is not None:
        check_fit(network, validation, loss)
    elif options.patience is not None:
        raise ValueError(
            f"patience: expected None without a validation set, got {options.patience}; "
            f"pass validation=Dataset(...) or drop it."
        )
    if not isinstance(callbacks, Sequence) or not all(map(callable, callbacks)):
        raise TypeError(
            f"callbacks: expected a list of functions, got {callbacks!r}; pass [function]."
        )
    if resume_from is not None:
        check_type("resume_from", resume_from, TrainingState, "pass result.checkpoint")
