"""Units in which windows are read: skill of each choice on the last fifth of real series.

    python -m tests.benchmarks.normalize --data DIR [--seeds 2]

One fit on the first four fifths; 1 - error / error of the best simple forecast over every row and
step that follow. Evidence for the rule behind normalize="auto".
"""

import argparse
import warnings

import numpy as np

from gruforecast import GRUForecaster
from tests.benchmarks.real_series import SERIES, data_argument, plain, split

KINDS = ("standard", "last", "window", "auto")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data_argument(parser)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    print(f"{'series (horizon)':<40}", *(f"{kind:>9}" for kind in KINDS))
    for name, (read, horizon, choices) in SERIES.items():
        try:
            training, test = split(read(arguments.data), 0.8)
        except FileNotFoundError as problem:
            print(f"{name}: skipped, {problem.filename} is missing")
            continue
        print(f"{f'{name} ({horizon})':<40}", end="", flush=True)
        for kind in KINDS:
            scores = []
            for seed in range(arguments.seeds):
                usual = plain(training, horizon, choices.get("season"))
                named = {"horizon": horizon, "normalize": kind, "random_state": seed}
                model = GRUForecaster(**usual | named | choices)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    scores.append(model.fit(training).score(test))
            print(f" {np.mean(scores):>+9.3f}", end="", flush=True)
        print()


if __name__ == "__main__":
    main()
