"use strict";
// Draws the charts from the specifications beside them, and lets tables be sorted.

// Charts: as SVG, whose colours are the page's CSS variables; expressions are interpreted rather
// than compiled, so that the page needs no eval and its policy can forbid it.
const OPTIONS = {
  actions: false,
  ast: true,
  defaultStyle: false,
  mode: "vega-lite",
  renderer: "svg",
  tooltip: { disableDefaultStyle: true },
};

async function drawCharts() {
  for (const place of document.querySelectorAll(".vega")) {
    if (Number(place.dataset.wide)) place.style.minWidth = `${place.dataset.wide}px`;
    const spec = JSON.parse(place.querySelector("script").textContent);
    const narrow = place.clientWidth < Number(place.dataset.legend);
    const config = narrow ? { legend: { columns: 1 } } : {};
    try {
      await vegaEmbed(place, spec, { ...OPTIONS, config });
    } catch (error) {
      place.textContent = `This chart could not be drawn: ${error.message}`;
      console.error(error);
    }
  }
  document.documentElement.dataset.charts = "drawn";
}

// Tables: a button in each heading; numbers by value, words by the alphabet, what is missing last.
function key(cell) {
  const text = cell.dataset.value ?? cell.textContent.trim();
  const number = Number(text);
  return text === "" || Number.isNaN(number) ? text : number;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

const isMissing = (value) => value === "" || value === "–" || value === "nan";

function sort(table, column, direction) {
  const body = table.tBodies[0];
  const rows = Array.from(body.rows, (row) => [key(row.cells[column]), row]);
  rows.sort(([a], [b]) => isMissing(a) - isMissing(b) || direction * compare(a, b));
  body.append(...rows.map(([, row]) => row));
}

for (const table of document.querySelectorAll("table.sortable")) {
  const headings = Array.from(table.tHead.rows[0].cells);
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const ascending = heading.getAttribute("aria-sort") !== "ascending";
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      sort(table, column, ascending ? 1 : -1);
    });
  });
}

drawCharts();
