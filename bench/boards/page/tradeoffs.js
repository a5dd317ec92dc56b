"use strict";
// Score against what a network costs where it is used: MACs, parameters, measured speed; and against its training.

const PRICES = {
  MACs: { title: "MACs of an image, kept weights of the host", isLog: true, format: counted, isLess: true },
  parameters: { title: "kept weights of the host", isLog: true, format: counted, isLess: true },
  "speed-up": {
    title: "times as fast as the dense host, measured",
    isLog: false,
    format: (value) => `${value}×`,
    isLess: false,
  },
  training: { title: "training MACs, drawing included", isLog: true, format: counted, isLess: true },
};

/** Boards of transfers that have rows, those with most contenders first. */
function transferBoards() {
  const contenders = (board) => board.rows.filter((row) => row.role === "ticket").length;
  const found = page.boards.filter((board) => board.kind === "transfer" && board.rows.length);
  return found.sort((a, b) => contenders(b) - contenders(a) || a.id.localeCompare(b.id));
}

/** The choice of one of them. */
function boardChoice(boards, changed) {
  const names = boards.map((board) => [board.id, boardName(board.id)]);
  return choice("board", "Target and setting", names, changed);
}

/** The board that is chosen, or the first. */
function chosenBoard() {
  const ids = transferBoards().map((board) => board.id);
  const id = among("board", ids);
  return page.boards.find((board) => board.id === id);
}

/** The view. */
function tradeoffsView(place) {
  const body = make("div");
  const changed = () => fillTradeoffs(body);
  const boards = transferBoards();
  const form = make(
    "form",
    { class: "choices", "aria-label": "Choose what is drawn" },
    boardChoice(boards, changed),
    choice(
      "price",
      "Against",
      Object.keys(PRICES)
        .filter(isPriced)
        .map((name) => [name, name]),
      changed,
    ),
    filterChoice(
      "sparsity",
      "Removed",
      distinct(boards.flatMap((board) => board.rows.map((row) => row.sparsity))).filter(Boolean),
      changed,
      percent,
    ),
    filterChoice(
      "source",
      "Source",
      distinct(boards.flatMap((board) => board.rows.map((row) => row.source))),
      changed,
    ),
  );
  place.append(make("h2", { class: "title" }, "Trade-offs"), form, body);
  changed();
}

/** Whether any row tells a price. */
function isPriced(name) {
  return page.boards.some((board) => board.rows.some((row) => row.costs[name]));
}

/** Draw what is chosen, with the same as a list below. */
function fillTradeoffs(body) {
  const board = chosenBoard();
  const name = chosen("price", "MACs");
  const price = PRICES[name] ?? PRICES.MACs;
  const shown = board.rows.filter(
    (row) =>
      row.role !== "random" &&
      row.costs[name] &&
      (!chosen("sparsity") || row.role === "dense" || String(row.sparsity) === chosen("sparsity")) &&
      (!chosen("source") || row.source === null || row.source === chosen("source")),
  );
  if (!shown.length)
    return body.replaceChildren(make("p", { class: "card" }, "No row of this board tells that cost."));
  const best = frontOf(
    shown.filter((row) => row.role !== "dense"),
    (row) => row.costs[name],
    price.isLess,
  );
  const series = [...grouped(shown, (row) => `${row.role}\n${row.method}`).values()].map((rows) => ({
    ...lookOf(rows[0]),
    points: rows.map((row) => ({
      x: row.costs[name],
      y: row.score,
      half: row.half,
      href: rowAddress(board, row),
      tip: tipOf(row, `; ${counted(row.costs[name])} ${name}`),
      label: best.includes(row) ? row.method : "",
    })),
  }));
  const costs = shown.map((row) => row.costs[name]);
  const rivals = shown.filter((row) => row.role !== "dense");
  const edges = [-1, 1].map((sign) =>
    frontOf(
      rivals,
      (row) => row.costs[name],
      price.isLess,
      (row) => row.score + sign * (row.half ?? 0),
    ),
  );
  const plot = make("div", { class: "chart" });
  const title = `${board.metric} on ${board.task} against ${name}`;
  const same =
    Math.max(...costs) < 1.02 * Math.min(...costs) ? "All rows cost the same here: there is nothing to trade. " : "";
  body.replaceChildren(
    make(
      "figure",
      { class: "card" },
      make("figcaption", {}, make("b", {}, named(title)), make("small", {}, figureNote(board, shown))),
      plot,
      methodLegend(shown),
      make(
        "p",
        { class: "soft" },
        `${same}Line: the front, the best mean score of a ticket at no more cost; its points are named. Dashed: the ` +
          "same of the lower and of the upper ends of the intervals. A point opens its row.",
      ),
    ),
  );
  chartIn(plot, {
    name: `${title}. The leaderboard has the same numbers.`,
    series,
    front: best.map((row) => ({ x: row.costs[name], y: row.score })),
    edges: edges.map((rows, at) =>
      rows.map((row) => ({ x: row.costs[name], y: row.score + [-1, 1][at] * (row.half ?? 0) })),
    ),
    x: { ...price, low: Math.min(...costs), high: Math.max(...costs) },
    y: scoreAxis(board, shown),
  });
}

/** The scores' axis: no less than nothing, no more than all. */
function scoreAxis(board, rows) {
  const low = Math.min(...rows.map((row) => row.score - (row.half ?? 0)));
  const high = Math.max(...rows.map((row) => row.score + (row.half ?? 0)));
  return {
    title: board.metric,
    low: Math.max(0, low),
    high: Math.min(1, high),
    floor: 0,
    ceiling: 1,
    format: (value) => `${+(100 * value).toFixed(1)}%`,
  };
}

/** What every figure says of itself: how many, by what rule, of when. */
function figureNote(board, rows) {
  const seeds = distinct(rows.map((row) => row.records.length));
  const some =
    seeds.length > 1 ? `${seeds[0]} to ${seeds.at(-1)} seeds` : `${seeds[0]} seed${seeds[0] === 1 ? "" : "s"}`;
  return ` ${rows.length} rows of ${some}, 95 % intervals; ${board.setting}; newest record ${rows
    .map((row) => row.newest)
    .sort()
    .at(-1)}`;
}

/** Rows that no other beats, by cost and score or what is said of it. */
function frontOf(rows, cost, isLess, score = (row) => row.score) {
  const order = [...rows].sort((a, b) => (isLess ? cost(a) - cost(b) : cost(b) - cost(a)) || score(b) - score(a));
  let best = -Infinity;
  const found = order.filter((row) => score(row) > best && ((best = score(row)), true));
  return isLess ? found : found.reverse();
}

/** A row's colour and symbol; what was drawn on the target itself is hollow. */
function lookOf(row) {
  if (row.role === "dense") return { ...look("dense"), isHollow: row.source === null };
  return { ...look(row.method), isHollow: row.role === "native" };
}

/** The key to the methods of some rows. */
function methodLegend(rows) {
  const items = distinct(rows.filter((row) => row.role !== "dense").map((row) => row.method)).map((name) =>
    legendItem(name, look(name).colour, look(name).symbol),
  );
  if (rows.some((row) => row.role === "dense"))
    items.push(legendItem("dense", look("dense").colour, look("dense").symbol));
  if (rows.some((row) => row.role === "native"))
    items.push(legendItem("hollow: drawn on the target itself", "var(--soft)", CIRCLE, true));
  return make("ul", { class: "key" }, ...items);
}
