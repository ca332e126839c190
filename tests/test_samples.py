"""The series that come with the package."""

import pandas as pd

from gruforecast import load_seattle


def test_seattle_is_complete_and_daily():
    weather = load_seattle()
    assert weather.shape == (1461, 5)
    assert not weather.isna().any(axis=None)
    assert set(weather.index[1:] - weather.index[:-1]) == {pd.Timedelta(days=1)}
    assert weather["temp_max"].between(-5, 40).all()
    assert (weather["temp_max"] >= weather["temp_min"]).all()


def test_every_call_returns_a_table_of_its_own():
    weather = load_seattle()
    weather["temp_max"] = 0.0
    assert load_seattle()["temp_max"].max() > 30
