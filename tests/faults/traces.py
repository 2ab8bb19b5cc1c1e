# SPDX-License-Identifier: Apache-2.0
"""What leakbpf may have left behind: links in the kernel, breakpoints in a target, files."""

import contextlib
import glob
import json
import os
import pathlib
import subprocess
import sys
import time


# From the end of a leakbpf to the last of its breakpoints. Of perf events the kernel takes out one after
# the other, and waits for a grace period with each, after leakbpf has ended.
allowed_seconds = {"session": 2.0, "multi": 2.0, "perf": 12.0}


def need_root():
    """Ends a test that cannot be done, as one that is skipped."""
    if os.geteuid() != 0:
        print("needs root: skipped")
        sys.exit(4)


def links():
    """The BPF links of the system, as bpftool tells them: of one that ends meanwhile there is but
    an error."""
    told = subprocess.run(
        ["bpftool", "-j", "link", "show"], capture_output=True, text=True, check=False
    )
    there = json.loads(told.stdout) if told.stdout.strip() else []
    return [link for link in there if "id" in link] if isinstance(there, list) else []


def held_links():
    """Numbers of the links that some process has a descriptor of."""
    held = set()
    for descriptor in glob.iglob("/proc/[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(descriptor) == "anon_inode:bpf_link":
                told = pathlib.Path(descriptor.replace("/fd/", "/fdinfo/")).read_text("ascii")
                held.add(int(told.split("link_id:")[1].split()[0]))
    return held


def changed_code(pid):
    """Files whose code in the process is not what the file has: a breakpoint is still in it."""
    changed = []
    maps = pathlib.Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            words = line.split(maxsplit=5)
            if len(words) < 6 or "x" not in words[1] or not words[5].startswith("/"):
                continue
            start, end = (int(word, 16) for word in words[0].split("-"))
            memory.seek(start)
            inside = memory.read(end - start)
            with open(words[5], "rb") as file:
                file.seek(int(words[2], 16))
                outside = file.read(len(inside))
            if inside[: len(outside)] != outside:
                changed.append(words[5])
    return changed


def are_shared(there):
    """Does another program probe every process? Then breakpoints are no sign."""
    return any(
        (link["type"] == "uprobe_multi" and not link.get("pid"))
        or (link["type"] == "perf_event" and "probe" in str(link.get("event_type")))
        for link in there
    )


def left_behind(target, backend="session"):
    """What is there of a leakbpf that has ended, after the allowed time: links that are attached to
    its target or that nobody holds, breakpoints. An empty text: nothing."""
    deadline = time.monotonic() + allowed_seconds[backend]
    while True:
        there = links()
        held = held_links()  # second: a link that comes now is no stray
        found = [
            f"link {link['id']} ({link['type']})"
            for link in there
            if (target and link.get("pid") == target) or link["id"] not in held
        ]
        if target and pathlib.Path(f"/proc/{target}/mem").exists() and not are_shared(there):
            found += [f"breakpoints in {file}" for file in changed_code(target)]
        if not found or time.monotonic() > deadline:
            return ", ".join(found)
        time.sleep(0.1)


def odd_files(folder, expected):
    """Names below `folder` that are not expected."""
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in expected
    ]
