"use strict";
// Charts of a board: score against sparsity, and against what drawing and training cost.

const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false };
const OPEN = { native: "-open", random: "-open-dot", ticket: "", dense: "" };
const ROLES = {
  ticket: "filled: drawn on another task",
  native: "hollow: drawn on the target itself",
  random: "dotted: random control",
};

/** Text that plotly shows as it is, though it reads some markup. */
function plain(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** What all charts look like. */
function layout(changes) {
  const line = { gridcolor: style("--line"), linecolor: style("--line"), zerolinecolor: style("--line") };
  const axis = { ...line, fixedrange: true, automargin: true, ticks: "" };
  return {
    ...changes,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, sans-serif", size: 12, color: style("--ink") },
    margin: { l: 48, r: 12, t: 8, b: 44 },
    dragmode: false,
    hovermode: "closest",
    hoverlabel: { bgcolor: style("--paper"), bordercolor: style("--line"), font: { color: style("--ink") }, align: "left" },
    showlegend: false,
    xaxis: { ...axis, ...changes.xaxis },
    yaxis: { ...axis, ...changes.yaxis },
  };
}

/** A row's few lines under the pointer. */
function hover(row) {
  const half = row.half === null ? "" : ` ±${(100 * row.half).toFixed(1)}`;
  const cost = row.cost === null ? "" : `<br>${counted(row.cost)} MACs of drawing and training`;
  return `${plain(row.label)}<br>${percent(row.score)}${half} at sparsity ${percent(row.sparsity)}${cost}`;
}

/** Series of a board's rows: all sparsities of what is otherwise the same ticket. */
function series(board) {
  const found = new Map();
  board.rows.forEach((row, number) => {
    if (row.isShown) found.set(row.label, [...(found.get(row.label) ?? []), { row, number }]);
  });
  return [...found.values()].map((members) => members.sort((a, b) => a.row.sparsity - b.row.sparsity));
}

/** What a chart shows of a series; `x` tells where. */
function trace(boardNumber, members, x, mode) {
  const { row } = members[0];
  const { colour, symbol } = row.role === "dense" ? { colour: style("--ink"), symbol: "hexagon" } : look(row.method);
  return {
    type: "scatter",
    mode,
    x: members.map(x),
    y: members.map((member) => member.row.score),
    error_y: { type: "data", array: members.map((member) => member.row.half ?? 0), thickness: 1, width: 3, color: colour },
    marker: {
      color: colour, symbol: symbol + (OPEN[row.role] ?? ""), size: row.role === "random" ? 7 : 10,
      line: { width: 1.5, color: colour },
    },
    line: { color: colour, width: 1, dash: row.role === "random" ? "dot" : "solid" },
    hoverinfo: "text",
    hovertext: members.map((member) => hover(member.row)),
    customdata: members.map((member) => [boardNumber, member.number]),
  };
}

/** Score against sparsity: a place a sparsity, its tickets side by side; dense references as lines. */
function sparsityChart(board, boardNumber) {
  const all = series(board);
  const drawn = all.filter((members) => members[0].row.role !== "dense");
  const dense = all.filter((members) => members[0].row.role === "dense").map((members) => members[0]);
  const levels = distinct(drawn.flatMap((members) => members.map((member) => member.row.sparsity)));
  const step = 0.8 / Math.max(drawn.length, 1);
  const traces = drawn.map((members, number) => {
    const x = (member) => levels.indexOf(member.row.sparsity) + (number - (drawn.length - 1) / 2) * step;
    return trace(boardNumber, members, x, members.length > 1 ? "lines+markers" : "markers");
  });
  const ends = [-0.5, Math.max(levels.length, 1) - 0.5];
  for (const member of dense) {
    const places = [ends[0], ...levels.keys(), ends[1]];
    const line = trace(boardNumber, places.map(() => member), (_, i) => places[i], "lines");
    line.line = { color: style("--soft"), width: 1.5, dash: member.row.source ? "dash" : "dashdot" };
    line.error_y = {};
    traces.unshift(line);
  }
  const highest = dense.reduce((best, member) => (best && best.row.score > member.row.score ? best : member), null);
  const notes = highest ? [{
    x: ends[1], y: highest.row.score, xanchor: "right", yanchor: "bottom", showarrow: false,
    text: dense.length > 1 ? "dense references" : plain(highest.row.label), font: { color: style("--soft"), size: 11 },
  }] : [];
  return {
    traces,
    layout: layout({
      annotations: notes,
      xaxis: { title: { text: "sparsity" }, range: ends, tickvals: levels.map((_, i) => i), ticktext: levels.map(percent),
        showgrid: false, zeroline: false },
      yaxis: { title: { text: plain(board.metric) }, tickformat: ".0%" },
    }),
  };
}

/** Score against the training MACs of drawing and transfer together; a random control costs what its ticket does. */
function costChart(board, boardNumber) {
  const shown = series(board).filter((members) => members[0].row.role !== "random");
  const known = shown.map((members) => members.filter((member) => member.row.cost !== null));
  const traces = known
    .filter((members) => members.length)
    .map((members) => trace(boardNumber, members, (member) => member.row.cost, "markers"));
  return {
    traces,
    layout: layout({
      xaxis: { title: { text: "training MACs, drawing included" }, rangemode: "tozero", tickformat: "~s" },
      yaxis: { title: { text: plain(board.metric) }, tickformat: ".0%" },
    }),
  };
}

const KINDS = [
  { title: "Score against sparsity", make: sparsityChart },
  { title: "Score against training cost", make: costChart },
];

/** Make room for a board's charts, so that nothing moves when they are drawn. */
function placeCharts(section, board) {
  const place = section.querySelector(".charts");
  for (const { title } of KINDS) {
    const name = `${title}: ${board.metric} on ${board.task}. The table below holds the same numbers.`;
    const plot = make("div", { class: "chart", role: "img", "aria-label": name });
    place.append(make("figure", {}, make("figcaption", {}, title), plot));
  }
  place.append(make("ul", { class: "key" }, ...keyItems(board)));
  place.hidden = false;
}

/** Draw a board's charts anew. */
function drawCharts(section, board, boardNumber) {
  section.querySelectorAll(".chart").forEach((plot, number) => {
    const chart = KINDS[number].make(board, boardNumber);
    const first = !plot.data;
    Plotly.react(plot, chart.traces, chart.layout, CONFIG);
    if (first) plot.on("plotly_click", (event) => tell(...event.points[0].customdata));
  });
  section.querySelector(".key").replaceChildren(...keyItems(board));
}

/** The key to a board's colours and symbols, and to what filled and hollow ones are. */
function keyItems(board) {
  const rows = board.rows.filter((row) => row.isShown && row.role !== "dense");
  const methods = distinct(rows.map((row) => row.method));
  const roles = Object.keys(ROLES).filter((role) => rows.some((row) => row.role === role));
  const items = methods.map((method) => make("li", {}, glyph(look(method)), method));
  if (board.rows.some((row) => row.isShown && row.role === "dense")) {
    items.push(make("li", {}, glyph({ colour: style("--ink"), symbol: "hexagon" }), "dense"));
  }
  return [...items, ...roles.map((role) => make("li", { class: "role" }, ROLES[role]))];
}

/** A method's symbol as a small picture. */
function glyph({ colour, symbol }) {
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  const shape = document.createElementNS(space, symbol === "circle" ? "circle" : "polygon");
  for (const [key, value] of Object.entries({ viewBox: "-6 -6 12 12", width: 12, height: 12, "aria-hidden": "true" })) {
    picture.setAttribute(key, value);
  }
  if (symbol === "circle") shape.setAttribute("r", 5);
  else shape.setAttribute("points", corners(symbol));
  shape.setAttribute("fill", colour);
  picture.append(shape);
  return picture;
}

/** The corners of a symbol around the origin, as an SVG polygon lists them. */
function corners(symbol) {
  const around = (count, turn, radius = () => 5.5) =>
    Array.from({ length: count }, (_, i) => {
      const angle = 2 * Math.PI * (i / count + turn) - Math.PI / 2;
      return `${(radius(i) * Math.cos(angle)).toFixed(2)},${(radius(i) * Math.sin(angle)).toFixed(2)}`;
    }).join(" ");
  const cross = (turn) => around(12, turn, (i) => (i % 3 === 2 ? 2.4 : 5.5));
  const shapes = {
    square: () => around(4, 1 / 8),
    diamond: () => around(4, 0),
    "triangle-up": () => around(3, 0),
    "triangle-down": () => around(3, 1 / 2),
    pentagon: () => around(5, 0),
    hexagon: () => around(6, 0),
    star: () => around(10, 0, (i) => (i % 2 ? 2.4 : 5.5)),
    cross: () => cross(-1 / 24),
    x: () => cross(1 / 12),
  };
  return shapes[symbol]();
}
