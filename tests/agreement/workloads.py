# SPDX-License-Identifier: Apache-2.0
"""Programs under load. Each is a context: {"pid": whom to trace, "one_in": N}; it ends all it began."""

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent


class Missing(Exception):
    """A program is not installed."""


def need(name, *places):
    found = shutil.which(name, path=os.pathsep.join([*places, os.environ["PATH"]]))
    if not found:
        raise Missing(name)
    return found


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for_port(port, process):
    for _ in range(300):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"{process.args[0]} does not listen")


@contextlib.contextmanager
def running(*command, ask_first=False, **options):
    """A process in a group of its own, which is gone afterwards, with its children. Some must be
    asked to end by themselves, to leave nothing behind."""
    options = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
        **options,
    }
    with subprocess.Popen([str(word) for word in command], start_new_session=True, **options) as one:
        try:
            yield one
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGCONT)
                if ask_first:
                    one.send_signal(signal.SIGINT)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        one.wait(timeout=20)
                os.killpg(one.pid, signal.SIGKILL)
            one.wait()


@contextlib.contextmanager
def repeated(command, **options):
    """A shell command, again and again."""
    with running("sh", "-c", f"while :; do {command}; sleep 0.05; done", **options) as loop:
        yield loop


@contextlib.contextmanager
def cpp(build, name="mixed_cpp"):
    with running(build / "tests/agreement" / name) as program:
        yield {"pid": program.pid, "one_in": 150}


def cpp_frame_pointer(build):
    return cpp(build, "mixed_cpp_frame_pointer")


@contextlib.contextmanager
def python(_build):
    # The distribution's own, which has no frame pointers.
    program = need("python3.11", "/usr/bin")
    with running(program, "-X", "utf8", HERE / "mixed_python.py") as process:
        yield {"pid": process.pid, "one_in": 200}


@contextlib.contextmanager
def node(_build):
    with running(need("node"), HERE / "mixed_node.js") as process:
        yield {"pid": process.pid, "one_in": 100}


@contextlib.contextmanager
def redis(_build):
    server, load = need("redis-server"), need("redis-benchmark")
    port = free_port()
    tests = "set,get,incr,lpush,rpush,lpop,sadd,hset,zadd,lrange_100,mset"
    with tempfile.TemporaryDirectory() as folder:
        with running(server, "--port", port, "--save", "", "--dir", folder) as process:
            wait_for_port(port, process)
            with repeated(f"{load} -p {port} -n 3000 -c 20 -r 1000 -t {tests} -q"):
                yield {"pid": process.pid, "one_in": 50}


NGINX = """
daemon off;
master_process off;
error_log /dev/null;
pid {folder}/pid;
events {{}}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  gzip on;
  gzip_min_length 1;
  gzip_types text/plain;
  keepalive_requests 5;
  server {{
    listen 127.0.0.1:{port};
    root {folder};
    location /again {{ proxy_pass http://127.0.0.1:{port}/text.txt; }}
    location /list/ {{ autoindex on; }}
    location ~ ^/old/(.*)$ {{ rewrite ^ /text.txt last; }}
  }}
}}
"""


@contextlib.contextmanager
def nginx(_build):
    server, load = need("nginx", "/usr/sbin"), need("wrk")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        root = pathlib.Path(folder)
        (root / "list").mkdir()
        (root / "text.txt").write_text("some text\n" * 2000, encoding="utf-8")
        (root / "nginx.conf").write_text(NGINX.format(folder=folder, port=port), encoding="utf-8")
        with running(server, "-p", folder, "-c", root / "nginx.conf") as process:
            wait_for_port(port, process)
            address = f"http://127.0.0.1:{port}"
            command = "; ".join(
                f"{load} -t1 -c4 -d1 -H 'Accept-Encoding: gzip' {address}/{page}"
                for page in ("text.txt", "again", "list/", "old/x", "none")
            )
            with repeated(command):
                yield {"pid": process.pid, "one_in": 100}


@contextlib.contextmanager
def openssl(_build):
    program = need("openssl")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = f"{folder}/key.pem", f"{folder}/certificate.pem"
        subprocess.run(
            [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
            + ["-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
            check=True,
            capture_output=True,
        )
        server = [program, "s_server", "-accept", port, "-key", key, "-cert", certificate, "-www"]
        with running(*server) as process:
            wait_for_port(port, process)
            with repeated(f"{program} s_time -connect 127.0.0.1:{port} -new -www / -time 2"):
                yield {"pid": process.pid, "one_in": 100}


QUERIES = """
\\set n random(1, 1000)
SELECT bid, sum(abalance), array_agg(aid ORDER BY aid) FROM pgbench_accounts
  WHERE aid < :n * 20 GROUP BY bid;
UPDATE pgbench_accounts SET abalance = abalance + 1, filler = 'changed' WHERE aid = :n;
SELECT a.aid, b.filler FROM pgbench_accounts a JOIN pgbench_accounts b ON a.abalance = b.aid
  WHERE a.aid < :n ORDER BY b.filler DESC, a.aid LIMIT 50;
SELECT jsonb_agg(to_jsonb(t)) FROM (SELECT * FROM pgbench_tellers LIMIT 20) t;
SELECT regexp_replace(repeat('abc', :n), '(a)(b)', '\\\\2\\\\1', 'g'), 1 / (:n - :n / 2 * 2 + 1);
WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < :n) SELECT sum(i) FROM r;
"""


def backend_of(postmaster, database):
    """The server process of the load's one connection."""
    for _ in range(100):
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                title = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if parent == postmaster and f" {database} " in title:
                    return int(entry.name)
        time.sleep(0.1)
    raise RuntimeError("no server process of PostgreSQL serves the load")


@contextlib.contextmanager
def postgres(_build):
    places = [str(path) for path in sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))]
    initdb, server = need("initdb", *places), need("postgres", *places)
    pgbench, createdb = need("pgbench", *places), need("createdb", *places)
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        raise Missing("a user postgres") from None
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, user.pw_uid, user.pw_gid)
        own = {"user": "postgres", "group": "postgres", "extra_groups": [], "cwd": folder}
        place = {"env": {**os.environ, "PGHOST": folder, "PGPORT": str(port), "PGUSER": "postgres"}}
        quiet = {"check": True, "capture_output": True, **own, **place}
        subprocess.run([initdb, "-D", f"{folder}/data", "-A", "trust", "-N"], **quiet)
        (pathlib.Path(folder) / "queries.sql").write_text(QUERIES, encoding="utf-8")
        settings = ["-c", "jit=off", "-c", "fsync=off", "-c", f"unix_socket_directories={folder}"]
        start = [server, "-D", f"{folder}/data", "-p", port, *settings]
        with running(*start, ask_first=True, **own) as process:  # or its shared memory stays
            wait_for_port(port, process)
            subprocess.run([createdb, "agree"], **quiet)
            subprocess.run([pgbench, "-i", "-s", "1", "-q", "agree"], **quiet)
            load = [pgbench, "-n", "-c", 1, "-T", 100000, "-f", f"{folder}/queries.sql", "agree"]
            with running(*load, **own, **place):
                yield {"pid": backend_of(process.pid, "agree"), "one_in": 10}


ALL = {
    "cpp_frame_pointer": cpp_frame_pointer,
    "cpp": cpp,
    "python": python,
    "redis": redis,
    "nginx": nginx,
    "postgres": postgres,
    "openssl": openssl,
    "node": node,
}
