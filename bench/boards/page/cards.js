"use strict";
// A table as people see it: titles that sort, contenders with their ranks, apart from them what is not ranked.

/** A card with one table. */
function card(slice) {
  const { board, sparsity, rows, references } = slice;
  const all = [...rows, ...references];
  const places = shownColumns(board, all);
  const split = board.split && board.split !== "test" ? ` (officially ${board.split})` : "";
  const about = `${board.metric} on test${split}, ${board.setting}; newest record ${all
    .map((row) => row.newest)
    .sort()
    .at(-1)}`;
  const link = make(
    "a",
    {
      href: address("tables", {
        kind: board.kind === "draw" ? "draw" : "",
        board: board.id,
        sparsity: String(sparsity),
      }),
      class: "anchor",
      "aria-label": `Link to ${titleOf(slice)}`,
    },
    "#",
  );
  const notes = board.notes.length
    ? [
        make(
          "details",
          { class: "notes" },
          make("summary", {}, plural(board.notes.length, "note")),
          make("ul", {}, ...board.notes.map((note) => make("li", {}, named(note)))),
        ),
      ]
    : [];
  return make(
    "section",
    { class: "card board", "data-board": board.id, "data-sparsity": String(sparsity) },
    make("h2", {}, titleOf(slice), " ", link),
    make("p", { class: "soft" }, about, ...rankedTogether(board, sparsity)),
    make(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": `${titleOf(slice)}, ${board.setting}` },
      make(
        "table",
        { class: "rows" },
        make("caption", {}, titleOf(slice)),
        header(board, places),
        ...bodies(slice, places),
      ),
    ),
    ...notes,
  );
}

/** The way to a table's critical-difference diagram, where there is one. */
function rankedTogether(board, sparsity) {
  if (!board.ranks.some((one) => one.sparsity === sparsity)) return [];
  return ["; ", linked("average ranks", "compare", { target: board.task, sparsity: String(sparsity) })];
}

/** The titles, each a button that sorts and tells what the column means. */
function header(board, places) {
  const cells = places.map((at) => {
    const [title, about, isNumber] = page.columns[board.columns[at]];
    const isSorted = chosen("sort") === title;
    const order = chosen("order", "up") === "up" ? "ascending" : "descending";
    const button = make("button", { type: "button", "data-about": about }, title);
    button.addEventListener("click", () => sortBy(title, isNumber && title !== "rank"));
    return make(
      "th",
      { scope: "col", class: columnClass(title, isNumber), "aria-sort": isSorted ? order : "none" },
      button,
    );
  });
  return make("thead", {}, make("tr", {}, ...cells));
}

/** What the style sheet knows a column by. */
function columnClass(title, isNumber) {
  return [
    isNumber ? "n" : "w",
    title === "rank" ? "rank" : title === "ticket" ? "ticket" : title === "score" ? "score" : "",
  ]
    .join(" ")
    .trim();
}

/** Sort all tables by a column: once, the other way round, back to their own order. */
function sortBy(title, isDownFirst) {
  const first = isDownFirst ? "down" : "up";
  const isSame = chosen("sort") === title;
  if (isSame && chosen("order", "up") !== first) choose({ sort: "", order: "" });
  else choose({ sort: title, order: isSame ? (first === "up" ? "down" : "up") : first });
  showTables();
  [...document.querySelectorAll("th button")]
    .find((button) => button.textContent === title)
    ?.focus({ preventScroll: true });
}

/** Groups of rows with their titles; the score's interval is drawn on one scale for the table. */
function bodies(slice, places) {
  const all = [...slice.rows, ...slice.references];
  const low = Math.max(0, Math.min(...all.map((row) => row.score - (row.half ?? 0))));
  const high = Math.min(1, Math.max(...all.map((row) => row.score + (row.half ?? 0))));
  return parts(slice).map(({ caption, role, rows }) => {
    const title = make(
      "tr",
      { class: "part" },
      make("th", { colspan: places.length, scope: "rowgroup" }, make("span", {}, caption)),
    );
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
    if (title === "ticket")
      return make("th", { scope: "row", class: kind }, opener(board, row, row.cells[at], isOpen));
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
  return drawn(
    "svg",
    { class: "whisker", width: 80, height: 12, "aria-hidden": "true" },
    drawn("line", { x1: ends[0], x2: ends[1], y1: 6, y2: 6 }),
    drawn("circle", { cx: at(row.score), cy: 6, r: 3 }),
  );
}

/** A ticket's name, which opens its row. */
function opener(board, row, text, isOpen) {
  const button = make("button", { type: "button", "aria-expanded": String(isOpen) }, breakable(text));
  button.addEventListener("click", () => {
    choose({ open: isOpen ? "" : row.records[0][0] });
    const holder = button.closest(".board");
    const slice = tables.slices.find(
      (one) => one.board.id === holder.dataset.board && String(one.sparsity) === holder.dataset.sparsity,
    );
    for (const other of document.querySelectorAll(".board"))
      if (other !== holder && other.querySelector(".open")) showTables();
    document.querySelectorAll(".board").forEach((one) => {
      if (one.dataset.board !== holder.dataset.board || one.dataset.sparsity !== holder.dataset.sparsity) return;
      const fresh = card(slice);
      one.replaceWith(fresh);
      fillLines(Infinity);
      [...fresh.querySelectorAll("tr[data-row]")]
        .find((line) => line.dataset.row === row.records[0][0])
        ?.querySelector("button")
        .focus({ preventScroll: true });
    });
  });
  return button;
}
