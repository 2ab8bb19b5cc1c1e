# SPDX-License-Identifier: Apache-2.0
# A program that has imported 1,500 modules, and leaks in the last of them: many_modules.py FOLDER
import importlib
import os
import sys
import time

folder = sys.argv[1]
sys.path.insert(0, folder)
for number in range(1500):
    with open(os.path.join(folder, "module_%d.py" % number), "w") as file:
        file.write("kept = []\n\ndef leak(size):\n    kept.append(bytearray(size))\n")
        file.write("".join("\ndef unused_%d():\n    return %d\n" % (i, i) for i in range(20)))
modules = [importlib.import_module("module_%d" % number) for number in range(1500)]
print("ready", flush=True)
while True:
    modules[-1].leak(2000)
    time.sleep(0.001)
