# SPDX-License-Identifier: Apache-2.0
"""Uses a flame graph, in a file of its own or in a page."""

import re

from static import require
from webdriver import ARROW_DOWN, CONTROL, ENTER, ESCAPE

# Every box as the user sees it.
BOXES = """
return [...document.querySelectorAll("svg.flame .frames > g")].map((group) => {
  const rect = group.querySelector("rect");
  const text = group.querySelector("text");
  const [name, place, amount] = group.querySelector("title").textContent.split("\\n");
  return {
    name, place, amount,
    classes: [...group.classList],
    x: Number(rect.getAttribute("x")),
    width: Number(rect.getAttribute("width")),
    depth: Math.round(Number(rect.getAttribute("y")) / 18),
    text: text ? text.textContent : "",
    textWidth: text && text.textContent ? text.getComputedTextLength() : 0,
  };
})"""
DETAILS = """
const group = document.querySelector("svg.flame .details");
const frame = group.getBoundingClientRect();
return {
  shown: group.style.display !== "none",
  text: [...group.querySelectorAll("text")].map((text) => text.textContent),
  visible: frame.top >= 0 && frame.bottom <= window.innerHeight + 1,
}"""


def box_element(page, index):
    script = "return document.querySelectorAll('svg.flame .frames > g')[arguments[0]]"
    element = page.run(script, index)
    page.run("arguments[0].scrollIntoView({block: 'center'})", element)
    return element


def away(box):
    return "away" in box["classes"]


def choose(boxes):
    """The widest box that is narrower than all: zooming must change something."""
    whole = boxes[0]["width"]
    candidates = [
        i for i, box in enumerate(boxes) if box["depth"] > 1 and box["width"] < 0.9 * whole
    ]
    require(candidates, "no box is narrower than the root: nothing to zoom into")
    return max(candidates, key=lambda i: boxes[i]["width"])


def check_texts(boxes):
    for box in boxes:
        fits = box["textWidth"] <= box["width"]
        require(away(box) or fits, f"the text of {box['name']!r} is wider than its box")


def check_details(page, boxes, index):
    page.point(box_element(page, index))
    details = page.run(DETAILS)
    box = boxes[index]
    require(details["shown"] and details["visible"], "pointing at a box shows no details")
    name, amount = details["text"]
    require(name and box["name"].startswith(name.rstrip("…")), f"details name {name!r}")
    require(box["amount"] in amount, f"details say {amount!r}, the tooltip {box['amount']!r}")
    require(re.search(r"\d (B|[KMGTP]B)\b", amount), f"details have no bytes: {amount!r}")


def check_zoomed(page, before, index):
    boxes = page.run(BOXES)
    whole = before[0]["width"]
    require(abs(boxes[index]["width"] - whole) < 2, "the box that was clicked is not all wide")
    above = [box for box in boxes[:index] if "above" in box["classes"]]
    require(
        len(above) == before[index]["depth"], f"{len(above)} callers are left of the zoomed box"
    )
    require(all(abs(box["width"] - whole) < 2 for box in above), "a caller is not all wide")
    beside = [
        i for i in range(len(boxes)) if i != index and boxes[i]["depth"] == before[index]["depth"]
    ]
    require(all(away(boxes[i]) for i in beside), "boxes beside the zoomed one are not hidden")
    check_texts(boxes)


def check_unzoomed(page, before, how):
    after = page.run(BOXES)
    same = all(
        abs(a["x"] - b["x"]) < 0.01 and abs(a["width"] - b["width"]) < 0.01 and not away(a)
        for a, b in zip(after, before)
    )
    require(same, f"{how} does not zoom out")


def check_zoom(page, before, index):
    page.click(box_element(page, index))
    check_zoomed(page, before, index)
    page.click(box_element(page, 0))
    check_unzoomed(page, before, "clicking the root")
    page.click(box_element(page, index))
    page.click(page.find(".flame-reset"))
    check_unzoomed(page, before, "the button")


def expected_share(boxes, matches):
    """Percent of the root that the outermost matches take, from what is drawn."""
    share = 0
    covered_depth = None
    for box, matched in zip(boxes, matches):
        if covered_depth is not None and box["depth"] > covered_depth:
            continue
        covered_depth = box["depth"] if matched else None
        share += box["width"] + 1 if matched else 0  # 1: the gap beside it
    return 100 * share / (boxes[0]["width"] + 1)


def check_search(page, boxes, index, whole_file):
    if whole_file:
        page.press(CONTROL, "f")
        focused = page.run("return document.activeElement?.className")
        require(focused == "flame-search", "Ctrl-F does not go to the search field")
    field = page.find(".flame-search")
    page.click(field)
    name = boxes[index]["name"]
    pattern = "^" + re.sub(r"[^\w ]", ".", name) + "$"
    page.type(field, pattern)
    found = page.run(BOXES)
    hits = ["hit" in box["classes"] for box in found]
    wanted = [
        bool(i) and re.search(pattern, box["name"], re.I) is not None for i, box in enumerate(boxes)
    ]
    require(hits == wanted and any(hits), f"searching {pattern!r} marks {sum(hits)} boxes")
    said = page.run("return document.querySelector('.flame-matched').textContent")
    percent = re.match(r"([\d.]+)% matched, (\d+) box", said)
    require(percent and int(percent[2]) == sum(hits), f"the search says {said!r}")
    share = expected_share(boxes, wanted)
    require(abs(float(percent[1]) - share) < 1, f"the search says {said!r}, not {share:.1f}%")
    page.clear(field)
    page.type(field, "(")  # no expression
    require(not page.console_errors(), "half an expression is an error")
    page.clear(field)
    require(not any("hit" in box["classes"] for box in page.run(BOXES)), "marks stay")


def check_keys(page, before):
    page.run("document.querySelector('svg.flame .frames').focus()")
    for _ in range(3):  # to the root, and two boxes down
        page.press(ARROW_DOWN)
    require(any("at" in box["classes"] for box in page.run(BOXES)), "arrow keys mark no box")
    page.press(ENTER)
    check_zoomed(page, before, 2)
    page.press(ESCAPE)
    check_unzoomed(page, before, "Escape")


def check_flame(page, whole_file):
    before = page.run(BOXES)
    require(len(before) > 3 and before[0]["name"] == "all", "there is no tree of boxes")
    check_texts(before)
    index = choose(before)
    check_details(page, before, index)
    check_zoom(page, before, index)
    check_search(page, before, index, whole_file)
    check_keys(page, before)
