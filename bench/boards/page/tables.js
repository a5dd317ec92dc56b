"use strict";
// One table a target and sparsity: contenders with their ranks; apart from them native tickets, controls, references.

const GROUPS = [
  ["ticket", "Tickets drawn on another task"],
  ["draw", "Tickets on their own source"],
  ["native", "Drawn on the target itself"],
  ["random", "Controls: kept positions shuffled"],
  ["dense", "References: the dense network"],
];
const AT_ONCE = 3;
const LINES = 24;
const SHOWN = "columns";

const tables = { slices: [], rest: [], lines: [], timer: 0 };

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
  row.text ??= [row.label, ...row.cells].join("\n").toLowerCase();
  return !word || row.text.includes(word);
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
  return places.filter((at) => told || (hasSome(at) && (page.columns[board.columns[at]][0] !== "recipe" || isVaried(at))));
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
  return GROUPS.map(([role, caption]) => ({ caption, role, rows: ordered(all.filter((row) => row.role === role), board) }))
    .filter((part) => part.rows.length);
}

/** A table's name. */
function titleOf({ board, sparsity }) {
  const way = board.kind === "draw" ? "Drawn on" : "To";
  return `${way} ${board.task}, ${sparsity ? `${percent(sparsity)} removed` : "nothing removed"}`;
}

/** A card with one table. */
function card(slice) {
  const { board, sparsity, rows, references } = slice;
  const all = [...rows, ...references];
  const places = shownColumns(board, all);
  const split = board.split && board.split !== "test" ? ` (officially ${board.split})` : "";
  const about = `${board.metric} on test${split}, ${board.setting}; newest record ${all.map((row) => row.newest).sort().at(-1)}`;
  const link = make("a", { href: address("tables", { kind: board.kind === "draw" ? "draw" : "", board: board.id, sparsity: String(sparsity) }),
    class: "anchor", "aria-label": `Link to ${titleOf(slice)}` }, "#");
  const notes = board.notes.length ? [make("details", { class: "notes" }, make("summary", {}, `${board.notes.length} note${board.notes.length === 1 ? "" : "s"}`),
    make("ul", {}, ...board.notes.map((note) => make("li", {}, named(note)))))] : [];
  return make("section", { class: "card board", "data-board": board.id, "data-sparsity": String(sparsity) },
    make("h2", {}, named(titleOf(slice)), " ", link), make("p", { class: "soft" }, about),
    make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${titleOf(slice)}, ${board.setting}` },
      make("table", { class: "rows" }, make("caption", {}, titleOf(slice)), header(board, places), ...bodies(slice, places))),
    ...notes);
}

/** The titles, each a button that sorts and tells what the column means. */
function header(board, places) {
  const cells = places.map((at) => {
    const [title, about, isNumber] = page.columns[board.columns[at]];
    const isSorted = chosen("sort") === title;
    const order = chosen("order", "up") === "up" ? "ascending" : "descending";
    const button = make("button", { type: "button", "data-about": about }, title);
    button.addEventListener("click", () => sortBy(title, isNumber && title !== "rank"));
    return make("th", { scope: "col", class: columnClass(title, isNumber), "aria-sort": isSorted ? order : "none" }, button);
  });
  return make("thead", {}, make("tr", {}, ...cells));
}

/** What the style sheet knows a column by. */
function columnClass(title, isNumber) {
  return [isNumber ? "n" : "w", title === "rank" ? "rank" : title === "ticket" ? "ticket" : title === "score" ? "score" : ""].join(" ").trim();
}

/** Sort all tables by a column: once, the other way round, back to their own order. */
function sortBy(title, isDownFirst) {
  const first = isDownFirst ? "down" : "up";
  const isSame = chosen("sort") === title;
  if (isSame && chosen("order", "up") !== first) choose({ sort: "", order: "" });
  else choose({ sort: title, order: isSame ? (first === "up" ? "down" : "up") : first });
  showTables();
  [...document.querySelectorAll("th button")].find((button) => button.textContent === title)?.focus({ preventScroll: true });
}

/** Groups of rows with their titles; the score's interval is drawn on one scale for the table. */
function bodies(slice, places) {
  const all = [...slice.rows, ...slice.references];
  const low = Math.max(0, Math.min(...all.map((row) => row.score - (row.half ?? 0))));
  const high = Math.min(1, Math.max(...all.map((row) => row.score + (row.half ?? 0))));
  return parts(slice).map(({ caption, role, rows }) => {
    const title = make("tr", { class: "part" }, make("th", { colspan: places.length, scope: "rowgroup" }, make("span", {}, caption)));
    const body = make("tbody", { class: role }, title);
    for (const row of rows) tables.lines.push(() => body.append(...lines(slice.board, row, places, [low, high])));
    return body;
  });
}

/** A row, and its details where it is open. */
function lines(board, row, places, scale) {
  const isOpen = chosen("open") === row.records[0][0];
  const cells = places.map((at) => {
    const [title, , isNumber] = page.columns[board.columns[at]];
    const kind = columnClass(title, isNumber);
    if (title === "ticket") return make("th", { scope: "row", class: kind }, opener(board, row, row.cells[at], isOpen));
    if (title === "age") return make("td", { class: kind }, `${row.cells[at]}, ${age(row.cells[at])}`);
    return make("td", { class: kind }, ...cellParts(row.cells[at], title, isNumber, row, scale));
  });
  const line = make("tr", { "data-row": row.records[0][0] }, ...cells);
  if (!isOpen) return [line];
  return [line, make("tr", { class: "open" }, make("td", { colspan: places.length }, details(board, row)))];
}

/** A cell's text; half of an interval is set apart, so that the means line up, and the score's interval is drawn. */
function cellParts(text, title, isNumber, row, scale) {
  if (title !== "score" && !isNumber) return [named(text)];
  const [value, half] = text.split(" ±");
  const apart = half === undefined ? [] : [make("small", {}, `±${half}`)];
  if (title === "score") return [value, ...(apart.length ? apart : [make("small")]), whisker(row, scale)];
  return [value, ...apart];
}

/** A score and its interval as a small drawing. */
function whisker(row, [low, high]) {
  const at = (score) => 4 + (72 * (Math.min(Math.max(score, low), high) - low)) / (high - low || 1);
  const ends = [row.score - (row.half ?? 0), row.score + (row.half ?? 0)].map(at);
  return drawn("svg", { class: "whisker", width: 80, height: 12, "aria-hidden": "true" },
    drawn("line", { x1: ends[0], x2: ends[1], y1: 6, y2: 6 }), drawn("circle", { cx: at(row.score), cy: 6, r: 3 }));
}

/** A ticket's name, which opens its row. */
function opener(board, row, text, isOpen) {
  const button = make("button", { type: "button", "aria-expanded": String(isOpen) }, breakable(text));
  button.addEventListener("click", () => {
    choose({ open: isOpen ? "" : row.records[0][0] });
    const holder = button.closest(".board");
    const slice = tables.slices.find((one) => one.board.id === holder.dataset.board && String(one.sparsity) === holder.dataset.sparsity);
    for (const other of document.querySelectorAll(".board")) if (other !== holder && other.querySelector(".open")) showTables();
    document.querySelectorAll(".board").forEach((one) => {
      if (one.dataset.board !== holder.dataset.board || one.dataset.sparsity !== holder.dataset.sparsity) return;
      const fresh = card(slice);
      one.replaceWith(fresh);
      fillLines(Infinity);
      [...fresh.querySelectorAll("tr[data-row]")].find((line) => line.dataset.row === row.records[0][0])?.querySelector("button").focus({ preventScroll: true });
    });
  });
  return button;
}

/** The view: choices above, then the tables. */
function tablesView(place) {
  const changed = () => { choose({ open: "" }); showTables(); };
  const narrowed = (name) => () => { choose({ open: "", board: "" }); show(); document.querySelector(`.choices [name="${name}"]`).focus(); };
  const boards = page.boards.filter((board) => board.rows.length);
  const rows = boards.flatMap((board) => board.rows);
  const settings = boards.filter((board) => board.kind === chosen("kind", "transfer") && (!chosen("target") || board.task === chosen("target")));
  const form = make("form", { class: "choices", "aria-label": "Choose tables and rows" },
    filterChoice("target", "Target", distinct(boards.map((board) => board.task)), narrowed("target")),
    filterChoice("sparsity", "Removed", distinct(slices().map((slice) => slice.sparsity)), changed, percent),
    choice("kind", "Scores of", [["transfer", "transfers"], ["draw", "draws on their source"]], narrowed("kind")),
    filterChoice("board", "Setting", settings.map((board) => board.id), changed, boardName),
    filterChoice("method", "Method", distinct(rows.map((row) => row.method)), changed),
    filterChoice("source", "Source", distinct(rows.map((row) => row.source)), changed),
    filterChoice("recipe", "Recipe", distinct(rows.map((row) => row.recipe)), changed),
    wordField(changed), clearing(), columnsField());
  const isRoomy = matchMedia("(min-width: 40rem)").matches || ["board", "method", "source", "recipe", "text"].some((name) => chosen(name));
  const folded = make("details", { class: "filters", ...(isRoomy ? { open: "" } : {}) }, make("summary", {}, "Filters"), form);
  place.append(make("h2", { class: "title" }, "Leaderboards"), folded, exportsBar(), make("div", { id: "tables" }));
  showTables();
}

/** A board in a few words, for the list of settings. */
function boardName(id) {
  const board = page.boards.find((one) => one.id === id);
  return `${board.kind === "draw" ? "draws on " : ""}${board.task}: ${board.setting}`;
}

/** A field for a word that may stand anywhere in a row. */
function wordField(changed) {
  const field = make("input", { type: "search", name: "text", autocomplete: "off", value: chosen("text") });
  field.addEventListener("input", () => { choose({ text: field.value }); changed(); });
  return make("label", {}, make("span", {}, "Any word"), field);
}

/** Which columns are shown. */
function columnsField() {
  const shown = () => (chosen(SHOWN) ? chosen(SHOWN).split("~") : page.columns.filter((column) => column[3]).map((column) => column[0]));
  const ticks = page.columns.map(([title, about]) => {
    const tick = make("input", { type: "checkbox", value: title, ...(shown().includes(title) ? { checked: "" } : {}) });
    tick.addEventListener("change", () => {
      const titles = page.columns.map((column) => column[0]).filter((one) => (one === title ? tick.checked : shown().includes(one)));
      const usual = page.columns.filter((column) => column[3]).map((column) => column[0]);
      choose({ [SHOWN]: titles.join("~") === usual.join("~") ? "" : titles.join("~") });
      showTables();
    });
    return make("label", { class: "tick" }, tick, make("span", {}, make("b", {}, title), about ? `: ${about}` : ""));
  });
  return make("details", { class: "columns" }, make("summary", {}, "Columns, and what they mean"), make("div", {}, ...ticks));
}

/** A button that leaves nothing chosen. */
function clearing() {
  const button = make("button", { type: "button", class: "clear" }, "Clear");
  button.addEventListener("click", () => { location.hash = address("tables"); });
  return button;
}

/** Buttons that give what is shown as a file. */
function exportsBar() {
  const files = {
    CSV: () => save("leaderboard.csv", tablesCsv(), "text/csv"),
    JSON: () => save("leaderboard.json", tablesJson(), "application/json"),
    LaTeX: () => save("leaderboard.tex", tablesTex(), "text/x-tex"),
    BibTeX: () => save("methods.bib", toBib(distinct(tables.slices.flatMap((slice) => slice.rows.map((row) => row.method)))), "text/x-bibtex"),
  };
  const buttons = Object.entries(files).map(([name, give]) => {
    const button = make("button", { type: "button" }, name);
    button.addEventListener("click", give);
    return button;
  });
  return make("p", { class: "exports" }, make("span", { id: "counts" }), make("span", { class: "files" }, "What is shown as ", ...buttons));
}

/** Make the tables that are asked for: the first ones now, the others as they come near. */
function showTables() {
  clearTimeout(tables.timer);
  tables.lines = [];
  tables.slices = wanted();
  tables.rest = [...tables.slices];
  const place = document.getElementById("tables");
  place.replaceChildren();
  const rows = tables.slices.reduce((sum, slice) => sum + slice.rows.length + slice.references.length, 0);
  document.getElementById("counts").textContent =
    `${rows.toLocaleString("en")} row${rows === 1 ? "" : "s"} in ${tables.slices.length} table${tables.slices.length === 1 ? "" : "s"}`;
  if (!tables.slices.length) place.append(make("p", { class: "card" }, "No row has all of this; take a choice back."));
  more(AT_ONCE);
}

/** Make some more tables, and watch for the end of what is there. */
function more(count) {
  const place = document.getElementById("tables");
  if (!place) return;
  place.querySelector(".end")?.remove();
  place.append(...tables.rest.splice(0, count).map(card));
  fillLines(count === Infinity || chosen("open") ? Infinity : LINES);
  if (!tables.rest.length) return;
  const end = make("p", { class: "end" }, `${tables.rest.length} more tables`);
  place.append(end);
  new IntersectionObserver((entries, watch) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watch.disconnect();
    more(AT_ONCE);
  }, { rootMargin: "800px" }).observe(end);
}

/** Fill some rows into the tables that are there, and the others a little later, so that nobody waits for what is below. */
function fillLines(count) {
  clearTimeout(tables.timer);
  for (const fill of tables.lines.splice(0, count)) fill();
  if (tables.lines.length) tables.timer = setTimeout(() => fillLines(LINES), 16);
}

/** What is shown as lists: where a row stands, then its columns, numbers in full. */
function shownLines() {
  const titles = [];
  const found = tables.slices.flatMap((slice) => {
    const { board, sparsity } = slice;
    const places = shownColumns(board, [...slice.rows, ...slice.references]);
    return parts(slice).flatMap(({ role, rows }) => rows.map((row) => {
      const line = { target: board.task, setting: board.setting, metric: board.metric, table: sparsity, role, sparsity: row.sparsity };
      for (const at of places) {
        const [title, , isNumber] = page.columns[board.columns[at]];
        line[title] = isNumber && title !== "rank" ? row.keys[at] : row.cells[at];
        if (row.halves[at] !== undefined) line[`${title} half`] = row.halves[at];
      }
      for (const title of Object.keys(line)) if (!titles.includes(title)) titles.push(title);
      return line;
    }));
  });
  return { titles, found };
}

/** What is shown as CSV. */
function tablesCsv() {
  const { titles, found } = shownLines();
  return toCsv(titles, found.map((line) => titles.map((title) => line[title] ?? null)));
}

/** What is shown as JSON, with the address that shows it. */
function tablesJson() {
  return `${JSON.stringify({ state: state.toString(), rows: shownLines().found }, null, 1)}\n`;
}

/** What is shown as LaTeX, a table each. */
function tablesTex() {
  return tables.slices.map((slice) => {
    const { board } = slice;
    const places = shownColumns(board, [...slice.rows, ...slice.references]);
    const titles = places.map((at) => page.columns[board.columns[at]]);
    const groups = parts(slice).map(({ caption, rows }) => ({ caption, lines: rows.map((row) => places.map((at) => row.cells[at])) }));
    return `% ${titleOf(slice)}: ${board.metric}, ${board.setting}\n${toTex(titles.map(([title]) => title), titles.map(([, , is]) => is), groups)}`;
  }).join("\n");
}
