// SPDX-License-Identifier: Apache-2.0
// Makes the flame graph of flame_svg.cpp interactive: zoom, search, details. Only ASCII, and no "<"
// next to a letter: the text stands in an SVG file and in a page.
"use strict";

// What a user types is a regular expression, or when it is none, text as it stands.
function leakbpfExpression(text) {
  try {
    return new RegExp(text, "i");
  } catch {
    return new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "i");
  }
}

// wholeFile: the document is the graph, so that Ctrl-F may search in it.
function leakbpfFlame(svg, wholeFile) {
  const svgSpace = "http://www.w3.org/2000/svg";
  const htmlSpace = "http://www.w3.org/1999/xhtml";
  // The measures of flame_svg.cpp, in pixels.
  const margin = 12, rowHeight = 18, legendRow = 20, indent = 4, columnWidth = 6.63;
  const detailsHeight = 44;

  const layer = svg.querySelector(".frames");
  const legend = svg.querySelector(".legend");
  const boxes = readBoxes();
  const indexOfGroup = new Map(boxes.map((box, index) => [box.group, index]));
  const headings = readHeadings();
  const original = {
    height: svg.viewBox.baseVal.height,
    controls: translationOf(svg.querySelector(".controls")),
    frames: translationOf(layer),
  };
  let inner = 0; // width of the root in pixels
  let zoomed = 0; // index of the box that has the whole width
  let pointed = -1; // index of the box whose details are shown

  function make(space, name, className, parent) {
    const element = document.createElementNS(space, name);
    element.setAttribute("class", className);
    parent.append(element);
    return element;
  }

  function translationOf(element) {
    const [x, y] = element.getAttribute("transform").match(/[\d.]+/g).map(Number);
    return { x, y };
  }

  // ---- What the file holds

  function readBoxes() {
    const list = [...layer.children].map((group) => {
      const rect = group.querySelector("rect");
      const [name, place, amount] = group.querySelector("title").textContent.split("\n");
      return {
        group, rect, name, place, amount,
        text: group.querySelector("text"),
        x: Number(rect.getAttribute("x")),
        width: Number(rect.getAttribute("width")),
        depth: Math.round(Number(rect.getAttribute("y")) / rowHeight),
        parent: -1,
        end: 0, // index behind its last descendant
      };
    });
    const whole = list[0].width || 1;
    const open = [];
    list.forEach((box, index) => {
      box.x /= whole;
      box.width /= whole;
      while (open.length > box.depth) list[open.pop()].end = index;
      box.parent = open.length ? open[open.length - 1] : -1;
      open.push(index);
    });
    while (open.length) list[open.pop()].end = list.length;
    return list;
  }

  function readHeadings() {
    return [...svg.querySelectorAll(":scope > text")].map((element) => ({
      element,
      text: element.textContent,
      below: Boolean(layer.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING),
    }));
  }

  // ---- Layout for the width that there is

  // Characters of many scripts take two columns.
  function columnsOf(character) {
    const code = character.codePointAt(0);
    return (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xd7a3) ||
      (code >= 0xf900 && code <= 0xff60) || code >= 0x1f300 ? 2 : 1;
  }

  function cut(text, columns) {
    let used = 0;
    let kept = "";
    for (const character of text) {
      used += columnsOf(character);
      if (used > columns) return [...kept].slice(0, -1).join("") + "\u2026";
      kept += character;
    }
    return kept;
  }

  function fitHeading({ element, text }) {
    element.textContent = text;
    const length = element.getComputedTextLength();
    if (length <= inner) return;
    const fitting = Math.floor((text.length * inner) / length) - 1;
    element.textContent = `${text.slice(0, fitting)}\u2026`;
  }

  // Returns the height of the rows that the legend takes beyond its first.
  function flowLegend() {
    let x = 0;
    let y = 0;
    for (const item of legend.children) {
      const width = item.querySelector("text").getComputedTextLength() + 34;
      if (x > 0 && x + width > inner) {
        x = 0;
        y += legendRow;
      }
      item.setAttribute("transform", `translate(${x},${y})`);
      x += width;
    }
    return y;
  }

  function layOut() {
    const width = Math.max(svg.getBoundingClientRect().width, 200);
    inner = width - 2 * margin;
    headings.forEach(fitHeading);
    const extra = flowLegend();
    controls.setAttribute("transform", `translate(${margin},${original.controls.y + extra})`);
    controls.firstChild.setAttribute("width", inner);
    layer.setAttribute("transform", `translate(${margin},${original.frames.y + extra})`);
    for (const { element, below } of headings)
      if (below) element.setAttribute("transform", `translate(0,${extra})`);
    const height = original.height + extra;
    svg.setAttribute("height", height);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    details.bar.setAttribute("width", width);
    boxes.forEach(placeBox);
    showDetails(-1);
  }

  function placeBox(box, index) {
    const focus = boxes[zoomed];
    const above = index < zoomed && box.end > zoomed;
    const inside = index >= zoomed && index < focus.end;
    const scale = inner / (focus.width || 1);
    const x = above ? 0 : (box.x - focus.x) * scale;
    const width = above ? inner : box.width * scale;
    const shown = (above || inside) && width > 0.05;
    box.group.classList.toggle("away", !shown);
    if (!shown) return;
    box.group.classList.toggle("above", above);
    box.rect.setAttribute("x", x);
    box.rect.setAttribute("width", width > 3 ? width - 1 : width); // a gap, where there is room
    const columns = Math.floor((width - 2 * indent) / columnWidth);
    if (columns < 2) {
      if (box.text) box.text.textContent = "";
      return;
    }
    if (!box.text) {
      box.text = make(svgSpace, "text", "", box.group);
      box.text.setAttribute("y", box.depth * rowHeight + 13);
    }
    box.text.setAttribute("x", x + indent);
    box.text.textContent = cut(box.name, columns);
  }

  // ---- Zoom

  function zoom(index) {
    zoomed = index;
    controls.reset.disabled = index === 0;
    boxes.forEach(placeBox);
  }

  // ---- Search

  // The memory below matches is counted once, however many of them lie above each other.
  function search(text) {
    const expression = text ? leakbpfExpression(text) : null;
    let count = 0;
    let share = 0;
    let coveredTo = 0;
    boxes.forEach((box, index) => {
      const hit = index > 0 && expression !== null &&
        (expression.test(box.name) || expression.test(box.place));
      box.group.classList.toggle("hit", hit);
      if (!hit) return;
      count++;
      if (index < coveredTo) return;
      share += box.width;
      coveredTo = box.end;
    });
    const boxWord = count === 1 ? "box" : "boxes";
    controls.matched.textContent =
      text ? `${(100 * share).toFixed(1)}% matched, ${count} ${boxWord}` : "";
  }

  // ---- Details of a box, at the lower edge of what is visible of the graph

  function showDetails(index) {
    if (pointed >= 0) boxes[pointed].group.classList.remove("at");
    pointed = index;
    details.style.display = index < 0 ? "none" : "";
    if (index < 0) return;
    const box = boxes[index];
    const columns = Math.floor(inner / columnWidth);
    details.name.textContent = cut(box.name, columns);
    details.amount.textContent =
      cut(box.place ? `${box.amount}  \u00b7  ${box.place}` : box.amount, columns);
    placeDetails();
  }

  function placeDetails() {
    const frame = svg.getBoundingClientRect();
    const bottom = Math.min(frame.height, window.innerHeight - frame.top);
    details.setAttribute("transform", `translate(0,${bottom - detailsHeight})`);
  }

  function makeDetails() {
    const group = make(svgSpace, "g", "details", svg);
    group.setAttribute("role", "status");
    group.bar = make(svgSpace, "rect", "", group);
    group.bar.setAttribute("height", detailsHeight);
    for (const [name, y] of [["name", 18], ["amount", 35]]) {
      group[name] = make(svgSpace, "text", name, group);
      group[name].setAttribute("x", margin);
      group[name].setAttribute("y", y);
    }
    return group;
  }

  function makeControls() {
    const group = svg.querySelector(".controls");
    const place = make(svgSpace, "foreignObject", "", group);
    place.setAttribute("height", 30);
    const row = make(htmlSpace, "div", "flame-controls", place);
    group.input = make(htmlSpace, "input", "flame-search", row);
    group.input.type = "search";
    group.input.placeholder = "Search (regular expression)";
    group.input.setAttribute("aria-label", "Search functions");
    group.reset = make(htmlSpace, "button", "flame-reset", row);
    group.reset.type = "button";
    group.reset.textContent = "Reset zoom";
    group.reset.disabled = true;
    group.matched = make(htmlSpace, "span", "flame-matched", row);
    group.matched.setAttribute("role", "status");
    return group;
  }

  // ---- Events

  function indexAt(event) {
    const group = event.target.closest(".frames > g");
    return group ? indexOfGroup.get(group) : -1;
  }

  // The visible box that an arrow key leads to from box `index`.
  function neighbour(index, key) {
    const { parent, end, depth } = boxes[index];
    if (key === "ArrowUp") return parent;
    if (key === "ArrowDown") return index + 1 < end ? index + 1 : -1;
    if (key === "ArrowRight") return end < boxes.length && boxes[end].depth === depth ? end : -1;
    for (let i = index - 1; i > parent; i--)
      if (boxes[i].depth === depth) return i;
    return -1;
  }

  function onFrameKey(event) {
    const { key } = event;
    if (key === "Enter" || key === " ") {
      zoom(Math.max(pointed, 0));
    } else if (key.startsWith("Arrow")) {
      const next = pointed < 0 ? zoomed : neighbour(pointed, key);
      if (next >= 0 && !boxes[next].group.classList.contains("away")) {
        showDetails(next);
        boxes[next].group.classList.add("at");
      }
    } else {
      return;
    }
    event.preventDefault();
  }

  function onKey(event) {
    const find = (event.ctrlKey || event.metaKey) && event.key === "f";
    if (wholeFile && (find || (event.key === "/" && event.target !== controls.input))) {
      event.preventDefault();
      controls.input.focus();
      controls.input.select();
    } else if (event.key === "Escape" && (wholeFile || svg.contains(event.target))) {
      controls.input.value = "";
      search("");
      zoom(0);
    }
  }

  svg.setAttribute("width", "100%");
  const controls = makeControls();
  const details = makeDetails();
  layer.setAttribute("tabindex", "0");
  layer.setAttribute("role", "application");
  layer.setAttribute("aria-label", "Flame graph: arrow keys walk, Enter zooms, Escape zooms out");
  layer.addEventListener("click", (event) => {
    const index = indexAt(event);
    if (index >= 0) zoom(index);
  });
  layer.addEventListener("pointerover", (event) => showDetails(indexAt(event)));
  layer.addEventListener("pointerleave", () => showDetails(-1));
  layer.addEventListener("keydown", onFrameKey);
  layer.addEventListener("blur", () => showDetails(-1));
  controls.reset.addEventListener("click", () => zoom(0));
  controls.input.addEventListener("input", () => search(controls.input.value));
  window.addEventListener("keydown", onKey);
  window.addEventListener("resize", layOut);
  window.addEventListener("scroll", placeDetails, { passive: true });
  layOut();
}
