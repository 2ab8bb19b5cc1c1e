# SPDX-License-Identifier: Apache-2.0
"""A terminal that can go away."""

import fcntl
import os
import pty
import select
import termios


class Terminal:
    def __init__(self):
        self.main, self.other = pty.openpty()
        self.open = True

    def streams(self):
        """Options for Popen: all three streams, and a session whose terminal it is."""

        def take():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        return {"stdin": self.other, "stdout": self.other, "stderr": self.other,
                "preexec_fn": take}

    def started(self):
        os.close(self.other)

    def read(self):
        """What was written next; nothing when the terminal, or the program, is gone. It is not
        gone as long as somebody waits in a read."""
        while self.open:
            if select.select([self.main], [], [], 0.02)[0]:
                return os.read(self.main, 65536)
        os.close(self.main)
        return b""

    def close(self):
        self.open = False
