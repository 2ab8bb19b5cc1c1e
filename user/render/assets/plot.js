// SPDX-License-Identifier: Apache-2.0
// Bytes over time as lines, with the values at the pointer.
"use strict";

function leakbpfBytes(bytes) {
  if (bytes === null || bytes === undefined) return "-";
  const units = ["B", "KB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  let value = Math.abs(bytes);
  for (; value >= 999.5 && unit + 1 < units.length; unit++) value /= 1024;
  const digits = unit > 0 && value < 99.95 ? 1 : 0;
  return `${bytes < 0 ? "-" : ""}${value.toFixed(digits)} ${units[unit]}`;
}

function leakbpfSeconds(seconds) {
  const whole = Math.floor(seconds);
  const two = (number) => String(number).padStart(2, "0");
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${two(Math.floor(whole / 60) % 60)}m`;
}

// plot: {times, lines: [{key, name, values}], limit}; a value may be null. Draws into `place`.
function leakbpfPlot(place, plot, height) {
  const { times, lines } = plot;
  const left = 62, right = 10, top = 10, bottom = 22;
  const first = times[0];
  const last = times[times.length - 1];
  const readings = [];
  let at = times.length - 1; // index of what the legend reads
  let cursor = null;
  let width = 0;

  function svgElement(name, attributes, parent) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    parent.append(element);
    return element;
  }

  // The least of `steps`, with which there are at most `most` ticks up to `span`.
  function tickStep(span, most, steps) {
    return steps.find((step) => span / step <= most) ?? steps[steps.length - 1];
  }

  function byteSteps() {
    const steps = [];
    for (let unit = 1; unit < 1e18; unit *= 1024)
      for (const factor of [1, 2, 5, 10, 20, 50, 100, 200, 500]) steps.push(unit * factor);
    return steps;
  }

  const secondSteps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200];
  for (let days = 1; days < 1e5; days *= 2) secondSteps.push(86400 * days);

  const largest = Math.max(1, ...lines.map((line) => Math.max(...line.values.map((v) => v ?? 0))));
  // A limit far above would press the lines flat.
  const limit = plot.limit && plot.limit < 2 * largest ? plot.limit : null;
  const byteStep = tickStep(Math.max(largest, limit ?? 0), 4, byteSteps());
  const ceiling = Math.ceil(Math.max(largest, limit ?? 0) / byteStep) * byteStep;

  const x = (t) => left + ((t - first) / (last - first || 1)) * (width - left - right);
  const y = (bytes) => top + (1 - bytes / ceiling) * (height - top - bottom);

  function drawAxes(svg) {
    const across = { x1: left, x2: width - right };
    for (let bytes = 0; bytes <= ceiling; bytes += byteStep) {
      svgElement("line", { class: "grid", ...across, y1: y(bytes), y2: y(bytes) }, svg);
      const text = svgElement("text", { x: left - 8, y: y(bytes) + 4, "text-anchor": "end" }, svg);
      text.textContent = leakbpfBytes(bytes).replace(".0 ", " ");
    }
    const step = tickStep(last - first, Math.max(2, (width - left) / 90), secondSteps);
    for (let t = Math.ceil(first / step) * step; t <= last; t += step) {
      const text = svgElement("text", { x: x(t), y: height - 5, "text-anchor": "middle" }, svg);
      text.textContent = leakbpfSeconds(t).replace(/(m)00s$|(h)00m$/, "$1$2");
    }
    if (limit) {
      svgElement("line", { class: "limit", ...across, y1: y(limit), y2: y(limit) }, svg);
      const text = svgElement("text", { x: left + 6, y: y(limit) - 5 }, svg);
      text.textContent = `limit ${leakbpfBytes(limit)}`;
    }
  }

  // The points of a line in runs without a gap.
  function runsOf(values) {
    const runs = [[]];
    times.forEach((t, index) => {
      const value = values[index];
      if (value === null || value === undefined) runs.push([]);
      else runs[runs.length - 1].push(`${x(t).toFixed(1)},${y(value).toFixed(1)}`);
    });
    return runs.filter((run) => run.length);
  }

  function drawLine(svg, { key, values }) {
    for (const run of runsOf(values)) {
      const [start, end] = [run[0], run[run.length - 1]].map((point) => point.split(",")[0]);
      if (key === "outstanding") {
        const area = `M${start},${y(0)}L${run.join("L")}L${end},${y(0)}Z`;
        svgElement("path", { class: `area ${key}`, d: area }, svg);
      }
      svgElement("path", { class: key, d: `M${run.join("L")}` }, svg);
    }
  }

  function read(index) {
    at = index;
    readings.forEach((reading, i) => (reading.textContent = leakbpfBytes(lines[i].values[at])));
    time.textContent = leakbpfSeconds(times[at]);
    cursor.setAttribute("x1", x(times[at]));
    cursor.setAttribute("x2", x(times[at]));
  }

  function onPointer(event) {
    const pointed = event.clientX - event.currentTarget.getBoundingClientRect().left;
    let best = 0;
    times.forEach((t, index) => {
      if (Math.abs(x(t) - pointed) < Math.abs(x(times[best]) - pointed)) best = index;
    });
    cursor.style.display = "";
    read(best);
  }

  function onKey(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    cursor.style.display = "";
    read(Math.min(Math.max(at + step, 0), times.length - 1));
  }

  function leave() {
    cursor.style.display = "none";
    read(times.length - 1);
  }

  function draw() {
    width = Math.max(place.clientWidth, 160);
    place.querySelector("svg")?.remove();
    const svg = svgElement("svg", { height, role: "img", tabindex: 0 }, place);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("aria-label", `${lines.map((line) => line.name).join(", ")} over time`);
    svgElement("rect", { width, height, fill: "transparent" }, svg); // to be pointed at
    drawAxes(svg);
    lines.forEach((line) => drawLine(svg, line));
    cursor = svgElement("line", { class: "cursor", y1: top, y2: height - bottom }, svg);
    svg.addEventListener("pointermove", onPointer);
    svg.addEventListener("pointerdown", onPointer);
    svg.addEventListener("pointerleave", leave);
    svg.addEventListener("keydown", onKey);
    svg.addEventListener("blur", leave);
    leave();
  }

  function addReading(name, key) {
    const item = document.createElement("span");
    if (key) item.append(Object.assign(document.createElement("i"), { className: key }));
    const value = document.createElement("b");
    item.append(`${name} `, value);
    legend.append(item);
    return value;
  }

  const legend = document.createElement("div");
  legend.className = "legend-line";
  place.append(legend);
  lines.forEach((line) => readings.push(addReading(line.name, line.key)));
  const time = addReading("at", "");
  new ResizeObserver(() => {
    if (place.clientWidth !== width) draw();
  }).observe(place);
  draw();
}
