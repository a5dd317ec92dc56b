"use strict";
// What is left of the dense network's score as more is removed: a line a method, a band for its interval.

const REFERENCES = { scratch: "dense network, target alone", dense: "dense network, same source first" };

/** The view. */
function retentionView(place) {
  const body = make("div");
  const changed = () => fillRetention(body);
  const boards = transferBoards();
  const rows = boards.flatMap((board) => board.rows);
  const form = make(
    "form",
    { class: "choices", "aria-label": "Choose what is drawn" },
    boardChoice(boards, changed),
    filterChoice("source", "Source", distinct(rows.map((row) => row.source)), changed),
    filterChoice("recipe", "Recipe", distinct(rows.map((row) => row.recipe)), changed),
    choice("against", "100 % is", Object.entries(REFERENCES), changed),
    choice(
      "controls",
      "Controls",
      [
        ["", "left out"],
        ["drawn", "drawn"],
      ],
      changed,
    ),
  );
  place.append(make("h2", { class: "title" }, "Retention over sparsity"), form, body);
  changed();
}

/** Draw what is chosen: one line a method; of several sources the one with most sparsities, unless one is chosen. */
function fillRetention(body) {
  const board = chosenBoard();
  const against = among("against", Object.keys(REFERENCES));
  const roles = chosen("controls") ? ["ticket", "native", "random"] : ["ticket", "native"];
  const shown = board.rows.filter(
    (row) =>
      roles.includes(row.role) &&
      row.sparsity > 0 &&
      row.shares[against] &&
      (!chosen("source") || row.source === chosen("source")) &&
      (!chosen("recipe") || row.recipe === chosen("recipe")),
  );
  if (!shown.length)
    return body.replaceChildren(
      make("p", { class: "card" }, "No such ticket, or no dense network to hold it against."),
    );
  const series = [...grouped(shown, (row) => `${row.role}\n${row.method}`).values()].map(longest);
  const share = (row) => row.shares[against];
  const half = (row) => (row.half === null ? null : (row.half * share(row)) / row.score);
  const drawnRows = series.flat();
  const levels = distinct(drawnRows.map((row) => row.sparsity));
  const plot = make("div", { class: "chart" });
  const title = `Share of the dense network's ${board.metric} on ${board.task}`;
  const dropped = shown.length - drawnRows.length;
  const more = dropped
    ? ` Of a method's sources the one with most sparsities is drawn (${dropped} rows are not); choose another.`
    : "";
  const bent = (sparsity) => -Math.log10(1 - sparsity);
  body.replaceChildren(
    make(
      "figure",
      { class: "card" },
      make("figcaption", {}, make("b", {}, named(title)), make("small", {}, figureNote(board, drawnRows))),
      plot,
      methodLegend(drawnRows),
      make(
        "p",
        { class: "soft" },
        `100 % is the ${REFERENCES[against]}; its own interval is not in the bands. Of one sparsity: points.${more}`,
      ),
    ),
  );
  const places = series.map((rows) => rows.map(share));
  const low = Math.min(...drawnRows.map((row) => share(row) - (half(row) ?? 0)));
  const high = Math.max(1, ...drawnRows.map((row) => share(row) + (half(row) ?? 0)));
  chartIn(plot, {
    name: `${title}, over sparsity. The leaderboard has the same numbers.`,
    lines: [{ y: 1, title: "dense" }],
    series: series.map((rows, at) => ({
      ...lookOf(rows[0]),
      isLine: true,
      isBand: rows.length > 1,
      points: rows.map((row, number) => ({
        x: bent(row.sparsity),
        y: places[at][number],
        half: half(row),
        href: rowAddress(board, row),
        tip: tipOf(row, `; ${percent(share(row))} of dense`),
        label: rows.length > 1 && number === rows.length - 1 ? row.method : "",
        isRight: true,
      })),
    })),
    x: {
      title: "weights removed",
      ticks: levels.map(bent),
      format: (value) => percent(1 - 10 ** -value),
      low: Math.min(...levels.map(bent)) - 0.08,
      high: Math.max(...levels.map(bent)) + 0.25,
    },
    y: { title: "of dense", low: Math.max(0, low), high, floor: 0, format: (value) => `${Math.round(100 * value)}%` },
  });
}

/** Of one method's rows those of the source and recipe with most sparsities, by sparsity. */
function longest(rows) {
  const lines = [...grouped(rows, (row) => `${row.source}\n${row.recipe}`).values()];
  const best = lines.reduce((one, other) => (other.length > one.length ? other : one));
  return [...best].sort((a, b) => a.sparsity - b.sparsity);
}
