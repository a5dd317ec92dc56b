"use strict";
// The tables that are shown as files: CSV, JSON, LaTeX, and the works of their methods.

/** Buttons that give what is shown as a file. */
function exportsBar() {
  const files = {
    CSV: () => save("leaderboard.csv", tablesCsv(), "text/csv"),
    JSON: () => save("leaderboard.json", tablesJson(), "application/json"),
    LaTeX: () => save("leaderboard.tex", tablesTex(), "text/x-tex"),
    BibTeX: () =>
      save(
        "methods.bib",
        toBib(distinct(tables.slices.flatMap((slice) => slice.rows.map((row) => row.method)))),
        "text/x-bibtex",
      ),
  };
  const buttons = Object.entries(files).map(([name, give]) => {
    const button = make("button", { type: "button" }, name);
    button.addEventListener("click", give);
    return button;
  });
  return make(
    "p",
    { class: "exports" },
    make("span", { id: "counts" }),
    make("span", { class: "files" }, "What is shown as ", ...buttons),
  );
}

/** What is shown as lists: where a row stands, then its columns, numbers in full. */
function shownLines() {
  const titles = [];
  const found = tables.slices.flatMap((slice) => {
    const { board, sparsity } = slice;
    const places = shownColumns(board, [...slice.rows, ...slice.references]);
    return parts(slice).flatMap(({ role, rows }) =>
      rows.map((row) => {
        const line = {
          target: board.task,
          setting: board.setting,
          metric: board.metric,
          table: sparsity,
          role,
          sparsity: row.sparsity,
        };
        for (const at of places) {
          const [title, , isNumber] = page.columns[board.columns[at]];
          line[title] = isNumber && title !== "rank" ? row.keys[at] : row.cells[at];
          if (row.halves[at] !== undefined) line[`${title} half`] = row.halves[at];
        }
        for (const title of Object.keys(line)) if (!titles.includes(title)) titles.push(title);
        return line;
      }),
    );
  });
  return { titles, found };
}

/** What is shown as CSV. */
function tablesCsv() {
  const { titles, found } = shownLines();
  return toCsv(
    titles,
    found.map((line) => titles.map((title) => line[title] ?? null)),
  );
}

/** What is shown as JSON, with the address that shows it. */
function tablesJson() {
  return `${JSON.stringify({ state: state.toString(), rows: shownLines().found }, null, 1)}\n`;
}

/** What is shown as LaTeX, a table each. */
function tablesTex() {
  return tables.slices
    .map((slice) => {
      const { board } = slice;
      const places = shownColumns(board, [...slice.rows, ...slice.references]);
      const titles = places.map((at) => page.columns[board.columns[at]]);
      const groups = parts(slice).map(({ caption, rows }) => ({
        caption,
        lines: rows.map((row) => places.map((at) => row.cells[at])),
      }));
      return `% ${titleOf(slice).replace(/[\u2068\u2069]/g, "")}: ${board.metric}, ${board.setting}\n${toTex(
        titles.map(([title]) => title),
        titles.map(([, , is]) => is),
        groups,
      )}`;
    })
    .join("\n");
}
