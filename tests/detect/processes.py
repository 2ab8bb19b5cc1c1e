# SPDX-License-Identifier: Apache-2.0
"""Processes that a test starts, waits for, and never leaves behind."""

import asyncio
import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket


class Missing(Exception):
    """A program is not installed."""


class Failed(Exception):
    """The test itself could not be done."""


def need(name, *places):
    found = shutil.which(name, path=os.pathsep.join([*places, os.environ["PATH"]]))
    if not found:
        raise Missing(name)
    return found


async def end(process, number):
    """Asks it to end; after ten seconds, or when this is cancelled meanwhile, kills its group."""
    try:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), 10)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@contextlib.asynccontextmanager
async def running(*command, end_with=signal.SIGTERM, **options):
    """A process in a group of its own."""
    nothing = asyncio.subprocess.DEVNULL
    options = {"stdin": nothing, "stdout": nothing, "start_new_session": True, **options}
    process = await asyncio.create_subprocess_exec(*map(str, command), **options)
    try:
        yield process
    finally:
        await end(process, end_with)


async def run(*command, **options):
    """Runs it to its end: its output. Raises Failed with what it said when that is not success."""
    pipe = asyncio.subprocess.PIPE
    async with running(
        *command, stdout=pipe, stderr=asyncio.subprocess.STDOUT, **options
    ) as process:
        output, _ = await process.communicate()
    if process.returncode:
        raise Failed(f"{command[0]} ended with {process.returncode}: {output.decode()[-500:]}")
    return output.decode()


async def wait_for_line(stream, prefix, seconds):
    """The next line that begins so. Raises Failed with all that came instead."""
    said = []

    async def find():
        async for line in stream:
            said.append(line.decode(errors="replace"))
            if said[-1].startswith(prefix):
                return said[-1].rstrip()
        raise Failed(f"no line '{prefix}'; instead: {''.join(said)[-500:]}")

    try:
        return await asyncio.wait_for(find(), seconds)
    except asyncio.TimeoutError:
        raise Failed(
            f"no line '{prefix}' in {seconds} s; instead: {''.join(said)[-500:]}"
        ) from None


def free_port():
    """One that the kernel does not give to outgoing connections."""
    for port in random.sample(range(18000, 32000), 200):
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise Failed("no free port")


async def wait_for_port(port, process):
    for _ in range(300):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        if process.returncode is not None:
            break
        await asyncio.sleep(0.1)
    raise Failed("the server does not listen")


async def child_of(pid):
    """Its first child, which may take a moment to come."""
    for _ in range(100):
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        if children:
            return int(children.split()[0])
        await asyncio.sleep(0.1)
    raise Failed(f"PID {pid} has no child")


def run_until_done(main):
    """Exit status of the coroutine; whatever signal ends this, all that was started ends first."""

    async def interruptible():
        task = asyncio.ensure_future(main)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            return 130

    return asyncio.run(interruptible())
