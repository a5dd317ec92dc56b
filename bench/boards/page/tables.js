"use strict";
// Tables: sorted by a click on a column's title, filtered by the controls above.

const filters = document.querySelector("form.filters");
const CHOICES = ["method", "source", "target", "recipe", "sparsity"];

/** Make a board's titles sort its rows: once, the other way round, back to the board's own order. */
function makeSortable(section, board) {
  const body = section.querySelector("tbody");
  const rows = [...body.rows];
  const titles = [...section.querySelectorAll("thead th")];
  titles.forEach((title, column) => {
    const button = make("button", { type: "button" }, title.textContent);
    title.replaceChildren(button);
    title.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const first = !title.matches(".w, .ticket") && title.textContent !== "rank" ? "descending" : "ascending";
      const second = first === "ascending" ? "descending" : "ascending";
      const now = title.getAttribute("aria-sort");
      const next = now === "none" ? first : now === first ? second : "none";
      titles.forEach((other) => other.setAttribute("aria-sort", "none"));
      title.setAttribute("aria-sort", next);
      section.classList.toggle("sorted", next !== "none");
      body.append(...(next === "none" ? rows : sorted(rows, board, column, next === "ascending" ? 1 : -1)));
    });
  });
}

/** Table rows by one column; what has no value stands last either way. */
function sorted(rows, board, column, direction) {
  const key = (row) => board.rows[row.dataset.row].keys[column];
  const order = (a, b) => (typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en"));
  return [...rows].sort((left, right) => {
    const [a, b] = [key(left), key(right)];
    if (a === null || b === null) return (a === null) - (b === null);
    return direction * order(a, b);
  });
}

/** Make each row's ticket open its details. */
function makeTelling(section, boardNumber) {
  for (const row of section.querySelectorAll("tbody tr")) {
    const header = row.querySelector("th");
    const button = make("button", { type: "button", "aria-haspopup": "dialog" }, header.textContent);
    button.addEventListener("click", () => tell(boardNumber, Number(row.dataset.row)));
    header.replaceChildren(button);
  }
}

/** Fill the filters' choices from the rows. */
function fillFilters() {
  const rows = page.boards.flatMap((board) => board.rows);
  const values = (name) => (name === "target" ? rows.flatMap((row) => row.targets) : rows.map((row) => row[name]));
  for (const name of CHOICES) {
    const options = distinct(values(name)).map((value) =>
      make("option", { value: String(value) }, name === "sparsity" ? percent(value) : value),
    );
    filters.elements[name].replaceChildren(make("option", { value: "" }, "all"), ...options);
  }
  filters.hidden = false;
}

/** Whether a row has what the filters ask for. */
function matches(row, text) {
  const wanted = (name) => filters.elements[name].value;
  const word = wanted("text").trim().toLowerCase();
  return (
    CHOICES.every((name) => {
      const value = wanted(name);
      return !value || (name === "target" ? row.targets.includes(value) : String(row[name]) === value);
    }) && (!word || text().includes(word))
  );
}

/** Show the rows that match, hide boards without any, and say how many are left. */
function filter() {
  let [shown, all] = [0, 0];
  for (const board of page.boards) {
    const section = document.getElementById(board.id);
    let here = 0;
    for (const line of section.querySelectorAll("tbody tr")) {
      const row = board.rows[line.dataset.row];
      row.text ??= line.textContent.toLowerCase();
      row.isShown = matches(row, () => row.text);
      line.hidden = !row.isShown;
      here += row.isShown;
    }
    section.classList.toggle("empty", here === 0 && board.rows.length > 0);
    shown += here;
    all += board.rows.length;
  }
  filters.querySelector("output").textContent = shown === all ? `${all} rows` : `${shown} of ${all} rows`;
  filters.dispatchEvent(new Event("filtered"));
}
