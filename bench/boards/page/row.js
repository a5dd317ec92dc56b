"use strict";
// An opened row: all its numbers, its runs with their records, and the commands that draw and compute it again.

/** What stands below a row that was opened. */
function details(board, row) {
  const commands = distinct(row.records.map((record) => record[4])).map((number) => page.commands[number]);
  const again = row.records.find((record) => record[2] !== null);
  const first = commands[0]
    ? [
        make("h3", {}, "Get this ticket"),
        make(
          "p",
          { class: "soft" },
          "Draws it again, into runs/tickets; then python -m bench.show tells its architecture, and python -m " +
            "bench.export makes a network of it.",
        ),
        ...commands.slice(0, 1).map(command),
      ]
    : [];
  const rest =
    commands.length > 1
      ? [
          make(
            "details",
            {},
            make("summary", {}, `The other ${commands.length - 1} seeds`),
            ...commands.slice(1).map(command),
          ),
        ]
      : [];
  const check = again
    ? [make("h3", {}, "Check this row"), command(`python -m bench.check recompute ${again[0]}`)]
    : [];
  return make(
    "div",
    { class: "details" },
    make(
      "p",
      { class: "links" },
      linked(`about ${row.method}`, "method", { name: row.method }),
      " ",
      linked(`about ${board.task}`, "task", { name: board.task }),
      " ",
      linked("compare it", "compare", { a: row.method }),
    ),
    ...first,
    ...rest,
    ...check,
    ...pictures(row),
    make("h3", {}, plural(row.records.length, "run")),
    runs(row),
    make("h3", {}, "All its numbers"),
    numbers(board, row),
  );
}

/** What its ticket looks like, of one seed. */
function pictures(row) {
  const told = portraitOf(row);
  return told ? [make("h3", {}, "What was drawn"), portrait(told)] : [];
}

/** A line a seed: score, ticket, cost, when and by what code, and the record. */
function runs(row) {
  const head = ["seed", "score", "ticket", "seconds", "written", "code", "record"];
  const lines = row.records.map(([id, seed, score, ticket, , day, seconds, commit]) => {
    const link = make("a", { href: `${page.records}${encodeURIComponent(id)}.json` }, `${id}.json`);
    const cells = [
      seed,
      score === null ? DASH : score.toFixed(6),
      ticket ?? DASH,
      seconds ?? DASH,
      day,
      commit ?? DASH,
    ];
    return make("tr", {}, ...cells.map((cell) => make("td", {}, String(cell))), make("td", { class: "w" }, link));
  });
  return make(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Runs" },
    make(
      "table",
      { class: "runs" },
      make(
        "thead",
        {},
        make(
          "tr",
          {},
          ...head.map((title) => make("th", { scope: "col", class: title === "record" ? "w" : "n" }, title)),
        ),
      ),
      make("tbody", {}, ...lines),
    ),
  );
}

/** All that the row says, whether its column is shown or not. */
function numbers(board, row) {
  const list = make("dl");
  board.columns.forEach((number, at) => {
    const [title, about] = page.columns[number];
    if (!row.cells[at]) return;
    list.append(make("div", {}, make("dt", { title: about }, title), make("dd", {}, named(row.cells[at]))));
  });
  return list;
}

/** How old a row is, in words, beside the day of its newest record. */
function age(day) {
  const days = Math.floor((Date.now() - Date.parse(day)) / 86_400_000);
  return days < 1 ? "today" : days === 1 ? "1 day old" : `${days} days old`;
}
