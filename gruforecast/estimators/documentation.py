"""What the docstrings of the three estimators have in common, written once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

Class = TypeVar("Class", bound=type)

PARAMETERS = """\
lookback : int, optional
        None: every row is a window that is complete in itself, ``X (n, steps)`` of one feature or
        ``X (n, steps, F)``, oldest step first. A number: rows are consecutive steps, and the
        window of a row is the row itself and up to ``lookback - 1`` rows before it.
    context : {"auto", "train", "none"}, default "auto"
        With a lookback: whether the first rows of a new X see the last training rows as their
        history. "auto": if X has an index of times (or of row numbers that do not start at 0),
        when its first row follows the training rows directly, and a warning names the number of
        rows with truncated history otherwise; without such an index, always, but for rows that
        repeat the first training rows one by one. "train": always; "none": never. Of arrays only
        those that do follow the training rows are right: other splits than TimeSeriesSplit cannot
        be seen from an array.
    cell : {"gru", "lstm", "rnn"}, default "gru"
    hidden_size : int, optional
        Units of a layer, in each direction. Default: 32.
    num_layers : int, default 1
    bidirectional : bool, default False
        Read each window backward in time, too.
    reset_after : bool, default True
        The GRU's reset gate multiplies after the recurrent product (PyTorch, cuDNN) or, if False,
        before it (Cho 2014).
    layer_norm : bool, default False
        Normalise the input and the recurrent part of every gate.
    dropout, recurrent_dropout : float, default 0
        Share of values dropped in training between layers, and in the recurrent product.
    normalize : {"standard", "none"}, default "standard"
        Centre and scale each feature (all steps of a window alike) and each column of a numeric
        y with mean and deviation of the training rows; predictions come back in the units of y.
    missing : {"mask", "ffill", "error"}, default "mask"
        Missing values in X: carried forward, with an input more for each feature that lacks values
        in training, the age of its newest value ("mask"); carried forward ("ffill"); refused
        ("error"). Leading steps of a window (n, steps, F) without any value are no part of it.
    optimizer : {"adam", "adamw", "rmsprop", "sgd", "adagrad"}, default "adam"
    learning_rate : float, optional
        Default: 0.005.
    learning_rate_schedule : str, default "auto"
        "constant" (which "auto" is), "step", "exponential", "cosine", "one_cycle" or "plateau".
    momentum : float, default 0.9
        Of sgd, in Nesterov's form.
    batch_size : int, optional
        Windows of a step. Default: 64.
    max_iter : int, optional
        Epochs: passes over the training rows. Default: 100.
    clip_norm, clip_value : float, optional
        Largest norm of the whole gradient (default 1) and largest entry of it.
    alpha : float, default 0
        Strength of the penalty ``alpha * (l1_ratio * |w| + (1 - l1_ratio) / 2 * w^2)`` on all
        matrices.
    l1_ratio : float, default 0
        Share of the absolute values in the penalty, between 0 and 1.
    early_stopping : bool or "auto", default "auto"
        Keep the chronological tail of each series for validation, without the training rows
        whose targets may reach into it (as many as y has columns); stop when its loss no longer
        falls, and keep the best weights. "auto": from 1000 rows that can train.
    validation_fraction : float, default 0.1
        Share of the rows that are kept.
    n_iter_no_change : int, optional
        Epochs without a fall of more than ``tol`` after which to stop. Default: 10.
    tol : float, default 1e-4
    warm_start : bool, default False
        ``fit`` goes on from the weights of the last fit, with its scales (and classes, and
        tokens); optimiser, schedule and curves start anew.
    n_jobs : int, optional
        Threads; -1 is all. None: all, or one inside a worker of joblib. The result has the same
        bits for any number.
    device : str, default "cpu"
        What trains and predicts: "cpu"; "cuda", or "cuda:1" and so on, for an NVIDIA GPU, which
        needs the extra ``cuda`` and takes float32; "auto" for the first GPU where one can be used,
        or else the CPU. A model fitted on one predicts on the other after ``set_params``.
    dtype : {"float32", "float64"}, default "float32"
        Of weights and states. Scales and results are float64.
    random_state : int, RandomState or Generator, optional
        Of starting weights, order and dropout.
    verbose : int, default 0
        Above 0 writes a line per epoch, of the first network that still trains."""

ENSEMBLE = """\
n_estimators : int, default 1
        Networks that are trained on the same rows from different seeds, side by side, and whose
        forecasts are averaged: numbers, quantiles, parameters of a likelihood, or probabilities of
        classes. The first has the weights of ``n_estimators=1``, whatever their number."""

ATTRIBUTES = """\
network_, networks_ : Network, list of Network
        The network, and all of them where there are several; ``weights_`` are the parameters of
        the first by name, as NumPy arrays. Epochs and losses are those of the first, too.
    n_iter_ : int
        Epochs that were run; of series without those on all rows that follow the judgement.
    loss_curve_, validation_loss_curve_ : list of float
        Mean loss per epoch, in scaled units; the latter is None without validation.
    best_loss_, best_iter_ : float, int
        The best loss (of validation if there is one) and its epoch; 0 is the start.
    stopping_reason_ : str
        "max_epochs", "early_stopping", "callback", "not_finite" or "interrupted".
    n_features_in_, feature_names_in_ : int, array
        Columns of X; features of a window (n, steps, F)."""


def document(cls: Class) -> Class:
    """Fill in the parts of a docstring that all estimators share."""
    if cls.__doc__:  # python -OO has none
        text = cls.__doc__.replace("{parameters}", PARAMETERS)
        text = text.replace("{n_estimators}", ENSEMBLE)
        cls.__doc__ = text.replace("{attributes}", ATTRIBUTES)
    return cls


def describe(**entries: str) -> Callable[[Class], Class]:
    """Replace the entries of parameters that mean more to one estimator than to the others."""

    def replace(cls: Class) -> Class:
        for name, entry in entries.items():
            pattern = rf"(?m)^    {name} : .*\n(?:        .*\n)*"
            before, *after = re.split(pattern, cls.__doc__ or "", maxsplit=1)
            cls.__doc__ = entry.join([before, *after])
        return cls

    return replace
