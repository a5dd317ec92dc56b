"use strict";
// Source x target maps: what a method's tickets score wherever they come from, or what another one's score less.

const MEASURES = {
  score: "score",
  gap: "less the ticket drawn on the target itself",
  difference: "less another method",
};

/** The view. */
function transferView(place) {
  const body = make("div");
  const changed = () => fillTransfer(body);
  const boards = transferBoards();
  const rows = boards.flatMap((board) => board.rows.filter((row) => ["ticket", "native"].includes(row.role)));
  const methods = distinct(rows.map((row) => row.method)).sort(
    (a, b) => spread(rows, b) - spread(rows, a) || a.localeCompare(b),
  );
  const levels = distinct(rows.map((row) => row.sparsity)).sort((a, b) => count(rows, b) - count(rows, a));
  const settings = distinct(boards.map((board) => board.setting)).sort((a, b) => cells(boards, b) - cells(boards, a));
  const form = make(
    "form",
    { class: "choices", "aria-label": "Choose what is shown" },
    choice(
      "method",
      "Method",
      methods.map((name) => [name, name]),
      changed,
    ),
    choice("measure", "Show", Object.entries(MEASURES), show),
    ...(chosen("measure") === "difference"
      ? [
          choice(
            "other",
            "Other method",
            methods.map((name) => [name, name]),
            changed,
          ),
        ]
      : []),
    choice(
      "sparsity",
      "Removed",
      levels.map((level) => [String(level), percent(level)]),
      changed,
    ),
    choice(
      "setting",
      "Setting",
      settings.map((one) => [one, one]),
      changed,
    ),
  );
  place.append(make("h2", { class: "title" }, "Transfer: source by target"), form, body);
  page.transfer = { methods, levels, settings };
  changed();
}

/** Number of pairs of tasks that a method has. */
function spread(rows, method) {
  return rows.filter((row) => row.method === method).length;
}

/** Number of rows of a sparsity. */
function count(rows, sparsity) {
  return rows.filter((row) => row.sparsity === sparsity).length;
}

/** Number of rows of a setting. */
function cells(boards, setting) {
  return boards.filter((board) => board.setting === setting).reduce((sum, board) => sum + board.rows.length, 0);
}

/** The row of a method from a source on a board; of several recipes the best. */
function rowOf(board, method, source, sparsity) {
  return board.rows.find(
    (row) =>
      row.method === method &&
      row.source === source &&
      String(row.sparsity) === sparsity &&
      ["ticket", "native"].includes(row.role),
  );
}

/** Show what is chosen as a table whose cells are coloured. */
function fillTransfer(body) {
  const { methods, levels, settings } = page.transfer;
  const [method, other] = [among("method", methods), among("other", methods)];
  const [sparsity, setting, measure] = [
    among("sparsity", levels),
    among("setting", settings),
    among("measure", Object.keys(MEASURES)),
  ];
  const boards = transferBoards()
    .filter((board) => board.setting === setting)
    .sort((a, b) => a.task.localeCompare(b.task));
  const told = boards.map((board) => ({
    board,
    sources: distinct(
      board.rows.filter((row) => row.method === method && String(row.sparsity) === sparsity).map((row) => row.source),
    ),
  }));
  const targets = told.filter(({ sources }) => sources.length).map(({ board }) => board);
  const sources = distinct(told.flatMap((one) => one.sources));
  if (!targets.length)
    return body.replaceChildren(
      make("p", { class: "card" }, "This method has no ticket of that sparsity and setting; choose another."),
    );
  const values = targets.map((board) =>
    sources.map((source) =>
      cellValue(board, rowOf(board, method, source, sparsity), measure, rowOf(board, other, source, sparsity)),
    ),
  );
  const most = Math.max(0.01, ...values.flat().map((one) => (one ? Math.abs(one.mean) : 0)));
  const head = make(
    "tr",
    {},
    make("th", { scope: "col", class: "w ticket" }, "drawn on \\ used on"),
    ...targets.map((board) => make("th", { scope: "col" }, named(board.task), make("small", {}, board.metric))),
  );
  const lines = sources.map((source, at) =>
    make(
      "tr",
      {},
      make("th", { scope: "row", class: "w ticket" }, named(source)),
      ...targets.map((board, column) => mapCell(values[column][at], measure, most, board.task === source)),
    ),
  );
  const shown = measure === "difference" ? `less ${other}` : MEASURES[measure];
  const title = `${method} at ${percent(Number(sparsity))}: ${shown}`;
  const note =
    measure === "score"
      ? "Mean over seeds ± half the 95 % interval; darker is a larger share of the target's highest."
      : "Points of the target's metric, paired by seed, ± half the 95 % interval; pale where the interval holds zero.";
  body.replaceChildren(
    make(
      "figure",
      { class: "card" },
      make(
        "figcaption",
        {},
        make("b", {}, named(title)),
        make(
          "small",
          {},
          ` ${setting}; newest record ${targets
            .flatMap((board) => board.rows.map((row) => row.newest))
            .sort()
            .at(-1)}`,
        ),
      ),
      make(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
        make("table", { class: "map" }, make("thead", {}, head), make("tbody", {}, ...lines)),
      ),
      make("p", { class: "soft" }, note),
    ),
  );
}

/** What a cell says, and where it leads. */
function cellValue(board, row, measure, other) {
  if (!row) return null;
  const best = Math.max(...board.rows.filter((one) => one.role !== "dense").map((one) => one.score));
  const href = rowAddress(board, row);
  if (measure === "score") return { mean: row.score, half: row.half, share: row.score / best, href };
  if (measure === "gap")
    return row.gap
      ? { mean: row.gap[0], half: row.gap[1], href }
      : row.role === "native"
        ? { isNative: true, href }
        : null;
  const scores = new Map((other?.records ?? []).map(([, seed, score]) => [seed, score]));
  const found = row.records
    .filter(([, seed, score]) => score !== null && typeof scores.get(seed) === "number")
    .map(([, seed, score]) => score - scores.get(seed));
  return found.length ? { ...estimate(found), href } : null;
}

/** A coloured cell. */
function mapCell(value, measure, most, isOwn) {
  if (!value) return make("td", { class: "none" }, DASH);
  if (value.isNative) return make("td", { class: "none" }, make("a", { href: value.href }, "itself"));
  const isScore = measure === "score";
  const isDecided = isScore || (value.half !== null && Math.abs(value.mean) > value.half);
  const strength = isScore
    ? 10 + 40 * value.share ** 2
    : isDecided
      ? 15 + 45 * Math.min(1, Math.abs(value.mean) / most)
      : 5;
  const colour = isScore || value.mean > 0 ? "--more" : "--less";
  const text = isScore ? percent(value.mean) : points(value.mean);
  const half = value.half === null ? "" : `±${(100 * value.half).toFixed(1)}`;
  return make(
    "td",
    {
      class: [isOwn ? "own" : "", isDecided ? "" : "pale"].join(" ").trim(),
      style: `background: color-mix(in oklab, var(${colour}) ${strength.toFixed(0)}%, var(--paper))`,
    },
    make("a", { href: value.href }, text),
    make("small", {}, half),
  );
}
