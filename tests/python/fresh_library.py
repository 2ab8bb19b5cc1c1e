# SPDX-License-Identifier: Apache-2.0
# Calls into libraries that were opened this moment, which allocate at once: their unwind tables are
# not there yet.  fresh_library.py LIBRARY FOLDER
import ctypes
import os
import shutil
import sys


def call(path, size):
    library = ctypes.CDLL(path)
    library.plugin_leak(ctypes.c_size_t(size))


def outer(path, size):
    list(map(lambda _: call(path, size), [0]))


print("ready", flush=True)
sys.stdin.readline()
for number in range(5):
    copy = os.path.join(sys.argv[2], "fresh%d.so" % number)
    shutil.copy(sys.argv[1], copy)
    outer(copy, 30000 + number)
print("done", flush=True)
sys.stdin.readline()
