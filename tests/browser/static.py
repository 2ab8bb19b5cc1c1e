# SPDX-License-Identifier: Apache-2.0
"""What can be told of a rendered file without a browser."""

import html.parser
import json
import re
import xml.etree.ElementTree

SVG = "{http://www.w3.org/2000/svg}"


class Failed(Exception):
    """A check did not hold; the text says which."""


def require(condition, text):
    if not condition:
        raise Failed(text)


class Outline(html.parser.HTMLParser):
    """Counts what a reader sees without JavaScript, and what would be loaded from elsewhere."""

    def __init__(self):
        super().__init__()
        self.rows = 0
        self.badges = 0
        self.loads = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.rows += tag == "tr" and "data-index" in values
        self.badges += "badge" in (values.get("class") or "").split()
        for name in ("src", "href", "xlink:href", "action", "data"):
            target = values.get(name)
            if target and not target.startswith(("data:", "#")):
                self.loads.append(f"<{tag} {name}={target}>")


def check_page(path):
    text = path.read_text(encoding="utf-8")
    outline = Outline()
    outline.feed(text)
    require(not outline.loads, f"the page loads {outline.loads[:3]}")
    require(not re.search(r"@import|url\(", text), "the page's style loads something")
    require(outline.badges, "the page has no verdict without JavaScript")
    return outline.rows


def check_svg(path):
    """It is well-formed, and says what its boxes are in any viewer."""
    try:
        root = xml.etree.ElementTree.parse(path).getroot()
    except xml.etree.ElementTree.ParseError as error:
        raise Failed(f"not well-formed: {error}") from error
    require(root.tag == SVG + "svg", "the root is no svg element")
    for element in root.iter():
        for name, value in element.attrib.items():
            loads = name.endswith(("href", "src")) and not value.startswith("#")
            require(not loads, f"{element.tag} loads {value}")
    boxes = [group for group in root.iter(SVG + "g") if group.find(SVG + "title") is not None]
    require(boxes, "there are no boxes")
    for box in boxes:
        lines = box.find(SVG + "title").text.split("\n")
        require(len(lines) == 3 and all((lines[0], lines[2])), f"a tooltip is {lines}")
    return len(boxes)


def check_speedscope(path):
    """Against the format's schema, as far as it has to do with one another."""
    document = json.loads(path.read_text(encoding="utf-8"))
    require("speedscope.app/file-format-schema" in document.get("$schema", ""), "no $schema")
    frames = document["shared"]["frames"]
    require(all(frame.get("name") for frame in frames), "a frame without a name")
    require(document["profiles"], "no profile")
    for profile in document["profiles"]:
        name = profile["name"]
        require(profile["type"] == "sampled", f"{name}: not of type sampled")
        samples, weights = profile["samples"], profile["weights"]
        require(
            len(samples) == len(weights), f"{name}: {len(samples)} samples, {len(weights)} weights"
        )
        numbers = {number for sample in samples for number in sample}
        require(not numbers or max(numbers) < len(frames), f"{name}: a frame that is not there")
        span = profile["endValue"] - profile["startValue"]
        require(
            abs(sum(weights) - span) <= 1e-6 * max(span, 1), f"{name}: weights are not the span"
        )
    return len(document["profiles"])
