"use strict";
// Which tables there are and which rows are asked for: one table a target, setting and sparsity.

const GROUPS = [
  ["ticket", "Tickets drawn on another task"],
  ["draw", "Tickets on their own source"],
  ["native", "Drawn on the target itself"],
  ["random", "Controls: kept positions shuffled"],
  ["dense", "References: the dense network"],
];
const SHOWN = "columns";

/** All tables there are: rows of one board and sparsity; references stand in every table of their board. */
function slices() {
  if (page.slices) return page.slices;
  page.slices = page.boards.flatMap((board) => {
    const references = board.rows.filter((row) => row.role === "dense" && row.sparsity === 0);
    const others = board.rows.filter((row) => !references.includes(row));
    const bySparsity = [...grouped(others, (row) => row.sparsity)].sort((a, b) => b[0] - a[0]);
    const found = bySparsity.map(([sparsity, rows]) => ({ board, sparsity, rows, references }));
    return found.length ? found : [{ board, sparsity: 0, rows: [], references }];
  });
  return page.slices;
}

/** Whether a row has what the choices ask for. */
function matches(row, word) {
  for (const name of ["method", "source", "recipe"]) {
    const value = chosen(name);
    if (value && String(row[name]) !== value) return false;
  }
  return !word || textOf(row).includes(word);
}

/** All that a row says, to be searched. */
function textOf(row) {
  row.text ??= [row.label, ...row.cells].join("\n").toLowerCase();
  return row.text;
}

/** The tables that are asked for, with the rows of them that are. */
function wanted() {
  const word = chosen("text").trim().toLowerCase();
  const isNarrow = ["method", "source", "recipe", "text"].some((name) => chosen(name));
  const found = [];
  for (const slice of slices()) {
    const { board, sparsity } = slice;
    if (chosen("kind", "transfer") !== board.kind) continue;
    if (chosen("board") && board.id !== chosen("board")) continue;
    if (chosen("target") && board.task !== chosen("target")) continue;
    if (chosen("sparsity") && String(sparsity) !== chosen("sparsity")) continue;
    const rows = isNarrow ? slice.rows.filter((row) => matches(row, word)) : slice.rows;
    const references = slice.references.filter((row) => rows.length || matches(row, word));
    if (rows.length + references.length) found.push({ ...slice, rows, references });
  }
  return found;
}

/** The numbers of a board's columns that are shown, as places in its rows' cells. */
function shownColumns(board, rows) {
  const told = chosen(SHOWN);
  const titles = told ? told.split("~") : page.columns.filter((column) => column[3]).map((column) => column[0]);
  const places = [...board.columns.keys()].filter((at) => titles.includes(page.columns[board.columns[at]][0]));
  const hasSome = (at) => rows.some((row) => row.cells[at] && row.cells[at] !== DASH);
  const isVaried = (at) => new Set(rows.filter((row) => row.role !== "dense").map((row) => row.cells[at])).size > 1;
  return places.filter(
    (at) => told || (hasSome(at) && (page.columns[board.columns[at]][0] !== "recipe" || isVaried(at))),
  );
}

/** Rows in the order that is asked for; what has no value stands last either way. */
function ordered(rows, board) {
  const title = chosen("sort");
  const at = board.columns.findIndex((number) => page.columns[number][0] === title);
  if (at < 0) return rows;
  const isNumber = page.columns[board.columns[at]][2];
  const direction = chosen("order", "up") === "up" ? 1 : -1;
  const key = (row) => (isNumber ? row.keys[at] : row.cells[at]);
  return [...rows].sort((left, right) => {
    const [a, b] = [key(left), key(right)];
    if (a === null || b === null) return (a === null) - (b === null);
    return direction * (isNumber ? a - b : String(a).localeCompare(String(b), "en"));
  });
}

/** A table's groups of rows in order, empty ones left out. */
function parts({ board, rows, references }) {
  const all = [...rows, ...references];
  return GROUPS.map(([role, caption]) => ({
    caption,
    role,
    rows: ordered(
      all.filter((row) => row.role === role),
      board,
    ),
  })).filter((part) => part.rows.length);
}

/** A table's name, that of its task isolated from what stands around it. */
function titleOf({ board, sparsity }) {
  const way = board.kind === "draw" ? "Drawn on" : "To";
  return `${way} ${isolated(board.task)}, ${sparsity ? `${percent(sparsity)} removed` : "nothing removed"}`;
}
