# SPDX-License-Identifier: Apache-2.0
"""A gentle load on a server: `load.py SERVER PORT steady|leak SEED`. Says "warm" when everything
that the server will hold in steady use was there at least twice, and goes on until it is ended.

Loads never make up for what they missed: a server that is held up gets no burst afterwards.
"""

import http.client
import itertools
import random
import socket
import sys
import time

KEYS = 20_000
LEAKED_PER_SECOND = 170_000  # bytes of new keys: 10 MB a minute
ITEMS = 2_500  # more than the web services' caches hold
FILES = 60  # of nginx
TEXT = "".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz", k=20_000))


def ticks(seconds):
    """The time since the one before, now and then."""
    before = due = time.monotonic()
    while True:
        due = max(due + seconds, time.monotonic())
        time.sleep(due - time.monotonic() if due > time.monotonic() else 0)
        now = time.monotonic()
        yield min(now - before, 2 * seconds)
        before = now


class LineClient:
    """Pipelined requests whose answers are counted in lines."""

    def __init__(self, port, errors):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.answers = self.socket.makefile("rb")
        self.errors = errors

    def ask(self, requests):
        """Each is its bytes and the number of lines that answer it."""
        self.socket.sendall(b"".join(request for request, _ in requests))
        for _ in range(sum(lines for _, lines in requests)):
            line = self.answers.readline()
            if not line or line.startswith(self.errors):
                raise RuntimeError(f"the server says {line}")


def text(chance, smallest, largest):
    size = chance.randint(smallest, largest)
    start = chance.randrange(len(TEXT) - size)
    return TEXT[start : start + size].encode()


def in_parts(requests, size=500):
    requests = iter(requests)
    while part := list(itertools.islice(requests, size)):
        yield part


def new_bytes_due(elapsed, chance):
    """Sizes of the records that a leaking application adds in this time."""
    due = LEAKED_PER_SECOND * elapsed
    while due > 0 and (size := chance.randint(200, 2000)):
        if chance.random() * size <= due:
            yield size
        due -= size


def redis_command(*words):
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    body = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"*%d\r\n%s" % (len(parts), body)


def redis(port, leak, chance):
    """20,000 strings and 20,000 hashes, overwritten and read; with `leak` orders that stay."""
    client = LineClient(port, (b"-",))

    def overwrite(key):
        yield redis_command("SET", f"item:{key}", text(chance, 20, 400)), 1
        field = chance.randrange(8)
        yield redis_command("HSET", f"cart:{key}", f"field{field}", text(chance, 5, 60)), 1

    def read():
        yield redis_command("GET", f"item:{chance.randrange(KEYS)}"), 2

    def fill(key):
        words = [word for n in range(8) for word in (f"field{n}", text(chance, 5, 60))]
        yield redis_command("HSET", f"cart:{key}", *words), 1
        yield from overwrite(key)

    for part in in_parts(request for key in range(KEYS) for request in fill(key)):
        client.ask(part)
    for _ in range(3 * KEYS // 100):
        client.ask([one for _ in range(100) for one in overwrite(chance.randrange(KEYS))])
    yield
    orders = itertools.count()
    for elapsed in ticks(0.05):
        requests = [one for _ in range(25) for one in overwrite(chance.randrange(KEYS))]
        requests += [one for _ in range(25) for one in read()]
        for size in new_bytes_due(elapsed, chance) if leak else ():
            requests.append((redis_command("SET", f"order:{next(orders)}", TEXT[:size]), 1))
        client.ask(requests)


def memcached(port, _leak, chance):
    """20,000 keys, overwritten and read."""
    client = LineClient(port, (b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR"))

    def overwrite(key):
        value = text(chance, 50, 1500)
        return b"set item:%d 0 0 %d\r\n%s\r\n" % (key, len(value), value), 1

    def read():
        return b"get item:%d\r\n" % chance.randrange(KEYS), 3

    for part in in_parts(overwrite(key) for key in range(KEYS)):
        client.ask(part)
    for _ in range(3 * KEYS // 100):
        client.ask([overwrite(chance.randrange(KEYS)) for _ in range(100)])
    yield
    for _ in ticks(0.05):
        client.ask([overwrite(chance.randrange(KEYS)) for _ in range(25)])
        client.ask([read() for _ in range(25)])


def http_request(connection, method, path, **headers):
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path}: the server says {answer.status}")


def nginx(port, _leak, chance):
    """Static files, plain and compressed, over kept connections and short ones."""
    kept = [http.client.HTTPConnection("127.0.0.1", port) for _ in range(4)]

    def ask():
        path = f"/file{chance.randrange(FILES)}.txt"
        if chance.random() < 0.2:
            short = http.client.HTTPConnection("127.0.0.1", port)
            http_request(short, "GET", path, Connection="close")
            short.close()
        else:
            http_request(chance.choice(kept), "GET", path, **{"Accept-Encoding": "gzip"})

    for _ in range(1000):
        ask()
    yield
    for _ in ticks(0.05):
        for _ in range(3):
            ask()


def web(port, leak, chance, warm_up):
    """A shop's items, from a bounded cache; with `leak` orders, which the service keeps."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for number in [*range(ITEMS), *(chance.randrange(ITEMS) for _ in range(warm_up))]:
        http_request(connection, "GET", f"/items/{number}")
    yield
    for _ in ticks(0.05):
        for _ in range(3):
            http_request(connection, "GET", f"/items/{chance.randrange(ITEMS)}")
        if leak:
            http_request(connection, "POST", "/orders")


def uvicorn(port, leak, chance):
    return web(port, leak, chance, 2500)


def node(port, leak, chance):
    return web(port, leak, chance, 2500)


LOADS = {load.__name__: load for load in (redis, memcached, nginx, uvicorn, node)}


def main():
    server, port, mode, seed = sys.argv[1:]
    load = LOADS[server](int(port), mode == "leak", random.Random(int(seed)))
    next(load)
    print("warm", flush=True)
    next(load)


main()
