"""The process that carries out the tasks of ``tests.benchmarks.gpu``.

It reads the name of a task from each line of its standard input and answers with lines of JSON:
records, then whether the task was done, and whether this process can do another one.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import traceback
import warnings
from typing import Any

import numpy as np

from tests.benchmarks.on_gpu.tasks import Setting, all_tasks, in_words


def plain(value: Any) -> Any:
    """Numbers of NumPy as those of Python."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"expected what JSON knows, got {value!r}")


def is_well() -> bool:
    """Whether this process can still use its GPU; memory that nobody needs is given back."""
    gc.collect()
    try:
        ours = sys.modules.get("tests.benchmarks.on_gpu.ours")
        if ours is not None:
            card = ours.open_watched(0)
            card.receive(card.send(np.zeros(4, np.float32)))
            ours.give_back()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
    except Exception:
        traceback.print_exc()
        return False
    return True


def serve(setting: Setting) -> None:
    """Answer orders until standard input ends; all other output goes to the log."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(**values: Any) -> None:
        answers.write(json.dumps(values, default=plain) + "\n")
        answers.flush()

    def emit(kind: str, **values: Any) -> None:
        answer(record={"kind": kind, **values})

    tasks = {task.name: task for task in all_tasks(setting.emulated)}
    for line in sys.stdin:
        failed = None
        try:
            tasks[json.loads(line)].run(setting, emit)
        except Exception as error:
            traceback.print_exc()
            failed = in_words(error)
        answer(done=failed, is_lost=not is_well())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--emulate", action="store_true")
    parser.add_argument("--tolerance", type=float, default=1.0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    serve(Setting(arguments.emulate, arguments.tolerance))


if __name__ == "__main__":
    main()
