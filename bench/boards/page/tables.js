"use strict";
// The leaderboards: choices above, then the tables that are asked for, made as they come near.

const AT_ONCE = 2;
const LINES = 16;

const tables = { slices: [], rest: [], lines: [], timer: 0 };

/** The view: choices above, then the tables. */
function tablesView(place) {
  const changed = () => {
    choose({ open: "" });
    showTables();
  };
  const narrowed = (name) => () => {
    choose({ open: "", board: "" });
    show();
    document.querySelector(`.choices [name="${name}"]`).focus();
  };
  const boards = page.boards.filter((board) => board.rows.length);
  const rows = boards.flatMap((board) => board.rows);
  const settings = boards.filter(
    (board) => board.kind === chosen("kind", "transfer") && (!chosen("target") || board.task === chosen("target")),
  );
  const form = make(
    "form",
    { class: "choices", "aria-label": "Choose tables and rows" },
    filterChoice("target", "Target", distinct(boards.map((board) => board.task)), narrowed("target")),
    filterChoice("sparsity", "Removed", distinct(slices().map((slice) => slice.sparsity)), changed, percent),
    choice(
      "kind",
      "Scores of",
      [
        ["transfer", "transfers"],
        ["draw", "draws on their source"],
      ],
      narrowed("kind"),
    ),
    filterChoice(
      "board",
      "Setting",
      settings.map((board) => board.id),
      changed,
      boardName,
    ),
    filterChoice("method", "Method", distinct(rows.map((row) => row.method)), changed),
    filterChoice("source", "Source", distinct(rows.map((row) => row.source)), changed),
    filterChoice("recipe", "Recipe", distinct(rows.map((row) => row.recipe)), changed),
    wordField(changed),
    clearing(),
    columnsField(),
  );
  const isRoomy =
    matchMedia("(min-width: 40rem)").matches ||
    ["board", "method", "source", "recipe", "text"].some((name) => chosen(name));
  const folded = make(
    "details",
    { class: "filters", ...(isRoomy ? { open: "" } : {}) },
    make("summary", {}, "Filters"),
    form,
  );
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
  field.addEventListener("input", () => {
    choose({ text: field.value });
    changed();
  });
  return make("label", {}, make("span", {}, "Any word"), field);
}

/** Which columns are shown. */
function columnsField() {
  const shown = () =>
    chosen(SHOWN) ? chosen(SHOWN).split("~") : page.columns.filter((column) => column[3]).map((column) => column[0]);
  const ticks = page.columns.map(([title, about]) => {
    const tick = make("input", {
      type: "checkbox",
      value: title,
      ...(shown().includes(title) ? { checked: "" } : {}),
    });
    tick.addEventListener("change", () => {
      const titles = page.columns
        .map((column) => column[0])
        .filter((one) => (one === title ? tick.checked : shown().includes(one)));
      const usual = page.columns.filter((column) => column[3]).map((column) => column[0]);
      choose({ [SHOWN]: titles.join("~") === usual.join("~") ? "" : titles.join("~") });
      showTables();
    });
    return make("label", { class: "tick" }, tick, make("span", {}, make("b", {}, title), about ? `: ${about}` : ""));
  });
  return make(
    "details",
    { class: "columns" },
    make("summary", {}, "Columns, and what they mean"),
    make("div", {}, ...ticks),
  );
}

/** A button that leaves nothing chosen. */
function clearing() {
  const button = make("button", { type: "button", class: "clear" }, "Clear");
  button.addEventListener("click", () => {
    location.hash = address("tables");
  });
  return button;
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
    `${plural(rows, "row")} in ${plural(tables.slices.length, "table")}`;
  if (!tables.slices.length)
    place.append(make("p", { class: "card" }, "No row has all of this; take a choice back."));
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
  new IntersectionObserver(
    (entries, watch) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watch.disconnect();
      more(AT_ONCE);
    },
    { rootMargin: "800px" },
  ).observe(end);
}

/** Fill some rows into the tables that are there, the others a little later: nobody waits for what is below. */
function fillLines(count, later = LINES) {
  clearTimeout(tables.timer);
  for (const fill of tables.lines.splice(0, count)) fill();
  if (tables.lines.length) tables.timer = setTimeout(() => fillLines(later, later), 16);
}
