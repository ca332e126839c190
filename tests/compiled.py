"""Compiles kernels for GPUs that are not here: what a launch would load, and what it needs."""

import re
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace

from cuda.core import Linker, LinkerOptions, ObjectCode
from numba import cuda
from numba.cuda import dispatcher

LOG = {
    "registers": r"Used (\d+) registers",
    "stack": r"(\d+) bytes stack frame",
    "spill_stores": r"(\d+) bytes spill stores",
    "spill_loads": r"(\d+) bytes spill loads",
    "static_shared": r"(\d+) bytes smem",
}


@dataclass(frozen=True)
class Build:
    """Resources of a thread (of the block: ``static_shared``), in bytes, and the PTX text."""

    arch: str  # as the assembler names it
    registers: int
    stack: int
    spill_stores: int
    spill_loads: int
    static_shared: int
    ptx: str


@contextmanager
def device_of(capability):
    """While device functions are compiled, a GPU of this kind is the current one."""
    before = dispatcher.get_current_device
    dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=capability)
    try:
        yield
    finally:
        dispatcher.get_current_device = before


def build(kernel, signature, capability):
    """Compile a ``gpu_kernel`` for types of arguments and (8, 0), (9, 0), ..."""
    # As numba-cuda does it for a launch: from 9.0 on for the one architecture alone.
    letter = ("a",) if capability >= (9, 0) else ()
    with device_of(capability):
        code, _ = cuda.compile(
            kernel.py_func, signature, device=False, abi="numba", cc=capability + letter,
            output="ltoir", launch_bounds=kernel.targetoptions["launch_bounds"],
        )  # fmt: skip
    arch = "sm_" + "".join(map(str, capability + letter))
    _, log = _linked(code, arch, ptx=False)
    found = {name: re.search(pattern, log) for name, pattern in LOG.items()}
    return Build(
        arch=re.search(r"for '(\w+)'", log)[1],
        ptx=_linked(code, arch, ptx=True)[0].decode(),
        **{name: int(match[1]) if match else 0 for name, match in found.items()},
    )


def _linked(code, arch, ptx):
    options = LinkerOptions(
        arch=arch, link_time_optimization=True, ptx=ptx or None, verbose=not ptx or None
    )
    linker = Linker(ObjectCode.from_ltoir(code), options=options)
    result = linker.link("ptx" if ptx else "cubin").code
    return result, linker.get_info_log()


def problems(build, threads, wide=False, **allowed):
    """What a build does that it should not; ``allowed`` are bytes of stack and of spills."""
    found = []
    for name in ("stack", "spill_stores", "spill_loads"):
        value, limit = getattr(build, name), allowed.get(name, 0)
        if value > limit:
            found.append(f"{name}: expected at most {limit} bytes, got {value}")
    if build.registers * threads > 65_536:
        found.append(f"registers: expected at most {65_536 // threads}, got {build.registers}")
    if build.static_shared > 48 * 1024:
        found.append(f"shared memory: expected at most 48 KiB, got {build.static_shared} bytes")
    for pattern, what in FORBIDDEN.items():
        if lines := re.findall(rf"^.*{pattern}.*$", build.ptx, re.MULTILINE):
            found.append(f"{what}: expected none, got {len(lines)} like {lines[0].strip()!r}")
    for alignment in re.findall(r"\.shared \.align (\d+)", build.ptx):
        if int(alignment) < 16:
            found.append(f"shared memory: expected an alignment of 16 bytes, got {alignment}")
    if wide and "ld.shared.v4" not in build.ptx:
        found.append("128-bit loads from shared memory: expected some, got none")
    return found


FORBIDDEN = {r"\.f64": "64-bit floats", r"\bld\.local": "loads from local memory"}
