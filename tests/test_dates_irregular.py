"""Few rows, rows without a rhythm, and stamps or frequencies that are refused."""

import pandas as pd
import pytest

from gruforecast.forecasting.dates.cadence import Cadence, CadenceWarning


def stamps(*texts):
    return pd.DatetimeIndex(list(texts))


class TestFewRows:
    @pytest.mark.parametrize(
        ("two", "following"),
        [
            (("2024-01-31", "2024-02-29"), "2024-03-31"),
            (("2024-01-01", "2024-01-08"), "2024-01-15"),
            (("2024-01-01 00:10", "2024-01-01 00:20"), "2024-01-01 00:30"),
            (("2021-02-28", "2022-02-28"), "2023-02-28"),
            (("2024-01-05", "2024-01-08"), "2024-01-09"),  # a Friday and a Monday
        ],
    )
    def test_two_rows_tell_their_difference(self, two, following):
        assert Cadence.of(stamps(*two)).future(two[1], 1)[0] == pd.Timestamp(following)

    def test_two_rows_may_tell_nothing(self):
        with pytest.warns(CadenceWarning, match="expected stamps at a regular pace"):
            assert Cadence.of(stamps("2024-01-01 00:00", "2024-01-01 07:13")).kind == "rows"

    def test_one_row(self):
        one = stamps("2024-01-01")
        cadence = Cadence.of(one)
        assert (cadence.kind, cadence.positions(one).tolist()) == ("rows", [0])
        with pytest.raises(ValueError, match="freq: expected the frequency of a series of a sing"):
            cadence.future(one[-1], 1)
        assert Cadence.of(one, freq="MS").future(one[0], 1)[0] == pd.Timestamp("2024-02-01")
        assert Cadence.of(pd.RangeIndex(1)).future(0, 2).tolist() == [1, 2]


class TestWithoutRhythm:
    def test_one_warning_says_what_to_pass(self):
        index = stamps("2024-01-01", "2024-01-04", "2024-02-11", "2024-02-12", "2024-07-01")
        with pytest.warns(CadenceWarning, match="pass freq= or future_index= for") as caught:
            cadence = Cadence.of(index)
        assert len(caught) == 1
        assert caught[0].filename == __file__
        assert (cadence.season, cadence.description) == (None, "rows without a rhythm")
        assert cadence.positions(index).tolist() == [0, 1, 2, 3, 4]
        assert cadence.positions(index[2:].append(stamps("2025-01-01"))).tolist() == [2, 3, 4, 5]
        assert cadence.positions(stamps("2025-01-01", "2026-01-01")).tolist() == [5, 6]
        assert cadence.positions(stamps("2023-01-01", "2024-01-02")).tolist() == [-1, 1]
        assert cadence.follows(index[1], index[3]) == 2
        assert cadence.follows(index[3], index[1]) == -2
        assert cadence.follows(index[-1], pd.Timestamp("2025-01-01")) is None
        pd.testing.assert_index_equal(
            cadence.future(index[-1], 3), pd.RangeIndex(1, 4, name="step"), exact=True
        )

    def test_labels(self):
        index = pd.Index(["b", "a", "c"])
        with pytest.warns(CadenceWarning, match="convert the index with pandas.to_datetime, or pa"):
            cadence = Cadence.of(index)
        assert cadence.positions(index).tolist() == [0, 1, 2]
        assert cadence.positions(pd.Index(["d", "e"])).tolist() == [3, 4]
        assert cadence.follows("b", "c") is None


class TestErrors:
    @pytest.mark.parametrize(
        ("index", "freq", "match"),
        [
            (pd.date_range("2024", periods=3), "xyz", "freq: expected a frequency of pandas that"),
            (pd.date_range("2024", periods=3), "-1D", "goes forward, such as .* got '-1D'; see"),
            (pd.date_range("2024", periods=3), 7, "freq: expected a frequency of pandas"),
            (pd.date_range("2024", periods=3), "MS", r"grid of 'MS', got 2024-01-02 .* \(row 1\)"),
            (pd.date_range("2024", periods=9), "B", r"grid of 'B', got 2024-01-06 .* \(row 5\)"),
            (pd.date_range("2024", periods=9, freq="h"), "D", "got times of day that differ; pass"),
            (
                pd.RangeIndex(3),
                "D",
                "freq: expected a whole number from 1 on for an index of whole",
            ),
            (pd.RangeIndex(0, 9, 3), 2, r"grid of 2, got 3 \(row 1\); pass the frequency that"),
            (pd.Index(["a"]), "D", "freq: expected dates, periods or durations in the index, got"),
            (pd.period_range("2024", periods=3, freq="M"), "D", "freq: expected a multiple of the"),
            (pd.to_timedelta([0, 1], "h"), "MS", "freq: expected hours or another span of fixed"),
            (pd.RangeIndex(0), None, "index: expected at least one row, got none; pass a longer"),
            (
                pd.DatetimeIndex(["2024-01-02", "2024-01-01"]),
                None,
                "index: expected stamps that ri",
            ),
            (
                pd.DatetimeIndex(["2024-01-02", pd.NaT]),
                None,
                "index: expected a stamp in every row",
            ),
        ],
    )
    def test_of(self, index, freq, match):
        with pytest.raises(ValueError, match=match):
            Cadence.of(index, freq=freq)

    @pytest.mark.parametrize("index", [[1, 2], pd.MultiIndex.from_product([["a"], [1]])])
    def test_no_index(self, index):
        with pytest.raises(TypeError, match="index: expected the stamps of one series as an Index"):
            Cadence.of(index)

    def test_newer_stamps(self):
        cadence = Cadence.of(pd.date_range("2024-01-01", periods=9, freq="D"))
        assert cadence.positions(stamps()).tolist() == []
        with pytest.raises(
            ValueError, match=r"like those of the training rows \(daily\), got 2024"
        ):
            cadence.positions(stamps("2024-02-01", "2024-02-02 12:00"))
        with pytest.raises(ValueError, match=r"training rows \(datetime64\[.s\]\), got int64; use"):
            cadence.positions(pd.RangeIndex(3))
        with pytest.raises(ValueError, match="use the same type, and a time zone in both or in n"):
            cadence.positions(pd.date_range("2024", periods=3, tz="UTC"))
        with pytest.raises(ValueError, match="last: expected a stamp like those of the training"):
            cadence.future(pd.Timestamp("2024-02-01 12:00"), 1)
        with pytest.raises(ValueError, match="steps: expected at least 1, got 0"):
            cadence.future(pd.Timestamp("2024-02-01"), 0)
        assert cadence.follows("2024-01-01", "2024-01-01 12:00") is None
        assert cadence.follows(pd.Timestamp("2024-01-09"), pd.Timestamp("2024-01-07")) == -2

    def test_the_end_of_time(self):
        every = pd.date_range("2262-03-01", periods=20, freq="D").as_unit("ns")
        with pytest.raises(ValueError, match="can hold, got 60 steps after 2262-03-20 .* take few"):
            Cadence.of(every).future(every[-1], 60)
