"""Files as people have them: which column is what, and how dates are written."""

import argparse

import numpy as np
import pandas as pd
import pytest

from gruforecast.cli.console import Console
from gruforecast.cli.data import Data, add_columns, tidy

DAYS = pd.date_range("2024-01-01", periods=40, freq="D")
VALUES = np.round(np.sin(np.arange(40.0)), 3)


@pytest.fixture
def read(tmp_path, capsys):
    """A function that writes a table as CSV and reads it as the commands do."""

    def write_and_read(table, *words, name="table.csv", **how):
        path = tmp_path / name
        if isinstance(table, str):
            path.write_text(table)
        elif name.endswith(".parquet"):
            table.to_parquet(path)
        else:
            table.to_csv(path, **{"index": False} | how)
        parser = argparse.ArgumentParser()
        add_columns(parser)
        return Data.read(str(path), parser.parse_args(list(words)), Console("test"))

    return write_and_read


def table(**columns):
    return pd.DataFrame({"day": DAYS, "sold": VALUES} | columns)


def long_table():
    parts = [table(shop=[shop] * 40)[["shop", "day", "sold"]] for shop in ("north", "south")]
    return pd.concat(parts, ignore_index=True)


class TestColumnsAreFound:
    def test_the_only_column_of_numbers_and_the_dates(self, read):
        series = read(table(note=["x"] * 40)).series
        assert series.name == "sold"
        assert (series.index == DAYS).all()
        np.testing.assert_array_equal(series, VALUES)

    def test_several_columns_of_numbers_must_be_chosen_from(self, read):
        with pytest.raises(ValueError, match=r"--target: expected the column .* \(sold, price\)"):
            read(table(price=VALUES))

    def test_several_targets_are_a_table(self, read):
        data = read(table(price=VALUES), "--target", "price", "sold")
        assert data.series.columns.tolist() == ["price", "sold"]

    def test_no_column_of_numbers(self, read):
        with pytest.raises(ValueError, match="--target: expected a column of numbers"):
            read(pd.DataFrame({"day": DAYS}))

    def test_names_do_not_mind_capitals(self, read):
        assert read(table(price=VALUES), "--target", "SOLD").series.name == "sold"

    def test_a_column_that_is_not_there(self, read):
        with pytest.raises(ValueError, match="--target: .*did you mean 'sold'"):
            read(table(), "--target", "solt")

    def test_text_that_tells_series_apart(self, read):
        series = read(long_table()).series
        assert series.index.names == ["shop", "day"]
        assert len(series.loc["south"]) == 40

    def test_numbers_that_tell_series_apart(self, read):
        shops = long_table().assign(shop=np.repeat([3, 5], 40))
        assert read(shops, "--target", "sold").series.index.names == ["shop", "day"]

    def test_rows_that_come_twice_make_no_series(self, read):
        twice = pd.concat([table(), table().assign(sold=1.0)]).assign(n=np.arange(80))
        assert read(twice, "--target", "sold").series.index.nlevels == 1

    @pytest.mark.parametrize("text", ["1,234", "12 %", "12 EUR"])
    def test_numbers_that_are_not_read_are_shown(self, read, text):
        with pytest.raises(ValueError, match=f"column 'sold' has '{text}': write plain numbers"):
            read(table(sold=text))

    def test_a_dash_is_a_missing_value(self, read):
        dashes = table(sold=["-", *VALUES[1:].astype(str)])
        assert read(dashes).series.isna().sum() == 1

    def test_of_many_columns_some_are_named(self, read):
        many = table(**{f"x{i}": VALUES for i in range(50)})
        with pytest.raises(ValueError, match=r"has 51 of numbers \(sold, .*, x6, \.\.\.\)"):
            read(many)

    def test_an_id_of_numbers_is_named(self, read):
        shops = long_table().assign(shop=np.repeat([3, 5], 40))
        assert read(shops, "--id", "shop", "--target", "sold").series.index.levels[0].tolist() == [
            3, 5
        ]  # fmt: skip

    def test_one_target_beside_an_id(self, read):
        with pytest.raises(ValueError, match="--target: expected one column beside --id"):
            read(long_table().assign(price=1.0), "--target", "sold", "price")

    def test_without_dates_rows_are_numbered(self, read, capsys):
        series = read(pd.DataFrame({"v": VALUES})).series
        assert series.index.tolist() == list(range(40))
        assert "no column of dates" in capsys.readouterr().err

    def test_an_id_needs_times(self, read):
        rows = pd.DataFrame({"shop": ["a", "a", "b"], "v": [1.0, 2.0, 3.0]})
        with pytest.raises(ValueError, match="--id: expected times beside 'shop'"):
            read(rows, "--id", "shop")

    @pytest.mark.parametrize("option", ["--target", "--past-covariates"])
    def test_a_counter_that_is_named_is_no_time(self, read, option):
        rows = pd.DataFrame({"week": np.arange(40), "v": VALUES})
        words = [option, "week"] + (["--target", "v"] if option != "--target" else [])
        assert read(rows, *words).series.index.tolist() == list(range(40))

    def test_a_column_is_one_thing_only(self, read):
        with pytest.raises(ValueError, match="--time: expected a column of its own, got 'day'"):
            read(table(), "--time", "day", "--past-covariates", "day", "--target", "sold")

    def test_a_row_without_a_name(self, read):
        shops = long_table()
        shops.loc[4, "shop"] = None
        with pytest.raises(ValueError, match="--id: .* got none in row 5"):
            read(shops, "--id", "shop", "--target", "sold")

    def test_years_are_numbers(self, read):
        series = read(pd.DataFrame({"Year": np.arange(1900, 1940), "v": VALUES})).series
        assert series.index[-1] == 1939


class TestDates:
    @pytest.mark.parametrize(
        "form",
        ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y%m%d", "%b %d, %Y", "%Y-%m-%dT00:00"],
    )
    def test_days_as_people_write_them(self, read, form):
        series = read(table(day=DAYS.strftime(form))).series
        np.testing.assert_array_equal(series.index, DAYS)

    @pytest.mark.parametrize("n", [2, 12])
    def test_years_first_are_followed_by_months(self, read, n):
        series = read(table().head(n)).series
        np.testing.assert_array_equal(series.index, DAYS[:n])

    @pytest.mark.parametrize("form", ["%b %Y", "%B %Y", "%b-%y", "%m/%Y"])
    def test_months_as_people_write_them(self, read, form):
        months = pd.date_range("2000-01-01", periods=40, freq="MS")
        np.testing.assert_array_equal(read(table(day=months.strftime(form))).series.index, months)

    def test_quarters_and_weeks(self, read):
        quarters = pd.period_range("2000Q1", periods=40, freq="Q")
        series = read(table(day=quarters.astype(str))).series
        np.testing.assert_array_equal(series.index, quarters.to_timestamp())
        weeks = pd.date_range("2021-11-01", periods=40, freq="7D")  # over a year's end
        series = read(table(day=weeks.strftime("%G-W%V"))).series
        np.testing.assert_array_equal(series.index, weeks)

    @pytest.mark.parametrize("factor", [1, 1000])
    def test_seconds_since_1970(self, read, factor):
        seconds = (DAYS - pd.Timestamp(0)) // pd.Timedelta(seconds=1) * factor
        written = table(day=seconds).rename(columns={"day": "timestamp"})
        np.testing.assert_array_equal(read(written).series.index, DAYS)

    @pytest.mark.parametrize("form", ["%d/%m/%Y", "%m/%d/%Y"])
    def test_first_days_of_months_are_read_as_what_goes_on_evenly(self, read, form):
        months = pd.date_range("2000-01-01", periods=40, freq="MS")
        series = read(table(day=months.strftime(form))).series
        np.testing.assert_array_equal(series.index, months)

    def test_what_can_be_read_in_two_ways_is_not_guessed(self, read):
        text = "day,v\n01/02/2024,1\n02/02/2024,2\n03/02/2024,2\n"
        assert str(read(text).series.index[1].date()) == "2024-02-02"
        both = "day,v\n01/01/2024,1\n02/02/2024,2\n03/03/2024,1\n"
        assert str(read(both).series.index[1].date()) == "2024-02-02"  # the same in both ways
        with pytest.raises(ValueError, match="--date-format"):
            read("day,v\n01/02/2024,1\n02/01/2024,2\n")
        assert read("day,v\n01/02/2024,1\n02/01/2024,2\n", "--date-format", "%m/%d/%Y")

    def test_a_format_that_does_not_fit(self, read):
        with pytest.raises(ValueError, match="--date-format: expected the format of column 'day'"):
            read(table(), "--date-format", "%d/%m/%Y")

    def test_rows_newest_first_are_put_in_order(self, read, capsys):
        series = read(table()[::-1]).series
        np.testing.assert_array_equal(series, VALUES)
        assert "rows were put in the order of day" in capsys.readouterr().err

    def test_a_row_without_a_date(self, read):
        with pytest.raises(ValueError, match="expected a time in every row, got none in row 3"):
            read(table(day=[*DAYS[:2].astype(str), None, *DAYS[3:].astype(str)]), "--time", "day")

    def test_a_column_that_holds_no_dates(self, read):
        with pytest.raises(ValueError, match="column 'note': expected dates or whole numbers"):
            read(table(note=["x"] * 40), "--time", "note")

    def test_offsets_are_read_as_utc_or_in_the_zone(self, read):
        hours = pd.date_range("2024-03-30", periods=40, freq="h", tz="Europe/Berlin")
        written = table(day=hours.astype(str))
        with pytest.warns(UserWarning, match="--tz"):
            assert str(read(written).series.index.tz) == "UTC"
        series = read(written, "--tz", "Europe/Berlin").series
        assert series.index.equals(hours) or (series.index == hours).all()
        assert str(series.index.tz) == "Europe/Berlin"

    def test_times_of_the_wall_get_their_zone(self, read):
        hours = pd.date_range("2024-10-26 12:00", periods=40, freq="h", tz="Europe/Berlin")
        series = read(table(day=hours.strftime("%Y-%m-%d %H:%M")), "--tz", "Europe/Berlin").series
        assert (series.index == hours).all()  # one hour comes twice

    def test_hours_that_come_twice_are_told_apart_by_the_order_of_rows(self, read):
        hours = pd.date_range("2024-10-26 12:00", periods=40, freq="30min", tz="Europe/Berlin")
        written = table(day=hours.strftime("%Y-%m-%d %H:%M"))
        newest_first = read(written[::-1], "--tz", "Europe/Berlin").series
        assert (newest_first.index == hours).all()
        np.testing.assert_array_equal(newest_first, VALUES)
        shops = pd.concat([written.assign(shop="a"), written.assign(shop="b")])
        mixed = shops.sort_index(kind="stable")[::-1]
        both = read(mixed, "--tz", "Europe/Berlin", "--id", "shop").series
        for shop in "ab":
            assert (both.loc[shop].index == hours).all()

    def test_a_zone_that_does_not_exist(self, read):
        with pytest.raises(ValueError, match="--tz: expected the time zone of column 'day'"):
            read(table(), "--tz", "Europe/Atlantis")


class TestTheFuture:
    def test_rows_without_a_target_at_the_end_are_the_future(self, read):
        warm = table(warm=np.arange(40.0))
        warm.loc[35:, "sold"] = np.nan
        warm.loc[10, "sold"] = np.nan  # is merely missing
        data = read(warm, "--covariates", "warm")
        assert data.n_ahead == 5
        assert len(data.series) == 35
        assert data.future["warm"].tolist() == [35.0, 36.0, 37.0, 38.0, 39.0]
        assert data.beside["covariates"]["warm"].tolist() == list(range(35))

    def test_of_each_series(self, read):
        warm = long_table().assign(warm=np.arange(80.0))
        warm.loc[38:39, "sold"] = np.nan
        warm.loc[78:79, "sold"] = np.nan
        data = read(warm, "--covariates", "warm", "--target", "sold")
        assert data.n_ahead == 2
        assert data.future["warm"].tolist() == [38.0, 39.0, 78.0, 79.0]

    def test_a_target_without_numbers(self, read):
        with pytest.raises(ValueError, match="expected numbers in sold, got none"):
            read(table(sold=np.nan), "--target", "sold")


class TestTidy:
    def test_one_series(self):
        made = tidy(pd.DataFrame({"mean": [1.0]}, index=DAYS[:1].rename("day")))
        assert made.columns.tolist() == ["day", "mean"]
        assert tidy(pd.DataFrame({"mean": [1.0]})).columns.tolist() == ["time", "mean"]

    def test_a_wide_table_with_and_without_bounds(self):
        wide = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}, index=DAYS[:2].rename("day"))
        made = tidy(wide)
        assert made.columns.tolist() == ["series", "day", "mean"]
        assert made["mean"].tolist() == [1.0, 2.0, 3.0, 4.0]
        bounds = pd.concat({"a": wide.set_axis(["mean", "lo-80"], axis=1)}, axis=1)
        assert tidy(bounds).columns.tolist() == ["series", "day", "mean", "lo-80"]

    def test_a_series_whose_name_is_mean(self):
        made = tidy(pd.DataFrame({"mean": [1.0], "max": [2.0]}, index=DAYS[:1].rename("day")))
        assert made["series"].tolist() == ["mean", "max"]
        assert made["mean"].tolist() == [1.0, 2.0]

    def test_many_series(self):
        index = pd.MultiIndex.from_product([["a", "b"], DAYS[:2]], names=["shop", "day"])
        made = tidy(pd.DataFrame({"mean": np.arange(4.0)}, index=index))
        assert made.columns.tolist() == ["shop", "day", "mean"]
        assert made["shop"].tolist() == ["a", "a", "b", "b"]
