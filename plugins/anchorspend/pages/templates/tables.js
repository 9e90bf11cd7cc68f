// Sorts and filters the tables of a page. Without it every table stands as it was written.
"use strict";

const value = (cell) => ("sort" in cell.dataset ? cell.dataset.sort : cell.textContent.trim().toLowerCase());

function compare(a, b, numeric) {
  if (a === "" || b === "") return (a === "") - (b === ""); // unknown stays last, whichever way round
  return numeric ? a - b : a.localeCompare(b, "en-GB", { numeric: true });
}

function sortable(table) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, position) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => [value(row.cells[position]), row]);
      const numeric = rows.every(([found]) => found === "" || !isNaN(found));
      rows.sort(([a], [b]) => compare(a, b, numeric) * (down && a !== "" && b !== "" ? -1 : 1));
      body.append(...rows.map(([, row]) => row));
    });
  });
}

function filterable(table) {
  const rows = [...table.tBodies[0].rows];
  if (rows.length < 12) return;
  const label = document.createElement("label");
  const input = document.createElement("input");
  const said = document.createElement("span");
  input.type = "search";
  input.autocomplete = "off";
  label.append("Filter rows", input);
  said.setAttribute("role", "status");
  said.className = "quiet";
  const line = document.createElement("div");
  line.className = "filter";
  line.append(label, said);
  table.closest(".wide-table").before(line);
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
      shown += !row.hidden;
    }
    said.textContent = wanted ? `${shown} of ${rows.length} rows` : "";
  });
}

for (const table of document.querySelectorAll("table")) {
  if (table.tBodies[0].rows.length < 2) continue;
  sortable(table);
  filterable(table);
}
