"""Files as people have them: separators, marks, packed and damaged ones."""

import numpy as np
import pandas as pd
import pytest

from gruforecast.cli.files import read_table, write_table

DAYS = pd.date_range("2024-01-01", periods=40, freq="D")
VALUES = np.round(np.sin(np.arange(40.0)), 3)


def table():
    return pd.DataFrame({"day": DAYS, "sold": VALUES})


@pytest.fixture
def read(tmp_path):
    """A function that writes a table and reads it as the commands do."""

    def write_and_read(content, name="table.csv", **how):
        path = tmp_path / name
        if isinstance(content, str):
            path.write_text(content)
        elif name.endswith(".parquet"):
            content.to_parquet(path)
        else:
            content.to_csv(path, **{"index": False} | how)
        return read_table(str(path))

    return write_and_read


def test_semicolons_and_decimal_commas(read):
    np.testing.assert_array_equal(read(table(), sep=";", decimal=",")["sold"], VALUES)


@pytest.mark.parametrize("sep", ["\t", "|", ";"])
def test_other_separators(read, sep):
    np.testing.assert_array_equal(read(table(), sep=sep)["sold"], VALUES)


def test_packed_files(read):
    assert len(read(table(), name="table.csv.gz")) == 40


def test_parquet_with_and_without_an_index(read):
    pytest.importorskip("pyarrow")
    for one in (table(), table().set_index("day")):
        np.testing.assert_array_equal(read(one, name="table.parquet")["day"], DAYS)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "an empty file"),
        ("a,b\n", "expected rows, got none"),
        ("a,b\n1,2\n1,2,3\n", "expected rows of 2 columns separated by ','"),
        ("a;b\n1;2\n1;2;3\n", "expected rows of 2 columns separated by ';'"),
        ("Sales of 2024\n\na,b\n1,2\n", "expected the names of columns in the first line"),
    ],
)
def test_files_without_a_table(read, text, match):
    with pytest.raises(ValueError, match=match):
        read(text)


def test_separators_at_the_end_of_rows(read):
    rows = "".join(f"{day:%Y-%m-%d},{value},\n" for day, value in zip(DAYS, VALUES, strict=True))
    np.testing.assert_array_equal(read(f"day,sold,\n{rows}")["sold"], VALUES)


def test_the_mark_that_excel_writes_first(read):
    np.testing.assert_array_equal(read("\ufeffday,sold\n2024-01-01,1\n").columns, ["day", "sold"])


def test_a_packed_file_that_ends_early(tmp_path):
    path = tmp_path / "table.csv.gz"
    table().to_csv(path, index=False)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match="expected"):
        read_table(str(path))


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "picture.csv"
    path.write_bytes(bytes(range(256)) * 8)
    with pytest.raises(ValueError, match="expected"):
        read_table(str(path))


def test_a_parquet_file_that_is_none(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "no.parquet"
    path.write_text("day,v\n")
    with pytest.raises(ValueError, match="expected a Parquet file"):
        read_table(str(path))


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz", "out.parquet"])
def test_what_is_written_is_read(tmp_path, name):
    path = str(tmp_path / name)
    write_table(table(), path)
    assert read_table(path)["sold"].tolist() == VALUES.tolist()
