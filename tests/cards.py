"""An emulated GPU where this package looks for a real one."""

from gruforecast.foundations import device
from gruforecast.network.cuda import inference
from gruforecast.training import together
from gruforecast.training.cuda import launch
from tests.emulator import EmulatedCard


def output(model, x, **given):
    """Raw numbers that a model makes of rows."""
    names = ("transform", "predict_proba", "predict")
    return next(getattr(model, name) for name in names if hasattr(model, name))(x, **given)


class CardInPlace:
    """The emulated GPU, and what it was asked for.

    Attributes
    ----------
    card : EmulatedCard
    trained : list of int
        How many networks each call trained at once.
    n_passes : int
        How many times a network ran over windows.
    """

    def __init__(self, monkeypatch, **choices):
        self.card = EmulatedCard(**{"n_threads": 2, "n_multiprocessors": 2} | choices)
        self.trained, self.n_passes = [], 0
        run, train_jobs = inference.run, together._train_jobs

        def counted_run(*args, **options):
            self.n_passes += 1
            run(*args, **options)

        def counted_jobs(jobs, gpu):
            self.trained.append(len(jobs))
            return train_jobs(jobs, gpu)

        monkeypatch.setattr(inference, "open_card", lambda number: self.card)
        monkeypatch.setattr(launch, "open_card", lambda number: self.card)
        # Nothing depends on time: the first launch has all epochs.
        monkeypatch.setattr(launch, "FIRST", 10**9)
        monkeypatch.setattr(inference, "run", counted_run)
        monkeypatch.setattr(together, "_train_jobs", counted_jobs)
        monkeypatch.setattr(device, "count_gpus", lambda: 1)
        monkeypatch.setattr(device, "has_compiler", lambda: True)
        monkeypatch.setattr(device, "capability", lambda number: 9.0)

    @property
    def n_launches(self):
        """Of training, each of some epochs."""
        return self.card.n_launches - self.n_passes
