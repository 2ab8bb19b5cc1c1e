# SPDX-License-Identifier: Apache-2.0
"""Makes and drops objects at a constant rate, code that is made at run time too; keeps a bounded
number of them."""

import collections
import os
import threading
import time

kept = collections.deque(maxlen=5000)


def handle(number):
    kept.append({"number": number, "text": "x" * (number % 300)})
    scope = {}
    exec(f"def made(): return [{number}] * 50", scope)  # pylint: disable=exec-used
    return len(scope["made"]())


print("ready", os.getpid(), flush=True)
for count in range(10**12):
    handle(count)
    if count % 50 == 0:
        thread = threading.Thread(target=handle, args=(count,))
        thread.start()
        thread.join()
    time.sleep(0.005)
