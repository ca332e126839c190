"""How good forecasts are, by published protocols, beside simple forecasts and published numbers.

    python -m tests.benchmarks.accuracy --data DIR [--only etth1 m4 ...] [--seeds 0 1 2 3 4]
        [--out FILE.md] [--resume] [--merge FILE.jsonl ...] [--quick]

The estimators' defaults, but for what a protocol fixes (look-back, horizon, season, validation
rows); nothing is tuned on test rows. Each number is written to a file of JSON lines beside the
table when it was measured, so that protocols can be run one by one: the table has all that the
file holds. ``--resume`` leaves out what is there already, ``--merge`` adds other runs' files,
``--only`` without a name measures nothing. What lacks its data is skipped. ``--quick`` shows that
everything runs, with networks that hardly learn.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # run as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.on_accuracy import ett, panels, prices, single
from tests.benchmarks.on_accuracy.classes import UCR
from tests.benchmarks.on_accuracy.core import OURS, Protocol, Values, forget_peak, peak
from tests.benchmarks.on_accuracy.report import Records, document, number, section
from tests.benchmarks.real_series import data_argument

PROTOCOLS = {
    one.name: one
    for one in (
        ett.ETTH1, panels.M4, panels.NN5, single.OZONE, prices.EXCHANGE, prices.STOCKS, UCR,
        single.OTHERS,
    )
}  # fmt: skip
SEEDS = (0, 1, 2, 3, 4)


def measure(
    protocol: Protocol, folder: Path, seeds: Sequence[int], records: Records, *, resume: bool
) -> bool:
    """Run every case of a protocol that has its data; False where none has."""
    done = False
    try:
        cases = protocol.cases(folder)
    except FileNotFoundError as problem:
        _skip(protocol.name, problem)
        return False
    for case in cases:
        begin = time.perf_counter()
        try:
            found = case.floors()
        except FileNotFoundError as problem:
            _skip(f"{protocol.name} {case.name}", problem)
            continue
        done = True
        for who, values in found.items():
            records.add(protocol.name, case.name, who, None, values)
        print(f"{protocol.name} {case.name}: simple forecasts, {_since(begin)}", flush=True)
        for seed in seeds:
            if resume and records.has(protocol.name, case.name, OURS, seed):
                continue
            begin = time.perf_counter()
            forget_peak()
            values = case.ours(seed, records.quick) | peak()
            records.add(protocol.name, case.name, OURS, seed, values)
            what = f"{protocol.name} {case.name}: seed {seed}, {_since(begin)}"
            print(f"{what}: {_in_words(values)}", flush=True)
    return done


def _skip(what: str, problem: FileNotFoundError) -> None:
    print(f"{what}: skipped, {problem.filename} is missing", flush=True)


def _since(begin: float) -> str:
    return f"{time.perf_counter() - begin:.0f} s"


def _in_words(values: Values) -> str:
    return ", ".join(f"{name} {number(value)}" for name, value in values.items())


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data_argument(parser)
    parser.add_argument("--only", choices=PROTOCOLS, nargs="*", default=list(PROTOCOLS))
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("--out", type=Path, default=Path("accuracy.md"))
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--merge", type=Path, nargs="+", default=[])
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args(words)
    out = arguments.out if arguments.out.suffix == ".md" else arguments.out / "accuracy.md"
    records = Records(out.with_suffix(".jsonl"), quick=arguments.quick)
    for path in arguments.merge:
        records.read(path)
    seeds = arguments.seeds or (SEEDS[:1] if arguments.quick else SEEDS)
    for name in arguments.only:
        protocol = PROTOCOLS[name]
        if measure(protocol, arguments.data, seeds, records, resume=arguments.resume):
            print(f"\n{section(protocol, records.of(name))}", flush=True)
        _write(out, document(PROTOCOLS.values(), records))
    _write(out, document(PROTOCOLS.values(), records))
    print(document(PROTOCOLS.values(), records).partition("\n")[0], f"\n{out} has all tables.")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
