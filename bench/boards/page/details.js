"use strict";
// The box that tells all of a row: its numbers, its records, the command that draws its ticket again.

const box = document.querySelector("dialog");

/** Open the box for a row of a board, both by number. */
function tell(boardNumber, rowNumber) {
  const board = page.boards[boardNumber];
  const row = board.rows[rowNumber];
  const section = document.getElementById(board.id);
  const close = make("button", { type: "button", class: "close", "aria-label": "Close" }, "\u00d7");
  close.addEventListener("click", () => box.close());
  box.replaceChildren(
    close,
    make("h2", { id: "details-title" }, row.label),
    make("p", { class: "setting" }, section.querySelector("caption").textContent),
    numbers(section, rowNumber),
    make("h3", {}, "Records"),
    make("ul", { class: "records" }, ...row.records.map(recordItem)),
    ...commands(row),
  );
  box.showModal();
  box.scrollTop = 0;
}

/** All cells of the row, each with the title of its column. */
function numbers(section, rowNumber) {
  const titles = section.querySelectorAll("thead th");
  const cells = section.querySelector(`tr[data-row="${rowNumber}"]`).cells;
  const list = make("dl");
  titles.forEach((title, column) => {
    const text = cells[column].textContent.replace("±", " ±");
    if (text) list.append(make("div", {}, make("dt", {}, title.textContent), make("dd", {}, text)));
  });
  return list;
}

/** A link to a record's file, with its seed, score and ticket. */
function recordItem([id, seed, score, ticket]) {
  const link = make("a", { href: `${page.records}${encodeURIComponent(id)}.json` }, `${id}.json`);
  const parts = [`seed ${seed}`];
  if (score !== null) parts.push(`score ${score}`);
  const item = make("li", {}, link, make("span", {}, parts.join(", ")));
  if (ticket) item.append(make("code", { class: "hash" }, `ticket ${ticket}`));
  return item;
}

/** The commands that draw the row's tickets again, each once. */
function commands(row) {
  const known = distinct(row.records.map((record) => record[4]));
  if (!known.length) return [];
  const lines = known.map((number) => make("code", {}, page.commands[number]));
  return [make("h3", {}, "Draw the ticket again"), make("div", { class: "commands" }, ...lines)];
}

box.addEventListener("click", (event) => {
  if (event.target === box) box.close();
});
