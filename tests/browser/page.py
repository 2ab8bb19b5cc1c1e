# SPDX-License-Identifier: Apache-2.0
"""Uses the table and the plots of a page."""

import re

from static import require

ROWS = """
return [...document.querySelectorAll("table.sites tbody tr[data-index]")]
  .filter((row) => !row.hidden)
  .map((row) => [...row.cells].map((cell) => ({
    text: cell.textContent,
    value: "value" in cell.dataset ? Number(cell.dataset.value) : null,
  })))"""
OPENED = """
const opened = document.querySelector("tr.opened");
if (!opened) return null;
const line = (item) => item.querySelector("b").textContent;
return {
  stack: [...opened.querySelectorAll(".stack li")].map(line),
  culprit: [...opened.querySelectorAll(".stack li.culprit")].map(line),
  source: [...opened.querySelectorAll(".stack code")].map((code) => code.textContent),
  facts: opened.querySelectorAll(".facts dd").length,
  plotted: opened.querySelectorAll(".plot path").length,
  follows: opened.previousElementSibling.dataset.index,
}"""


def check_plot(page, place):
    """Pointing at its left and at its right reads other values."""
    paths = page.run("return arguments[0].querySelectorAll('path').length", place)
    require(paths, "a plot has no line")
    ticks = page.run(
        "return [...arguments[0].querySelectorAll('text')].map((t) => t.textContent)", place
    )
    sizes = [tick for tick in ticks if re.fullmatch(r"[\d.]+ (B|[KMGTP]B)", tick)]
    times = [tick for tick in ticks if re.fullmatch(r"(\d+[dhms])+", tick)]
    require(len(sizes) >= 2 and len(times) >= 2, f"the axes of a plot say {ticks}")
    picture = page.run("return arguments[0].querySelector('svg')", place)
    page.run("arguments[0].scrollIntoView({block: 'center'})", picture)
    width = page.run("return arguments[0].clientWidth", picture)
    readings = []
    for x in (-width // 4, width // 4):
        page.point(picture, x)
        readings.append(
            page.run("return arguments[0].querySelector('.legend-line').textContent", place)
        )
    require(readings[0] != readings[1], f"pointing at a plot always reads {readings[0]!r}")
    require(re.search(r"at \d+[hms]", readings[0]), f"a plot reads no time: {readings[0]!r}")


def check_target_plots(page):
    wanted = page.run(
        """return JSON.parse(document.getElementById("data").textContent).plots
          .filter((plot) => plot.times.length > 1).length"""
    )
    places = page.run(
        "return [...document.querySelectorAll('[data-plot]')].filter((p) => p.firstChild)"
    )
    require(len(places) == wanted, f"{len(places)} of {wanted} plots are drawn")
    for place in places:
        check_plot(page, place)


def header_names(page):
    script = "return [...document.querySelectorAll('table.sites th')].map((th) => th.textContent)"
    return page.run(script)


def check_order(rows, column, name, descending):
    keys = [row[column]["value"] for row in rows]
    if all(key is None for key in keys):
        keys = [row[column]["text"].lower() for row in rows]
    known = [key for key in keys if key is not None]
    require(None not in keys[: len(known)], f"{name}: unknown values do not come last")
    order = sorted(known, reverse=descending)
    if isinstance(known[0], str):  # of texts only equals have to lie together
        require(
            len(set(known)) == 1 + sum(a != b for a, b in zip(known, known[1:])),
            f"{name}: no order",
        )
    else:
        require(known == order, f"{name}: the rows are not sorted")


def check_sorting(page):
    before = page.run(ROWS)
    for column, name in enumerate(header_names(page)):
        for _ in range(2):
            header = page.run(
                "return document.querySelectorAll('table.sites th')[arguments[0]]", column
            )
            page.click(page.run("return arguments[0].querySelector('button')", header))
            said = page.run("return arguments[0].getAttribute('aria-sort')", header)
            rows = page.run(ROWS)
            require(len(rows) == len(before), f"{name}: sorting loses rows")
            marked = page.run(
                "return document.querySelectorAll('table.sites th[aria-sort]').length"
            )
            require(marked == 1, f"{name}: {marked} columns say that they are sorted")
            check_order(rows, column, name, said == "descending")
    rank = page.run("return document.querySelector('table.sites th button')")
    page.click(rank)
    if page.run(ROWS) != before:
        page.click(rank)
    require(page.run(ROWS) == before, "sorting by rank does not give the first order back")


def check_filter(page):
    rows = page.run(ROWS)
    word = rows[-1][-1]["text"].split()[0]
    field = page.find(".tools input")
    page.type(field, re.sub(r"[^\w]", ".", word))
    shown = page.run(ROWS)
    require(shown and len(shown) <= len(rows), f"filtering by {word!r} shows {len(shown)} rows")
    require(rows[-1] in shown, f"filtering by {word!r} hides the row that has it")
    said = page.run("return document.querySelector('.tools span').textContent")
    require(said == f"{len(shown)} of {len(rows)} rows", f"the filter says {said!r}")
    page.clear(field)
    page.type(field, "no such function (")
    require(not page.run(ROWS), "a filter that nothing matches shows rows")
    page.clear(field)
    require(len(page.run(ROWS)) == len(rows), "rows stay hidden")


def check_opening(page):
    """Each row has its own stack, in which its culprit is marked."""
    rows = page.run("return [...document.querySelectorAll('tr[data-index]')]")
    for row in [*rows[:5], *rows[:1]]:  # the first one again: it was closed
        culprit = page.run(
            "return arguments[0].querySelector('.culprit b')?.textContent ?? ''", row
        )
        page.run("arguments[0].scrollIntoView({block: 'center'})", row)
        page.click(page.run("return arguments[0].querySelector('.culprit')", row))
        opened = page.run(OPENED)
        require(opened, "clicking a row opens nothing")
        require(
            opened["follows"] == page.run("return arguments[0].dataset.index", row),
            "another row opens",
        )
        require(
            not culprit or opened["culprit"] == [culprit], f"{culprit!r} is not marked in its stack"
        )
        require(opened["facts"], "a row has no figures")
        place = page.run("return document.querySelector('tr.opened .plot')")
        if opened["plotted"]:
            check_plot(page, place)
        page.click(page.run("return arguments[0].querySelector('.culprit')", row))
        require(not page.run(OPENED), "clicking an open row does not close it")


def check_rows(page, count):
    require(len(page.run(ROWS)) == count, "the table has other rows with JavaScript than without")
    if count:
        check_sorting(page)
        check_filter(page)
        check_opening(page)
