"use strict";
// Any two methods over all that they share: the pooled interval of bench.compare, wins and losses, and every job; below
// them all methods of a target by their ranks.

/** The view. */
function compareView(place) {
  const [body, all] = [make("div"), make("div")];
  const changed = () => {
    fillCompare(body);
    fillRanks(all);
  };
  const names = page.pairs.names;
  const pairs = sharedBy();
  const [a, b] = defaults(names, pairs);
  const cellsNow = page.pairs.cells;
  const form = make(
    "form",
    { class: "choices", "aria-label": "Choose two methods" },
    choice(
      "a",
      "First",
      sortedFirst(names, a).map((name) => [name, name]),
      changed,
    ),
    choice(
      "b",
      "Second",
      sortedFirst(names, b).map((name) => [name, name]),
      changed,
    ),
    filterChoice("target", "Target", distinct(cellsNow.map((cell) => cell.target)), changed),
    filterChoice("sparsity", "Removed", distinct(cellsNow.map((cell) => cell.sparsity)), changed, percent),
  );
  place.append(make("h2", { class: "title" }, "Compare two methods"), form, body, all);
  page.compared = { a, b };
  changed();
}

/** Names with one of them first, which is what goes without saying. */
function sortedFirst(names, first) {
  return [first, ...names.filter((name) => name !== first)];
}

/** Number of cells that each two methods share, the most first. */
function sharedBy() {
  const found = new Map();
  for (const cell of page.pairs.cells) {
    const here = Object.keys(cell.scores).map(Number);
    for (const one of here)
      for (const other of here)
        if (one < other) found.set(`${one}|${other}`, (found.get(`${one}|${other}`) ?? 0) + 1);
  }
  return [...found].sort((x, y) => y[1] - x[1]);
}

/** What is compared when nobody chose: the two that share most; beside one that was chosen its nearest rival. */
function defaults(names, pairs) {
  const own = [state.get("a"), state.get("b")].filter(Boolean).map((name) => names.indexOf(name));
  const isPlain = (pair) =>
    pair[0]
      .split("|")
      .every((number) => !names[number].includes(" of ") && (own.length || names[number] !== "dense"));
  const fits =
    pairs.filter(isPlain).find(([key]) => own.every((number) => key.split("|").map(Number).includes(number))) ??
    pairs[0];
  if (!fits) return [names[0] ?? "", names[1] ?? ""];
  const [one, other] = fits[0].split("|").map(Number);
  return own[0] === other ? [names[other], names[one]] : [names[one], names[other]];
}

/** What two methods have in every cell that they share. */
function differencesOf(a, b) {
  const [one, other] = [a, b].map((name) => page.pairs.names.indexOf(name));
  return page.pairs.cells
    .filter(
      (cell) =>
        (!chosen("target") || cell.target === chosen("target")) &&
        (!chosen("sparsity") || String(cell.sparsity) === chosen("sparsity")),
    )
    .flatMap((cell) => {
      const [left, right] = [cell.scores[one] ?? {}, cell.scores[other] ?? {}];
      const seeds = Object.keys(left).filter((seed) => seed in right);
      if (!seeds.length) return [];
      const mean = (scores) => seeds.reduce((sum, seed) => sum + scores[seed], 0) / seeds.length;
      return [
        {
          cell,
          n: seeds.length,
          left: mean(left),
          right: mean(right),
          ...estimate(seeds.map((seed) => left[seed] - right[seed])),
        },
      ];
    });
}

/** The pooled difference, as Python found it; null where it was not asked for. */
function pooledOf(a, b) {
  const [one, other] = [a, b].map((name) => page.pairs.names.indexOf(name));
  const scope = `${chosen("target")}|${chosen("sparsity")}`;
  const direct = page.pairs.pooled[`${one}|${other}|${scope}`];
  if (direct) return { mean: direct[0], low: direct[1], high: direct[2], clusters: direct[3], n: direct[4] };
  const turned = page.pairs.pooled[`${other}|${one}|${scope}`];
  if (!turned) return null;
  const [mean, low, high, clusters, n] = turned;
  return { mean: -mean, low: high === null ? null : -high, high: low === null ? null : -low, clusters, n };
}

/** Which way a difference is decided, if it is. */
function outcome(one) {
  if (one.half === null || Math.abs(one.mean) <= one.half) return "undecided";
  return one.mean > 0 ? "won" : "lost";
}

/** Show the two that are chosen. */
function fillCompare(body) {
  const [a, b] = [chosen("a", page.compared.a), chosen("b", page.compared.b)];
  const found = differencesOf(a, b);
  if (a === b || !found.length) {
    return body.replaceChildren(
      make(
        "p",
        { class: "card" },
        a === b
          ? "Choose two different methods."
          : "These two share no job of that kind: all but the method must be the same.",
      ),
    );
  }
  const isOne = distinct(found.map(({ cell }) => cell.setting)).length === 1;
  const common = isOne ? ` All ${found[0].cell.setting}.` : "";
  const counts = { won: 0, lost: 0, undecided: 0 };
  for (const one of found) counts[outcome(one)] += 1;
  body.replaceChildren(
    make(
      "section",
      { class: "card" },
      make("h3", {}, named(a), " less ", named(b)),
      verdict(a, b),
      make(
        "p",
        {},
        `Of ${plural(found.length, "cell")} by itself: ${counts.won} won, ${counts.lost} lost, ${counts.undecided} ` +
          `undecided (paired t-intervals over seeds, not adjusted for their number).${common}`,
      ),
      forest(found, a, b),
      compareExports(found, a, b),
    ),
  );
}

/** What all of it together says. */
function verdict(a, b) {
  const whole = pooledOf(a, b);
  if (!whole) return make("p", {}, "No pooled interval is kept for these two; python -m bench.compare tells it.");
  const isDecided = whole.low !== null && !(whole.low <= 0 && whole.high >= 0);
  const between = whole.low === null ? "" : ` [${points(whole.low)}, ${points(whole.high)}]`;
  const better = whole.mean > 0 ? a : b;
  return make(
    "p",
    { class: "whole" },
    make("span", { class: `verdict ${isDecided ? "yes" : "undecided"}` }, isDecided ? "decided" : "undecided"),
    " ",
    make("b", {}, `${points(whole.mean)}${between}`),
    ` points over ${whole.n} jobs in ${whole.clusters} clusters of source and seed, which speak of these sources: `,
    ...(isDecided ? [named(better), " is better."] : ["the interval holds zero."]),
  );
}

/** A line a cell with its difference drawn on one scale. */
function forest(found, a, b) {
  const most = Math.max(0.005, ...found.map((one) => Math.abs(one.mean) + Math.min(one.half ?? 0, 0.3)));
  const varied = ["recipe", "setting"].filter((name) => distinct(found.map(({ cell }) => cell[name])).length > 1);
  const head = [
    ["source", "w"],
    ["target", "w"],
    ["removed", "n"],
    [a, "n"],
    [b, "n"],
    ["difference", "n"],
    ["its interval", "w"],
    ["seeds", "n"],
    ...varied.map((name) => [name, "w"]),
  ];
  const lines = found.map((one) => {
    const { cell } = one;
    const words = [cell.source, cell.target].map((text) => make("td", { class: "w" }, named(text)));
    return make(
      "tr",
      { class: outcome(one) },
      ...words,
      make("td", {}, percent(cell.sparsity)),
      make("td", {}, percent(one.left)),
      make("td", {}, percent(one.right)),
      make("td", {}, points(one.mean), make("small", {}, one.half === null ? "" : `±${(100 * one.half).toFixed(1)}`)),
      make("td", { class: "w" }, bar(one, most)),
      make("td", {}, String(one.n)),
      ...varied.map((name) => make("td", { class: "w" }, named(cell[name]))),
    );
  });
  const titles = head.map(([title, kind]) => make("th", { scope: "col", class: kind }, breakable(title)));
  return make(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": `${a} less ${b}` },
    make("table", { class: "forest" }, make("thead", {}, make("tr", {}, ...titles)), make("tbody", {}, ...lines)),
  );
}

/** A difference and its interval around zero. */
function bar(one, most) {
  const at = (value) => 70 + (66 * Math.min(Math.max(value, -most), most)) / most;
  const half = one.half ?? 0;
  return drawn(
    "svg",
    { class: "bar", width: 140, height: 14, "aria-hidden": "true" },
    drawn("line", { class: "zero", x1: 70, x2: 70, y1: 0, y2: 14 }),
    drawn("line", { x1: at(one.mean - half), x2: at(one.mean + half), y1: 7, y2: 7 }),
    drawn("circle", { cx: at(one.mean), cy: 7, r: 3.5 }),
  );
}

/** The same as a file, and the command that tells it. */
function compareExports(found, a, b) {
  const button = make("button", { type: "button" }, "CSV");
  button.addEventListener("click", () =>
    save(
      "comparison.csv",
      toCsv(
        ["source", "target", "sparsity", "recipe", "setting", "seeds", a, b, "difference", "difference half"],
        found.map((one) => [
          one.cell.source,
          one.cell.target,
          one.cell.sparsity,
          one.cell.recipe,
          one.cell.setting,
          one.n,
          one.left,
          one.right,
          one.mean,
          one.half,
        ]),
      ),
      "text/csv",
    ),
  );
  const quoted = (text) => (/^[\w@=./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  const asked = { target: chosen("target"), sparsity: chosen("sparsity"), records: document.body.dataset.folder };
  const flags = Object.entries(asked).filter(([, value]) => value);
  const more = flags.map(([name, value]) => ` --${name} ${quoted(value)}`).join("");
  return make(
    "div",
    {},
    make("p", { class: "exports" }, make("span", { class: "files" }, "What is shown as ", button)),
    command(`python -m bench.compare ${quoted(a)} ${quoted(b)}${more}`),
  );
}
