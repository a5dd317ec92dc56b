"use strict";
// Drawings of points, lines, bands and fronts on two axes; text is text, and labels that find no room are left out.

const HEIGHT = 380;
const EDGE = { left: 64, right: 16, top: 12, bottom: 46 };

/** A symbol around the origin, a path of unit size. */
function symbol(path, colour, isHollow, radius = 5.5) {
  const paint = {
    fill: isHollow ? "var(--paper)" : colour,
    stroke: colour,
    "stroke-width": 1.5,
    "vector-effect": "non-scaling-stroke",
  };
  return drawn("path", { d: path, transform: `scale(${radius})`, ...paint });
}

/** A method's symbol beside its name. */
function legendItem(text, colour, shape, isHollow = false) {
  const picture = drawn(
    "svg",
    { viewBox: "-7 -7 14 14", width: 14, height: 14, "aria-hidden": "true" },
    symbol(shape, colour, isHollow),
  );
  return make("li", {}, picture, named(text));
}

/** A chart in a place, drawn anew when the place changes its width.
 *
 * @param {Element} place that it fills
 * @param {object} chart `name` for those who hear it; `x` and `y` with `title`, `format`, `low`, `high`, `isLog`,
 *   `floor`, `ceiling`; `series`, each with `colour`, `symbol`, `isHollow`, `isLine`, `isBand` and `points` of
 *   {x, y, half, tip, href, label};
 *   `lines` of {y, title}; `front`, points joined as steps; `edges`, more of them
 */
function chartIn(place, chart) {
  drawnIn(place, (width) => drawing(chart, width), placeLabels);
}

/** A drawing in a place, made anew when the place changes its width.
 *
 * @param {Element} place that it fills
 * @param {function} draw makes an SVG element of a width
 * @param {function} settle is called with it when it is there and its texts have sizes
 */
function drawnIn(place, draw, settle) {
  let width = 0;
  const fill = () => {
    if (Math.abs(place.clientWidth - width) < 2) return;
    width = place.clientWidth;
    place.replaceChildren(draw(width));
    settle(place.querySelector("svg"));
  };
  fill();
  new ResizeObserver(fill).observe(place);
}

/** A chart as a drawing of a width. */
function drawing(chart, width) {
  const height = width < 500 ? 320 : HEIGHT;
  const x = scaleOf(chart.x, EDGE.left, width - EDGE.right, Math.max(2, Math.floor(width / 110)));
  const y = scaleOf(chart.y, height - EDGE.bottom, EDGE.top, 7);
  const parts = [
    ...axes(chart, x, y, width, height),
    ...(chart.lines ?? []).map((line) => reference(line, y, width)),
    ...(chart.front?.length ? [frontLine("front", chart.front, x, y, width)] : []),
    ...(chart.edges ?? []).filter((edge) => edge.length).map((edge) => frontLine("edge", edge, x, y, width)),
    ...chart.series.flatMap((one) => drawnSeries(one, x, y)),
  ];
  return drawn(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": chart.name },
    ...parts,
  );
}

/** Grid, ticks and titles. */
function axes(chart, x, y, width, height) {
  const floor = height - EDGE.bottom;
  const parts = y.ticks.flatMap((tick) => [
    drawn("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y.at(tick), y2: y.at(tick) }),
    drawn("text", { class: "tick", x: EDGE.left - 8, y: y.at(tick) + 4, "text-anchor": "end" }, chart.y.format(tick)),
  ]);
  const places = chart.x.ticks ?? x.ticks;
  let free = -Infinity;
  for (const tick of places) {
    const text = chart.x.format(tick);
    const half = 3.6 * text.length;
    const at = Math.min(Math.max(x.at(tick), half), width - half);
    parts.push(drawn("line", { class: "grid", x1: x.at(tick), x2: x.at(tick), y1: EDGE.top, y2: floor }));
    if (at - half < free) continue;
    parts.push(drawn("text", { class: "tick", x: at, y: floor + 17, "text-anchor": "middle" }, text));
    free = at + half + 6;
  }
  parts.push(
    drawn(
      "text",
      { class: "axis", x: (EDGE.left + width - EDGE.right) / 2, y: height - 6, "text-anchor": "middle" },
      chart.x.title,
    ),
  );
  const middle = (EDGE.top + floor) / 2;
  parts.push(
    drawn(
      "text",
      { class: "axis", x: 0, y: 0, transform: `translate(12 ${middle}) rotate(-90)`, "text-anchor": "middle" },
      chart.y.title,
    ),
  );
  return parts;
}

/** A level that others are held against. */
function reference({ y: level, title }, y, width) {
  const at = y.at(level);
  return drawn(
    "g",
    {},
    drawn("line", { class: "reference", x1: EDGE.left, x2: width - EDGE.right, y1: at, y2: at }),
    drawn(
      "text",
      {
        class: "label",
        x: width - EDGE.right,
        y: at - 5,
        "text-anchor": "end",
        "data-at": `${width - EDGE.right},${at}`,
      },
      title,
    ),
  );
}

/** The front as steps: at every cost the best score that is to be had. */
function frontLine(kind, front, x, y, width) {
  const steps = front.map((point, at) =>
    at ? `H${x.at(point.x)}V${y.at(point.y)}` : `M${x.at(point.x)} ${y.at(point.y)}`,
  );
  return drawn("path", { class: kind, d: `${steps.join("")}H${width - EDGE.right}` });
}

/** Band, line, intervals and symbols of one series. */
function drawnSeries({ colour, symbol: shape, isHollow, isLine, isBand, points: found }, x, y) {
  const parts = [];
  const halves = found.filter((point) => point.half !== null && point.half !== undefined);
  const ends = halves.map((point) => [x.at(point.x), y.at(point.y + point.half), y.at(point.y - point.half)]);
  if (isBand && ends.length > 1) {
    const outline = [
      ...ends.map(([at, top]) => `${at},${top}`),
      ...ends.reverse().map(([at, , foot]) => `${at},${foot}`),
    ];
    parts.push(drawn("polygon", { class: "band", fill: colour, points: outline.join(" ") }));
  } else
    parts.push(
      ...ends.map(([at, top, foot]) =>
        drawn("line", { class: "whisk", stroke: colour, x1: at, x2: at, y1: top, y2: foot }),
      ),
    );
  if (isLine && found.length > 1) {
    parts.push(
      drawn("polyline", {
        class: "curve",
        stroke: colour,
        points: found.map((point) => `${x.at(point.x)},${y.at(point.y)}`).join(" "),
      }),
    );
  }
  for (const point of found) parts.push(mark(point, { colour, shape, isHollow }, x.at(point.x), y.at(point.y)));
  return parts;
}

/** A point that tells of itself and leads to its row. */
function mark(point, { colour, shape, isHollow }, at, height) {
  const dot = drawn(
    "g",
    { class: "point", transform: `translate(${at} ${height})`, "data-about": point.tip },
    drawn("circle", { r: 9, fill: "transparent" }),
    symbol(shape, colour, isHollow),
  );
  const link = point.href ? drawn("a", { href: point.href, "aria-label": point.tip }, dot) : dot;
  if (!point.label) return link;
  return drawn(
    "g",
    {},
    link,
    drawn(
      "text",
      {
        class: "label",
        x: at + 9,
        y: height + 4,
        "data-at": `${at},${height}`,
        "data-right": point.isRight ? "" : null,
      },
      isolated(point.label),
    ),
  );
}

/** What a row says of itself in a chart. */
function tipOf(row, more = "") {
  const half = row.half === null ? "" : ` ±${(100 * row.half).toFixed(1)}`;
  return `${row.label}: ${percent(row.score)}${half} at ${percent(row.sparsity)} removed${more}`;
}

/** Where a row stands in its table, opened. */
function rowAddress(board, row) {
  return address("tables", {
    board: board.id,
    sparsity: String(row.sparsity),
    open: row.records[0][0],
    kind: board.kind === "draw" ? "draw" : "",
  });
}
