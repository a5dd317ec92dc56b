"use strict";
// What is known of a method and of a data set: from their docstrings, docs/methods.md, and the records.

/** All methods, or one. */
function methodView(place) {
  const name = chosen("name");
  if (!name || !page.methods[name])
    return listView(
      place,
      "Methods",
      "method",
      page.names,
      (one) => page.methods[one].facts?.["what it does"] ?? sentences(page.methods[one].about ?? "", 1),
    );
  const told = page.methods[name];
  const about = told.facts?.["what it does"] ? [make("p", {}, `In short: ${told.facts["what it does"]}.`)] : [];
  place.append(
    make("h2", { class: "title" }, named(name)),
    make(
      "section",
      { class: "card" },
      make("h3", {}, "What it does"),
      ...(told.about
        ? [...about, make("p", {}, sentences(told.about, about.length ? 2 : 3))]
        : [make("p", {}, "No documentation of it is in this checkout; it comes with another package.")]),
      ...facts(told),
      ...(told.about && told.about.length > sentences(told.about, 2).length
        ? [make("details", {}, make("summary", {}, "All that its documentation says"), make("p", {}, told.about))]
        : []),
    ),
    ...found(name),
    ...settings(told),
    costsOf(name),
    rowsOf(`Its rows`, (board, row) => row.method === name),
  );
}

/** The first sentences of a text. */
function sentences(text, count) {
  const found = text.match(/[^.!?]+(?:[.!?](?!\s|$)[^.!?]*)*[.!?]+(?=\s|$)/g) ?? [text];
  return found.slice(0, count).join("").trim();
}

/** Where it is from, where its equations are, what differs. */
function facts(told) {
  const works = (told.works ?? []).map((work) =>
    page.works[work]
      ? `${page.works[work][0]}, ${page.works[work][1]}, ${page.works[work][2]}, arXiv:${work}`
      : `arXiv:${work}`,
  );
  const lines = {
    source: told.facts?.source,
    works: works.join("; "),
    "in code": told.place,
    "what differs from the release": told.facts?.["what differs"],
    cost: told.facts?.cost,
    needs: told.facts?.needs,
  };
  const list = Object.entries(lines)
    .filter(([, text]) => text)
    .map(([title, text]) =>
      make(
        "div",
        {},
        make("dt", {}, title),
        make("dd", {}, title === "in code" ? make("code", {}, text) : named(text)),
      ),
    );
  const bib = make("button", { type: "button" }, "BibTeX");
  bib.addEventListener("click", () => save("methods.bib", toBib([chosen("name")]), "text/x-bibtex"));
  return [
    make("dl", { class: "long" }, ...list),
    ...(told.works?.length ? [make("p", { class: "exports" }, bib)] : []),
  ];
}

/** Its options, and those that make it this variant. */
function settings(told) {
  const names = Object.keys(told.settings ?? {});
  if (!names.length) return [];
  const lines = names.map((name) =>
    make(
      "tr",
      {},
      make("th", { scope: "row", class: "w" }, make("code", {}, name)),
      make(
        "td",
        { class: "w text" },
        told.variant?.[name] !== undefined ? make("b", {}, `${told.variant[name]} here; `) : null,
        told.settings[name],
      ),
    ),
  );
  return [
    make(
      "section",
      { class: "card" },
      make("h3", {}, "Settings"),
      make(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": "Settings" },
        make("table", {}, make("tbody", {}, ...lines)),
      ),
    ),
  ];
}

/** Pictures of tickets that it drew: one a source and sparsity, each opened by its line. */
function found(name) {
  const rows = page.boards
    .filter((board) => board.kind === "draw")
    .flatMap((board) => board.rows.filter((row) => row.method === name).map((row) => ({ board, row })))
    .filter(({ row }) => portraitOf(row));
  if (!rows.length) return [];
  const lines = rows.map(({ board, row }, at) => {
    const line = make(
      "details",
      at ? {} : { open: "" },
      make("summary", {}, `on ${board.task}, ${percent(row.sparsity)} removed`),
    );
    const fill = () => line.childElementCount > 1 || line.append(portrait(portraitOf(row)));
    line.addEventListener("toggle", fill);
    if (!at) fill();
    return line;
  });
  return [make("section", { class: "card" }, make("h3", {}, "What it draws"), ...lines)];
}

/** What its jobs cost, as the records have it. */
function costsOf(name) {
  const rows = page.boards.flatMap((board) =>
    board.rows.filter((row) => row.method === name).map((row) => ({ board, row })),
  );
  const training = rows
    .map(({ row }) => row.costs.training)
    .filter(Boolean)
    .sort((a, b) => a - b);
  const seconds = rows
    .map(({ row }) => row.seconds)
    .filter(Boolean)
    .sort((a, b) => a - b);
  const middle = (values) => values[Math.floor((values.length - 1) / 2)];
  const days = rows.map(({ row }) => row.newest).sort();
  const told = [
    `${plural(rows.length, "row")} of ${plural(
      rows.reduce((sum, { row }) => sum + row.records.length, 0),
      "record",
    )}`,
  ];
  if (training.length) told.push(`in the middle ${counted(middle(training))} training MACs`);
  if (seconds.length) told.push(`and ${middle(seconds).toFixed(0)} s of a job`);
  if (days.length) told.push(`newest ${days.at(-1)}, ${age(days.at(-1))}`);
  return make("section", { class: "card" }, make("h3", {}, "Cost and age"), make("p", {}, `${told.join(", ")}.`));
}

/** Rows of any board in a table with their target. */
function rowsOf(title, isWanted) {
  const found = page.boards.flatMap((board) =>
    board.rows.filter((row) => isWanted(board, row)).map((row) => ({ board, row })),
  );
  const lines = found.map(({ board, row }) =>
    make(
      "tr",
      {},
      make(
        "th",
        { scope: "row", class: "w ticket" },
        make("a", { href: rowAddress(board, row) }, breakable(row.label)),
      ),
      make("td", { class: "w" }, named(board.kind === "draw" ? `draw on ${board.task}` : board.task)),
      make("td", {}, percent(row.sparsity)),
      make(
        "td",
        {},
        percent(row.score),
        make("small", {}, row.half === null ? "" : `±${(100 * row.half).toFixed(1)}`),
      ),
      make("td", {}, String(row.records.length)),
      make("td", { class: "w" }, named(board.setting)),
    ),
  );
  const head = [
    ["ticket", "w ticket"],
    ["target", "w"],
    ["removed", "n"],
    ["score", "n"],
    ["seeds", "n"],
    ["setting", "w"],
  ].map(([text, kind]) => make("th", { scope: "col", class: kind }, text));
  return make(
    "section",
    { class: "card" },
    make("h3", {}, title),
    make(
      "div",
      { class: "scroll tall", tabindex: "0", role: "region", "aria-label": title },
      make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...lines)),
    ),
  );
}

/** A list of all members of a kind. */
function listView(place, title, view, names, about) {
  const items = names.map((name) =>
    make("li", {}, linked(name, view, { name }), make("p", { class: "soft" }, about(name))),
  );
  place.append(
    make("h2", { class: "title" }, title),
    make("section", { class: "card" }, make("ul", { class: "members" }, ...items)),
  );
}

/** Sizes of splits in their usual order. */
function splitSizes(counts) {
  const order = ["train", "val", "test"];
  const sorted = Object.entries(counts).sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
  return sorted.map(([split, number]) => `${split} ${number.toLocaleString("en")}`).join(", ");
}

/** All data sets, or one. */
function taskView(place) {
  const name = chosen("name");
  const told = page.tasks[name];
  if (!told)
    return listView(place, "Data sets", "task", Object.keys(page.tasks), (one) => page.tasks[one].citation ?? "");
  const tested = distinct(
    page.boards.filter((board) => board.task === name && board.split).map((board) => board.split),
  ).join(", ");
  const lines = {
    "splits in the records": splitSizes(told.counts),
    "the field reports on": told.field && splitSizes(told.field),
    "tested on": tested && `officially ${tested}`,
    "in this version": told.version && `version ${told.version}, tested on what is officially ${told.test}`,
    outputs: told.outputs && `${told.outputs}: ${told.names.join(", ")}`,
    licence: told.licence,
    work: told.citation,
    address: told.url,
  };
  const list = Object.entries(lines)
    .filter(([, text]) => text)
    .map(([title, text]) => make("div", {}, make("dt", {}, title), make("dd", {}, named(text))));
  place.append(
    make("h2", { class: "title" }, named(name)),
    make(
      "section",
      { class: "card" },
      make("h3", {}, "What it is"),
      make("dl", { class: "long" }, ...list),
      ...samples(told),
      make("p", { class: "exports" }, linked("Its tables", "tables", { target: name })),
    ),
    ...reported(name, told.reported),
    rowsOf("Its references: the dense network", (board, row) => board.task === name && row.role === "dense"),
    rowsOf(
      "Tickets used on it",
      (board, row) => board.kind === "transfer" && board.task === name && ["ticket", "native"].includes(row.role),
    ),
    rowsOf("Tickets drawn on it", (board, row) => board.kind === "draw" && board.task === name),
  );
}

/** What the field reports for a data set, ours below. */
function reported(name, told) {
  if (!told?.note) return [];
  const head = ["network", "score", "metric", "tested on", "what differs", "source"];
  const theirs = told.scores.map((one) => [
    one.method,
    `${one.score}%`,
    one.metric,
    one.tested,
    one.differs,
    one.source,
  ]);
  const lines = [...theirs, ...(theirs.length ? ours(name) : [])].map(([method, score, ...words]) =>
    make(
      "tr",
      {},
      make("th", { scope: "row", class: "w ticket" }, method instanceof Node ? method : named(method)),
      make("td", {}, score),
      ...words.map((text, at) => make("td", { class: at ? "w text" : "w" }, named(text))),
    ),
  );
  const titles = head.map((title, at) => make("th", { scope: "col", class: at === 1 ? "n" : "w" }, title));
  const table = make(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Reference scores of the field" },
    make("table", {}, make("thead", {}, make("tr", {}, ...titles)), make("tbody", {}, ...lines)),
  );
  return [
    make(
      "section",
      { class: "card" },
      make("h3", {}, "Reference scores of the field"),
      make("p", {}, told.note),
      ...(lines.length ? [table] : []),
    ),
  ];
}

/** The best dense network and the best ticket of ours on a data set, each with its setting. */
function ours(name) {
  const rows = page.boards
    .filter((board) => board.kind === "transfer" && board.task === name)
    .flatMap((board) => board.rows.map((row) => ({ board, row })));
  const best = (found) =>
    found.reduce((one, other) => (one && one.row.score >= other.row.score ? one : other), undefined);
  const dense = best(rows.filter(({ row }) => row.role === "dense"));
  const ticket = best(rows.filter(({ row }) => ["ticket", "native"].includes(row.role) && row.sparsity));
  const counts = page.tasks[name].counts;
  return [dense, ticket].filter(Boolean).map(({ board, row }) => {
    const removed = row.sparsity ? `, ${percent(row.sparsity)} removed` : "";
    const link = make("a", { href: rowAddress(board, row) }, breakable(`ours: ${row.label}${removed}`));
    const tested = counts.test ? `${counts.test.toLocaleString("en")} ${board.split} images` : DASH;
    const trained = counts.train ? `${counts.train.toLocaleString("en")} training images; ` : "";
    return [link, percent(row.score), board.metric, tested, `${trained}${board.setting}`, "its records"];
  });
}

/** Pictures of samples, of data that are drawn here alone. */
function samples(told) {
  if (!told.picture) return [];
  return [
    make("img", {
      src: `data:image/jpeg;base64,${told.picture}`,
      alt: "Some samples, as they are drawn",
      class: "samples",
    }),
  ];
}
