"use strict";
// The heat map of transfer gaps, source by target, for one method at a time; and the same as a table.

const gaps = document.getElementById("gaps");

/** Rows that a heat map shows, by method, recipe, sparsity and setting. */
function gapGroups() {
  const groups = new Map();
  page.boards.forEach((board, boardNumber) => {
    board.rows.forEach((row, number) => {
      if (board.kind !== "transfer" || !["ticket", "native"].includes(row.role)) return;
      const name = `${row.method}, ${row.recipe}, sparsity ${percent(row.sparsity)}, ${board.setting}`;
      groups.set(name, [...(groups.get(name) ?? []), { row, target: board.task, at: [boardNumber, number] }]);
    });
  });
  return new Map([...groups].filter(([, members]) => members.some(({ row }) => row.gap !== null)));
}

/** What stands in a cell. */
function gapText(member) {
  if (!member) return "\u2013";
  if (member.row.role === "native") return "native";
  return member.row.gap === null ? "\u2013" : points(member.row.gap, member.row.gap_half);
}

/** Draw the method that is chosen. */
function drawGaps(groups) {
  const name = gaps.querySelector("select").value;
  const members = groups.get(name);
  const sources = distinct(members.map(({ row }) => row.source));
  const targets = distinct(members.map(({ target }) => target));
  const cells = sources.map((source) =>
    targets.map((target) => members.find((member) => member.row.source === source && member.target === target)),
  );
  const texts = cells.map((line) => line.map(gapText));
  const value = (member) => (!member ? null : member.row.role === "native" ? 0 : member.row.gap);
  const plot = gaps.querySelector(".chart");
  const most = Math.max(0.01, ...[...groups.values()].flat().map((member) => Math.abs(value(member) ?? 0)));
  const first = !plot.data;
  plot.style.height = `${110 + 48 * sources.length}px`;
  plot.setAttribute("aria-label", `Heat map of the transfer gaps of ${name}; the table below holds the same numbers.`);
  const colours = [[0, style("--cold")], [0.5, style("--even")], [1, style("--warm")]];
  const map = {
    type: "heatmap", x: targets.map(plain), y: sources.map(plain), z: cells.map((line) => line.map(value)),
    zmin: -most, zmax: most, colorscale: colours, showscale: false, xgap: 3, ygap: 3, hoverinfo: "none",
    customdata: cells.map((line) => line.map((member) => member?.at ?? null)),
  };
  const notes = texts.flatMap((line, i) =>
    line.map((text, j) => ({ x: j, y: i, text, showarrow: false, font: { color: style("--ink"), size: 12 } })),
  );
  const changes = {
    annotations: notes,
    xaxis: { title: { text: "target" }, type: "category", showgrid: false },
    yaxis: { title: { text: "source" }, type: "category", showgrid: false, autorange: "reversed" },
  };
  Plotly.react(plot, [map], layout(changes), CONFIG);
  if (first) {
    plot.on("plotly_click", (event) => event.points[0].customdata && tell(...event.points[0].customdata));
  }
  gaps.querySelector("figcaption").textContent = "95 % intervals of the paired differences; \u2013 where a ticket or its native one is missing.";
  gaps.querySelector(".scroll").replaceChildren(gapTable(name, sources, targets, texts));
}

/** The heat map as a table. */
function gapTable(name, sources, targets, texts) {
  const head = ["source", ...targets].map((text) => make("th", { scope: "col" }, text));
  const lines = sources.map((source, i) =>
    make("tr", {}, make("th", { scope: "row" }, source), ...texts[i].map((text) => make("td", {}, text))),
  );
  const caption = make("caption", {}, `Transfer gaps of ${name}, in points`);
  return make("table", {}, caption, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...lines));
}

/** Show the heat map, where there is a gap at all. */
function startGaps() {
  const groups = gapGroups();
  if (!groups.size) return;
  const select = gaps.querySelector("select");
  select.replaceChildren(...[...groups.keys()].map((name) => make("option", { value: name }, name)));
  select.addEventListener("change", () => drawGaps(groups));
  gaps.hidden = false;
  redraws.set(gaps, () => drawGaps(groups));
}
