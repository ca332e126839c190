"""The command ``gruforecast``: finds what to run, and turns failures into one sentence."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import gruforecast
from gruforecast.foundations.device import DeviceError

COMMANDS = {  # each is a module of this folder with add_arguments(parser) and run(options, console)
    "demo": "forecast real weather (or a market) and see what it is worth",
    "forecast": "forecast what follows a table",
    "backtest": "forecast a table's past, beside what happened and the simplest forecasts",
    "search": "compare parameters on folds of a table in time",
    "fit": "train on a table and keep the model",
    "bench": "time training beside other libraries that are installed",
    "info": "versions, threads, devices and the cache, for reports of bugs",
    "warmup": "compile ahead what a first fit would compile",
}
DONE, REFUSED, USAGE, UNEXPECTED, INTERRUPTED = 0, 1, 2, 3, 130
EXIT_CODES = (
    "exit codes: 0 done; 1 what was asked could not be done (the data, a file, a parameter); 2 the "
    "command line is wrong; 3 an unexpected error; 130 interrupted"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    is_open = "--debug" in given
    try:
        options = _parser(given).parse_args(given)
        return _run(options)
    except SystemExit as stop:  # argparse has said what is wrong, or helped
        return int(stop.code or DONE)
    except BrokenPipeError:  # whoever read the output has seen enough, as head has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        return _refuse(given, INTERRUPTED, "interrupted")
    except (ValueError, TypeError, OSError, ImportError, MemoryError, DeviceError) as error:
        if is_open:
            raise
        return _refuse(given, REFUSED, _sentence(error))
    except Exception as error:
        if is_open:
            raise
        return _refuse(
            given,
            UNEXPECTED,
            f"unexpected {type(error).__name__}: {_sentence(error)}; this is a defect: please "
            f"report it with what --debug shows and what 'gruforecast info' says",
        )


def _parser(given: list[str]) -> argparse.ArgumentParser:
    """The parser; only the command that is asked for brings its options (and its imports)."""
    parser = argparse.ArgumentParser(
        prog="gruforecast",
        description="Forecast time series with gated recurrent networks.",
        epilog=EXIT_CODES,
    )
    parser.add_argument(
        "--version", action="version", version=f"gruforecast {gruforecast.__version__}"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    wanted = next((word for word in given if not word.startswith("-")), None)
    for name, summary in COMMANDS.items():
        own = commands.add_parser(
            name, help=summary, description=summary[0].upper() + summary[1:] + ".",
            epilog=EXIT_CODES,
        )  # fmt: skip
        own.add_argument("--json", action="store_true", help="write one JSON document instead")
        own.add_argument("--debug", action="store_true", help="show the traceback of an error")
        if name == wanted:
            import_module(f"gruforecast.cli.{name}").add_arguments(own)
    return parser


def _run(options: argparse.Namespace) -> int:
    from gruforecast.cli.console import Console

    console = Console(options.command, as_json=options.json)
    with console:
        import_module(f"gruforecast.cli.{options.command}").run(options, console)
    console.finish()
    sys.stdout.flush()
    return DONE


def _refuse(given: list[str], code: int, text: str) -> int:
    """Say why the command ends here."""
    if "--json" in given:
        sys.stdout.write(json.dumps({"command": given[0], "error": text}) + "\n")
    sys.stderr.write(f"gruforecast: error: {text}\n")
    return code


def _sentence(error: BaseException) -> str:
    """What an error says, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__
