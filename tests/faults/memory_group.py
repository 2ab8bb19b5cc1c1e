# SPDX-License-Identifier: Apache-2.0
"""A memory cgroup in which there is no room from some moment on."""

import contextlib
import os
import pathlib
import tempfile
import time


def make():
    """None where cgroups cannot be made."""
    for root, limit, usage in (
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
        ("/sys/fs/cgroup", "memory.max", "memory.current"),
    ):
        with contextlib.suppress(OSError):
            group = pathlib.Path(tempfile.mkdtemp(prefix="leakbpf-ends-", dir=root))
            if (group / limit).exists():
                return MemoryGroup(group, limit, usage)
            group.rmdir()
    return None


class MemoryGroup:
    def __init__(self, folder, limit, usage):
        self.folder = folder
        self.limit = folder / limit
        self.usage = folder / usage

    def join(self):
        """In a child, before it becomes another program."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")

    def leave_no_room(self):
        # Where less is in use by now, the kernel says that it is busy: then again.
        with contextlib.suppress(OSError):
            room = int(self.usage.read_text(encoding="ascii")) + 65536
            self.limit.write_text(str(room), encoding="ascii")

    def remove(self):
        for _ in range(50):
            with contextlib.suppress(OSError):
                self.folder.rmdir()
                return
            time.sleep(0.1)
