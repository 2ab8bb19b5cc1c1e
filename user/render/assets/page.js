// SPDX-License-Identifier: Apache-2.0
// The table and the plots of a page. Text of the data only ever becomes a text node.
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const table = document.querySelector("table.sites");
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const opened = new Map(); // row -> the row with its stack

  // An element with a class and children: elements, or text.
  function make(name, className, ...children) {
    const element = document.createElement(name);
    if (className) element.className = className;
    element.append(...children);
    return element;
  }

  // ---- Plots

  function plotInto(place, plot, height) {
    if (plot.times.length > 1 && plot.lines.length) leakbpfPlot(place, plot, height);
  }

  function siteHistory(site) {
    const values = data.times.map((_, index) => site.series[index] ?? null);
    return { times: data.times, lines: [{ key: "outstanding", name: "outstanding", values }] };
  }

  // ---- The stack of a row

  function stackLine(number, index, site) {
    const [kind, name, place, module, inlined, application] = data.frames[number];
    const line = make("li", kind, make("b", "", name));
    const where = [place || module, inlined ? "(inlined)" : ""].filter(Boolean).join(" ");
    if (where) line.append(" ", make("span", "", where));
    if (module) line.title = module;
    if (!application) line.classList.add("beneath");
    if (index === site.culprit) {
      line.classList.add("culprit");
      if (site.source) line.append(make("code", "", site.source));
    }
    return line;
  }

  function stackOf(site) {
    const list = make("ol", "stack");
    list.append(...site.frames.map((number, index) => stackLine(number, index, site)));
    return list;
  }

  function factsOf(site) {
    const list = make("dl", "facts");
    for (const [name, text] of site.facts) list.append(make("dt", "", name), make("dd", "", text));
    return list;
  }

  function reasonsOf(site) {
    if (!site.reasons.length) return [];
    return [make("ul", "reasons", ...site.reasons.map((reason) => make("li", "", reason)))];
  }

  function openRow(row) {
    const site = data.rows[row.dataset.index];
    const plot = make("div", "plot");
    const side = make("div", "", factsOf(site), ...reasonsOf(site), plot);
    const cell = make("td", "", make("div", "beside", make("div", "", stackOf(site)), side));
    cell.colSpan = row.cells.length;
    const detail = make("tr", "opened", cell);
    row.after(detail);
    opened.set(row, detail);
    row.setAttribute("aria-expanded", "true");
    if (site.series.length) plotInto(plot, siteHistory(site), 150);
  }

  function toggle(row) {
    const detail = opened.get(row);
    if (!detail) return openRow(row);
    detail.remove();
    opened.delete(row);
    row.setAttribute("aria-expanded", "false");
  }

  function makeOpening() {
    table.classList.add("opens");
    for (const row of rows) {
      row.tabIndex = 0;
      row.setAttribute("aria-expanded", "false");
    }
    body.addEventListener("click", (event) => {
      const row = event.target.closest("tr[data-index]");
      // Whoever marks text to copy it does not mean to open the row.
      if (row && window.getSelection().isCollapsed) toggle(row);
    });
    body.addEventListener("keydown", (event) => {
      const opens = event.key === "Enter" || event.key === " ";
      if (!opens || !event.target.matches("tr[data-index]")) return;
      event.preventDefault();
      toggle(event.target);
    });
  }

  // ---- Sorting

  // What a cell is sorted by: a number, a text, or null for what is unknown.
  function sortKey(cell, number) {
    if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
    return number ? null : cell.textContent;
  }

  function compare(a, b) {
    return typeof a === "string" ? a.localeCompare(b) : a - b;
  }

  function sortBy(column, direction) {
    const number = table.tHead.rows[0].cells[column].classList.contains("number");
    const keyed = rows.map((row) => ({ row, key: sortKey(row.cells[column], number) }));
    keyed.sort((a, b) => {
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
      return direction * compare(a.key, b.key) || a.row.dataset.index - b.row.dataset.index;
    });
    for (const { row } of keyed) {
      body.append(row);
      if (opened.has(row)) body.append(opened.get(row));
    }
  }

  function makeSorting() {
    const headers = [...table.tHead.rows[0].cells];
    headers.forEach((header, column) => {
      const button = make("button", "", header.textContent);
      button.type = "button";
      for (const row of rows) row.cells[column].dataset.name = header.textContent; // when narrow
      header.replaceChildren(button);
      button.addEventListener("click", () => {
        // The first column is the rank; of all other numbers the largest matter most.
        const numbers = rows.some((row) => "value" in row.cells[column].dataset);
        const descends = column > 0 && numbers;
        const now = header.getAttribute("aria-sort");
        const descending = now ? now === "ascending" : descends;
        headers.forEach((other) => other.removeAttribute("aria-sort"));
        header.setAttribute("aria-sort", descending ? "descending" : "ascending");
        sortBy(column, descending ? -1 : 1);
      });
    });
    headers[0].setAttribute("aria-sort", "ascending");
  }

  // ---- Filter

  function textOf(row) {
    const site = data.rows[row.dataset.index];
    const frames = site.frames.map((number) => data.frames[number].slice(1, 4).join(" "));
    return [...[...row.cells].map((cell) => cell.textContent), site.source, ...frames].join("\n");
  }

  function makeFilter() {
    const input = make("input", "");
    input.type = "search";
    input.placeholder = "Filter stacks (regular expression)";
    input.setAttribute("aria-label", "Filter rows by their stacks");
    const count = make("span", "");
    count.setAttribute("role", "status");
    table.parentElement.before(make("div", "tools", input, count));
    const texts = new Map();
    const show = () => {
      const expression = leakbpfExpression(input.value);
      let shown = 0;
      for (const row of rows) {
        if (input.value && !texts.has(row)) texts.set(row, textOf(row));
        row.hidden = Boolean(input.value) && !expression.test(texts.get(row));
        if (opened.has(row)) opened.get(row).hidden = row.hidden;
        shown += row.hidden ? 0 : 1;
      }
      count.textContent = input.value
        ? `${shown} of ${rows.length} rows`
        : `${rows.length} rows; click one for its stack`;
    };
    input.addEventListener("input", show);
    show();
  }

  makeSorting();
  makeFilter();
  makeOpening();
  for (const place of document.querySelectorAll("[data-plot]"))
    plotInto(place, data.plots[place.dataset.plot], 220);
  leakbpfFlame(document.querySelector("svg.flame"), false);
})();
