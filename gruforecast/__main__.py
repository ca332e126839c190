"""``python -m gruforecast`` is the command ``gruforecast``."""

from gruforecast.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
