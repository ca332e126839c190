"""``gruforecast fit``: train on a table and keep the model."""

from __future__ import annotations

import argparse

from gruforecast.cli.console import Console
from gruforecast.cli.data import Data, add_columns
from gruforecast.cli.files import check_folder
from gruforecast.cli.model import add_parameters, fit, make_model, worth
from gruforecast.cli.pictures import check_picture, save_picture


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", help="a CSV or Parquet file")
    parser.add_argument("--out", metavar="FILE", required=True, help="the model's file")
    parser.add_argument("--plot", metavar="FILE", help="a picture of the training")
    add_columns(parser)
    add_parameters(parser)


def run(options: argparse.Namespace, console: Console) -> None:
    check_folder(options.out)
    check_picture(options.plot)
    data = Data.read(options.data, options, console)
    model = make_model(options)
    try:
        fit(model, data, console)
    except KeyboardInterrupt:  # what was learnt so far is not lost
        if getattr(model, "n_iter_", 0):
            model.save(options.out)
            console.wrote(options.out, f"model after {model.n_iter_} epochs, without bounds")
        raise
    model.save(options.out)
    console.wrote(options.out, "model")
    table, sentence = worth(model)
    console.fact("verdict", sentence, sentence)
    if table is not None:
        console.result("skill", table.rename_axis("method"))
    if options.plot:
        from gruforecast.plotting.training import TrainingDisplay

        save_picture(TrainingDisplay.from_estimator(model), options.plot, console)
