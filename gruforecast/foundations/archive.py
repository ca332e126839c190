"""Objects in files of arrays and JSON; nothing that a file says is ever run.

A file is a zip. ``model.json`` holds the tree of the object and ``arrays/<dtype>.npy`` the numbers
of all its arrays, see ``tree``. A change of what any kind holds is a new VERSION, and comes with
what brings the trees of older versions up to it.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from gruforecast.foundations.kinds import PLAIN
from gruforecast.foundations.tree import DO, ModelFormatError, TreeReader, TreeWriter, refuse

VERSION = 1
TITLE = "gruforecast model"
TREE = "model.json"
SMALL, GROWTH = 2**24, 200  # a file may expand to GROWTH times its bytes, and SMALL more
EPOCH = (1980, 1, 1, 0, 0, 0)  # the time of all members, so that equal models are equal files


def write(path: str | os.PathLike[str], value: Any) -> None:
    """Write an object to a file, whole or not at all: a failure leaves the older file."""
    target = Path(os.path.realpath(_check_path(path)))
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"path: expected a folder that exists, got {str(target.parent)!r}; make it first."
        )
    if target.is_dir():
        raise IsADirectoryError(
            f"path: expected the name of a file, got the folder {str(target)!r}; name a file in it."
        )
    writer = TreeWriter()
    tree = {"format": TITLE, "version": VERSION, "model": writer.walk(value)}
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with beside.open("xb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                _add(archive, TREE, json.dumps(tree, allow_nan=False).encode())
                for name, parts in sorted(writer.parts.items()):
                    _add(archive, _member(name), _as_npy(np.concatenate(parts)))
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)


def read(path: str | os.PathLike[str], wanted: type) -> Any:
    """The object of a class that a file holds, or a ModelFormatError."""
    data = Path(_check_path(path)).read_bytes()
    reader = TreeReader()
    try:
        return _read(data, reader, wanted)
    except Exception as problem:  # a damaged file may make any part of reading fail
        place = f" at {'.'.join(reader.place)}" if reader.place else ""
        what, cause = " ".join(str(problem).split()), None
        if not isinstance(problem, ModelFormatError):
            cause, kind = problem, type(problem).__name__
            what = f"expected what save wrote, got {kind} ({what.rstrip('.')}); {DO}."
        raise ModelFormatError(f"{os.fspath(path)}{place}: {what}") from cause


def _read(data: bytes, reader: TreeReader, wanted: type) -> Any:
    if not zipfile.is_zipfile(io.BytesIO(data)):
        refuse("a model that save wrote", f"{len(data)} bytes that are no whole zip file")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names, size = archive.namelist(), sum(info.file_size for info in archive.infolist())
        if size > SMALL + GROWTH * len(data):
            refuse(f"a model in {len(data)} bytes", f"{size} when expanded")
        if TREE not in names or len(set(names)) < len(names):
            refuse(f"a zip with {TREE} in it", f"one of {names[:9]}")
        node = _check_head(json.loads(archive.read(TREE), parse_constant=_refuse_constant))
        known = {_member(name): name for name in PLAIN}
        for name in names:
            if name in known:
                reader.parts[known[name]] = _from_npy(known[name], archive.read(name))
            elif name != TREE:
                refuse(f"{TREE} and arrays in a zip", name)
    value = reader.walk(node)
    left = {name: len(part) - reader.n_read.get(name, 0) for name, part in reader.parts.items()}
    if any(left.values()):
        refuse("every number in one array", f"{left} left over")
    if not isinstance(value, wanted):
        refuse("a model", type(value).__name__)
    return value


def _check_head(tree: Any) -> Any:
    """The tree of the model in that of the file."""
    if not isinstance(tree, dict) or tree.get("format") != TITLE:
        refuse(f"a {TITLE} in {TREE}", "something else", "pass a file that save wrote")
    version = tree.get("version")
    if type(version) is int and version > VERSION:
        refuse(f"format version {VERSION} at most", f"version {version}", "upgrade gruforecast")
    if type(version) is not int or version != VERSION:
        refuse(f"format version {VERSION}", f"version {version!r}")
    if tree.keys() != {"format", "version", "model"}:
        refuse("format, version and model", sorted(tree))
    return tree["model"]


def _check_path(path: Any) -> Any:
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path: expected the name of a file, got {path!r}; pass a str or Path.")
    return path


def _refuse_constant(text: str) -> None:
    refuse("numbers that JSON knows", text)


def _member(name: str) -> str:
    return f"arrays/{name}.npy"


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, EPOCH)
    info.create_system, info.external_attr = 3, 0o644 << 16  # the same on any system
    too_dense = len(data) > SMALL // 16 and GROWTH * len(zlib.compress(data)) < len(data)
    info.compress_type = zipfile.ZIP_STORED if too_dense else zipfile.ZIP_DEFLATED
    archive.writestr(info, data)


def _as_npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, values, version=(1, 0))
    return file.getvalue()


def _from_npy(name: str, data: bytes) -> np.ndarray:
    """Numbers along one axis, of the dtype that the name says; its header allocates nothing."""
    file, dtype = io.BytesIO(data), np.dtype(name).newbyteorder("<")
    version = np.lib.format.read_magic(file)
    found = np.lib.format.read_array_header_1_0(file) if version == (1, 0) else version
    n, rest = divmod(len(data) - file.tell(), dtype.itemsize)
    if rest or found != ((n,), False, dtype):
        refuse(f"{n} numbers of {dtype} in {_member(name)}", found)
    values = np.frombuffer(data, dtype, offset=file.tell())
    return values.view(np.uint8) != 0 if name == "bool" else values
