# SPDX-License-Identifier: Apache-2.0
"""Which code of an ELF file has call-frame information. Where there is none, gdb guesses."""

import bisect
import functools
import mmap
import struct

PT_LOAD = 1
PT_GNU_EH_FRAME = 0x6474E550
USUAL_HEADER = bytes([1, 0x1B, 0x03, 0x3B])  # pointers as linkers write them: 4 bytes, relative


class UnwindTable:
    """The sorted table of .eh_frame_hdr: starts of code ranges, and where each is described."""

    def __init__(self, path):
        self.starts = []
        with open(path, "rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if self.data[:5] != b"\x7fELF\x02":
            return
        (offset,) = struct.unpack_from("<Q", self.data, 32)
        size, count = struct.unpack_from("<HH", self.data, 54)
        headers = [struct.unpack_from("<IIQQQQ", self.data, offset + i * size) for i in range(count)]
        self.loads = [header for header in headers if header[0] == PT_LOAD]
        for header in headers:
            if header[0] == PT_GNU_EH_FRAME:
                self.read(header[2], header[3])

    def read(self, offset, address):
        if self.data[offset : offset + 4] != USUAL_HEADER:
            return
        (count,) = struct.unpack_from("<I", self.data, offset + 8)
        table = struct.iter_unpack("<ii", self.data[offset + 12 : offset + 12 + count * 8])
        for start, entry in table:
            self.starts.append((address + start, address + entry))

    def address_of(self, offset):
        for _, _, start, address, _, size in self.loads:
            if start <= offset < start + size:
                return address + offset - start
        return None

    def offset_of(self, address):
        for _, _, start, low, _, size in self.loads:
            if low <= address < low + size:
                return start + address - low
        return None

    def covers(self, offset):
        address = self.address_of(offset)
        if address is None:
            return False
        index = bisect.bisect_right(self.starts, (address, 1 << 64)) - 1
        if index < 0:
            return False
        start, entry = self.starts[index]
        described = self.offset_of(entry)
        # Length, distance to the CIE, start, size.
        (size,) = struct.unpack_from("<I", self.data, described + 12)
        return address < start + size


@functools.cache
def table_of(path):
    return UnwindTable(path)


@functools.cache
def has_unwind_rules(path, return_address):
    """Is the call before this file offset in code that the file has rules for?"""
    if path == "[vdso]":
        return True
    try:
        table = table_of(path)
    except (OSError, ValueError, struct.error):
        return True  # nothing known: the strict view
    return table.covers(return_address - 1) or table.covers(return_address)
