// Sorts and filters the tables of a page. Without it every table stands as it was written.
"use strict";

const OPEN = 25; // rows of a long table that stand open
const FILTERED = 12; // rows from which a table can be filtered

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
      table.dispatchEvent(new Event("sorted"));
    });
  });
}

// A long table stands folded, its first rows open, until all are asked for or something is typed.
function findable(table) {
  const body = table.tBodies[0];
  const count = body.rows.length;
  if (count < FILTERED) return;
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
  const fold = document.createElement("button");
  fold.type = "button";
  fold.className = "fold";
  let folded = count > OPEN;
  if (folded) table.closest(".wide-table").after(fold);

  function show() {
    const wanted = input.value.trim().toLowerCase();
    let found = 0;
    for (const row of body.rows) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
      found += !row.hidden;
      row.classList.toggle("folded", folded && found > OPEN);
    }
    said.textContent = wanted ? `${found} of ${count} rows` : "";
    fold.textContent = folded ? `Show ${count} rows` : `Show ${OPEN} rows`;
    fold.hidden = found <= OPEN;
  }
  fold.addEventListener("click", () => {
    folded = !folded;
    show();
  });
  input.addEventListener("input", show);
  table.addEventListener("sorted", show);
  show();
}

for (const table of document.querySelectorAll("table")) {
  if (table.tBodies[0].rows.length < 2) continue;
  sortable(table);
  findable(table);
}
