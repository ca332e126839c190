"""The reference of the training loop against torch and hand-computed values."""

import math

import numpy as np
import pytest
import torch

from tests import reference_training as reference

close = np.testing.assert_allclose

OPTIM, L2 = torch.optim, np.array([0.3, 0.3, 0.0, 0.0, 0.3])


@pytest.mark.parametrize(
    ("name", "options", "theirs", "their_options"),
    [
        ("sgd", {}, OPTIM.SGD, {"momentum": 0.9, "nesterov": True}),
        ("sgd", {"nesterov": False}, OPTIM.SGD, {"momentum": 0.9}),
        ("sgd", {"momentum": 0.0}, OPTIM.SGD, {}),
        ("rmsprop", {}, OPTIM.RMSprop, {"alpha": 0.99}),
        ("rmsprop", {"decay": 0.8, "epsilon": 0.1}, OPTIM.RMSprop, {"alpha": 0.8, "eps": 0.1}),
        ("adagrad", {}, OPTIM.Adagrad, {}),
        ("adam", {}, OPTIM.Adam, {}),
        ("adam", {"beta1": 0.5, "beta2": 0.7}, OPTIM.Adam, {"betas": (0.5, 0.7)}),
        ("adamw", {"decay": L2}, OPTIM.AdamW, {}),
    ],
)
@pytest.mark.parametrize("clipping", [{}, {"clip_value": 0.8, "clip_norm": 1.1}])
def test_trajectory_equals_torch(name, options, theirs, their_options, clipping):
    """Ten steps with a changing rate on sum(sin(w) * slope), with l1 and l2 where penalised."""
    slope = np.array([1.0, -2.0, 0.5, 3.0, -0.1])
    w, decay = np.array([0.3, -0.4, 1.2, 0.0, 2.0]), name == "adamw"
    v = [torch.nn.Parameter(torch.tensor([value])) for value in w]  # one per entry
    groups = [{"params": [a], "weight_decay": L2[i] * decay} for i, a in enumerate(v)]
    theirs, ours = (
        theirs(groups, lr=1.0, **their_options),
        reference.OPTIMIZERS[name](**options),
    )
    for step in range(10):
        lr = reference.schedule_value("one_cycle", 0.1, step, 10, 0, 1)
        g = reference.add_penalties(np.cos(w) * slope, w, L2 > 0, 0.1, 0.0 if decay else 0.3)
        w = ours.step(w, reference.clip(g, **clipping), lr)
        for a, b, l2 in zip(v, slope, L2, strict=True):
            penalty = (l2 > 0) * 0.1 * a.sign() + (not decay) * l2 * a
            a.grad = (b * a.cos() + penalty).detach()
        if clipping:
            torch.nn.utils.clip_grad_value_(v, 0.8)
            torch.nn.utils.clip_grad_norm_(v, 1.1)
        for group in theirs.param_groups:
            group["lr"] = lr
        theirs.step()
    close(w, torch.cat(v).detach(), rtol=1e-5 if clipping else 1e-12)


@pytest.mark.parametrize(
    ("name", "step", "epoch", "options", "expected"),
    [
        ("constant", 7, 3, {}, 2.0),
        ("step", 0, 9, {}, 2.0),
        ("step", 0, 10, {}, 1.0),
        ("step", 0, 7, {"step_epochs": 3, "factor": 0.1}, 0.02),
        ("exponential", 0, 0, {}, 2.0),
        ("exponential", 0, 2, {}, 2 * 0.95**2),
        ("cosine", 0, 0, {}, 2.0),
        ("cosine", 50, 0, {}, 1.0 + 2 * math.cos(math.pi * 50 / 101) / 2),
        ("cosine", 101, 0, {"floor": 0.1}, 0.2),
        ("one_cycle", 0, 0, {}, 0.08),
        ("one_cycle", 15, 0, {}, 1.04),
        ("one_cycle", 30, 0, {}, 2.0),
        ("one_cycle", 65, 0, {}, 1 + 1e-4),
        ("one_cycle", 100, 0, {}, 2e-4),
        ("one_cycle", 0, 0, {"warm_up": 0.0}, 2.0),
    ],
)
def test_schedule_by_hand(name, step, epoch, options, expected):
    close(
        reference.schedule_value(name, 2.0, step, 101, epoch, 12, **options),
        expected,
        1e-12,
    )


def test_clip_plateau_and_one_step_run_by_hand():
    assert reference.schedule_value("one_cycle", 2.0, 0, 1, 0, 1) == pytest.approx(0.08)
    close(reference.clip(np.array([3.0, -40.0]), 4.0, 1.0), [0.6, -0.8])
    close(reference.clip(np.array([3.0, -4.0]), None, 5.0), [3.0, -4.0])
    plateau = reference.Plateau(1.0, patience=2)
    losses = [5.0, 4.0, 4.0, 3.9, 3.9, 4.5, 4.0, 3.9, 3.8, 3.8, math.nan]
    rates = [1, 1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]
    assert [plateau.update(loss) for loss in losses] == rates
    plateau = reference.Plateau(1.0, factor=0.1, patience=1, tol=0.5)
    assert [plateau.update(loss) for loss in (2.0, 1.6, 1.4)] == pytest.approx([1, 0.1, 0.1])
