# SPDX-License-Identifier: Apache-2.0
"""Allocates as Python programs do, in many ways and on several threads, until it is killed."""

import csv
import datetime
import decimal
import functools
import hashlib
import importlib
import io
import json
import pickle
import random
import re
import sqlite3
import ssl
import struct
import sys
import threading
import time
import xml.etree.ElementTree
import zlib

EXTENSIONS = ["_csv", "_decimal", "_elementtree", "_heapq", "_bisect", "array", "binascii", "unicodedata"]


def use_json():
    value = {f"key {i}": [i, str(i) * 20, {"x": 1.5 * i}] for i in range(60)}
    return json.loads(json.dumps(value, indent=1))


def use_regex():
    re.purge()
    pattern = re.compile(r"(?P<a>[a-m]+)(?:(n|o)+|(\d{2,4}))*")
    return pattern.sub(lambda match: match.group("a").upper() * 2, "abcnno123 " * 50)


def use_sort():
    class Key:
        def __init__(self, text):
            self.text = text

        def __lt__(self, other):
            return self.text + "x" * 600 < other.text + "x" * 600

    words = ["%x" % random.getrandbits(90) for _ in range(60)]
    words.sort(key=Key)
    return sorted(words, key=lambda word: (len(word), word * 40))


def use_sqlite():
    with sqlite3.connect(":memory:") as database:
        database.create_function("twice", 1, lambda text: text * 2)
        database.execute("create table t (id integer primary key, name text, value real)")
        rows = [(f"name {i}" * 9, i / 3) for i in range(80)]
        database.executemany("insert into t (name, value) values (?, ?)", rows)
        database.execute("create index names on t (name)")
        query = "select twice(name), sum(value) from t where value > ? group by name order by 2"
        return database.execute(query, (3,)).fetchall()


def use_hashes():
    context = ssl.create_default_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        connection.do_handshake()
    except ssl.SSLWantReadError:
        pass
    digest = hashlib.new("sha512", b"x" * 10000)
    return digest.hexdigest(), hashlib.pbkdf2_hmac("sha256", b"a", b"b", 50), len(outgoing.read())


def use_exceptions(depth=12):
    try:
        if depth:
            return use_exceptions(depth - 1)
        raise ValueError("x" * 700)
    except (ValueError, RuntimeError) as error:
        if depth == 12:
            return str(error) * 3
        raise RuntimeError("deeper " + "y" * 600) from error


def use_compression():
    data = b"".join(struct.pack("<IdH", i, i / 7, i % 99) for i in range(600))
    packer = zlib.compressobj(6)
    return zlib.decompress(packer.compress(data) + packer.flush())


def use_imports():
    for name in EXTENSIONS:
        sys.modules.pop(name, None)
        importlib.import_module(name)


def use_others():
    tree = xml.etree.ElementTree.fromstring("<a>" + "<b c='d'>text</b>" * 40 + "</a>")
    rows = list(csv.reader(io.StringIO("a,b,c\n" * 50)))
    total = functools.reduce(lambda a, b: a + b, map(decimal.Decimal, range(50)))
    when = datetime.datetime.now().strftime("%A %d %B %Y " * 20)
    big = 7 ** 4000 * 11**3000
    return pickle.loads(pickle.dumps([[e.text for e in tree], rows, total, when, big]))


def use_containers():
    table = {i: bytearray(i) for i in range(500, 700)}
    grown = []
    for key, value in table.items():
        grown.append(value + bytes(key))
    return {*map(bytes, grown)}, [str(i) * 200 for i in range(100)], {i: i for i in range(3000)}


USES = [
    use_json,
    use_regex,
    use_sort,
    use_sqlite,
    use_hashes,
    use_exceptions,
    use_compression,
    use_imports,
    use_others,
    use_containers,
]


def work(uses):
    while True:
        random.choice(uses)()
        time.sleep(0.0005)


def main():
    without_imports = [use for use in USES if use is not use_imports]
    for _ in range(2):
        threading.Thread(target=work, args=(without_imports,), daemon=True).start()
    work(USES)


main()
