# SPDX-License-Identifier: Apache-2.0
"""Servers under load, each a context that takes a Place and gives a Served. In mode "leak" redis
and the web services are used, or written, so that they keep all orders; the others, which have no
such leak, get one from tests/programs/seeded_leak.c."""

import asyncio
import contextlib
import dataclasses
import os
import pathlib
import pwd
import random
import shutil
import signal
import sys

from processes import (
    Failed,
    Missing,
    child_of,
    free_port,
    need,
    run,
    running,
    wait_for_line,
    wait_for_port,
)

HERE = pathlib.Path(__file__).resolve().parent
PIPE = asyncio.subprocess.PIPE
IS_ROOT = os.geteuid() == 0


@dataclasses.dataclass
class Place:
    """Where and how a server is to run."""

    folder: pathlib.Path  # of its own, empty, removed afterwards; anybody may read it
    leak: bool
    seed: int
    seeded_leak: pathlib.Path

    def environment(self, call, **more):
        """With a leak in this call, if there is to be one."""
        if not self.leak:
            return {**os.environ, **more}
        library = shutil.copy(self.seeded_leak, self.folder)  # where each user may read it
        return {**os.environ, "LD_PRELOAD": library, "SEEDED_LEAK_CALL": call, **more}


@dataclasses.dataclass
class Served:
    """Who is to be traced, and what must go on all the time."""

    pids: list
    processes: list

    def check(self):
        for process in self.processes:
            if process.returncode is not None:
                raise Failed(f"the server or its load ended with {process.returncode}")


@contextlib.asynccontextmanager
async def warm_load(name, port, place):
    mode = "leak" if place.leak else "steady"
    command = [sys.executable, HERE / "load.py", name, port, mode, place.seed]
    async with running(*command, stdout=PIPE) as load:
        await wait_for_line(load.stdout, "warm", 120)
        yield load


@contextlib.asynccontextmanager
async def served(name, place, port, *command, **options):
    """A server of one process and its load."""
    async with running(*command, **options) as server:
        await wait_for_port(port, server)
        async with warm_load(name, port, place) as load:
            yield Served([server.pid], [server, load])


def redis(place):
    port = free_port()
    command = [need("redis-server"), "--port", port, "--bind", "127.0.0.1", "--save", ""]
    return served("redis", place, port, *command, "--dir", place.folder)


def memcached(place):
    port = free_port()
    command = [need("memcached"), "-l", "127.0.0.1", "-p", port, "-U", 0, "-m", 100, "-t", 2]
    command += ["-u", "nobody"] if IS_ROOT else []
    return served("memcached", place, port, *command, env=place.environment("read"))


def uvicorn(place):
    port = free_port()
    command = [need("uvicorn"), "--app-dir", HERE, "shop_service:app", "--port", port]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return served("uvicorn", place, port, *command, "--log-level", "warning", env=environment)


def node(place):
    port = free_port()
    return served("node", place, port, need("node"), HERE / "shop_service.js", port)


NGINX = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  gzip on;
  gzip_types text/plain;
  server {{
    listen 127.0.0.1:{port};
    root {folder};
  }}
}}
"""


@contextlib.asynccontextmanager
async def nginx(place):
    program = need("nginx", "/usr/sbin")
    port, chance = free_port(), random.Random(place.seed)
    for i in range(60):
        text = "".join(
            f"line {chance.random()} of a text\n" for _ in range(chance.randint(30, 4000))
        )
        (place.folder / f"file{i}.txt").write_text(text, encoding="ascii")
    configuration = place.folder / "nginx.conf"
    configuration.write_text(NGINX.format(folder=place.folder, port=port), encoding="utf-8")
    command = [program, "-p", place.folder, "-c", configuration, "-e", place.folder / "error.log"]
    async with running(*command, env=place.environment("recv")) as master:
        await wait_for_port(port, master)
        async with warm_load("nginx", port, place) as load:
            yield Served([await child_of(master.pid)], [master, load])


# First each backend reads every row by the index once: pages of the shared buffers count as its
# memory from when it touches them. Half of each page is left free for the updates.
QUERIES = """
\\if :warm = 0
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT sum(abalance) FROM pgbench_accounts WHERE aid > 0;
\\set warm 1
\\endif
\\set account random(1, 100000)
\\set kind random(1, 10)
\\if :kind = 1
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :account;
\\elif :kind = 2
SELECT bid, sum(abalance), array_agg(aid ORDER BY abalance, aid) FROM pgbench_accounts
  WHERE aid BETWEEN :account AND :account + 300 GROUP BY bid;
\\else
SELECT abalance FROM pgbench_accounts WHERE aid = :account;
\\endif
"""
QUERIES_PER_SECOND = 100
SECONDS_TO_WARM = 10


def postgres_user():
    """Options of processes that may not be root's."""
    if not IS_ROOT:
        return {}
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        raise Missing("a user postgres") from None
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextlib.asynccontextmanager
async def postgres(place):
    versions = pathlib.Path("/usr/lib/postgresql").glob("*/bin")
    places = [str(path) for path in sorted(versions, key=lambda path: float(path.parent.name))][
        ::-1
    ]
    initdb, server, pgbench, psql = (
        need(name, *places) for name in ("initdb", "postgres", "pgbench", "psql")
    )
    folder, port, own = place.folder, free_port(), postgres_user()
    if IS_ROOT:
        os.chown(folder, own["user"], own["group"])
    own["cwd"] = folder
    (folder / "queries.sql").write_text(QUERIES, encoding="ascii")
    names = {
        "PGHOST": str(folder),
        "PGPORT": str(port),
        "PGUSER": "postgres",
        "PGDATABASE": "postgres",
    }
    client = {**own, "env": {**os.environ, **names}}
    await run(initdb, "-D", folder / "data", "-A", "trust", "-U", "postgres", "-N", **client)
    command = [server, "-D", folder / "data", "-p", port, "-c", f"unix_socket_directories={folder}"]
    command += ["-c", "jit=off", "-c", "fsync=off"]
    environment = place.environment("recv", LC_ALL="C")
    log = open(folder / "log", "wb")  # pylint: disable=consider-using-with
    with log:
        async with running(
            *command, end_with=signal.SIGINT, stderr=log, env=environment, **own
        ) as master:
            await wait_for_port(port, master)
            await run(pgbench, "-i", "-s", 1, "-F", 50, "-q", **client)
            load = [
                pgbench,
                "-n",
                "-M",
                "prepared",
                "-c",
                2,
                "-R",
                QUERIES_PER_SECOND,
                "-T",
                100000,
            ]
            load += ["-P", SECONDS_TO_WARM, "--random-seed", place.seed, "-D", "warm=0"]
            load += ["-f", folder / "queries.sql"]
            async with running(*load, stderr=PIPE, **client) as clients:
                await wait_for_line(clients.stderr, "progress:", 60)
                query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench'"
                pids = await run(psql, "-At", "-c", query, **client)
                yield Served([int(pid) for pid in pids.split()], [master, clients])


SERVERS = {server.__name__: server for server in (redis, nginx, postgres, memcached, uvicorn, node)}
