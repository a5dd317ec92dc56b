"use strict";
// Pictures of drawn tickets: what the search left of each block, what the mask left of each layer, how it was trained.

const CELL = 40;
const INSIDE = 0.8;
const STRIP = { width: 460, height: 72, top: 10 };
const FULL = [0.1, 0.25, 0.5, 1];
const TRAINED = { width: 330, height: 150, left: 40, right: 8, top: 8, bottom: 30 };

/** The portrait of a row's tickets, of the first seed that has one. */
function portraitOf(row) {
  return row.records.map((record) => page.portraits[record[3]]).find(Boolean);
}

/** All pictures of a ticket. */
function portrait(told) {
  const parts = [];
  if (told.blocks.length) {
    const isWhole = told.blocks.every(([, , live, full]) => live.every((count, at) => count === full[at]));
    parts.push(titled(isWhole ? "Its blocks, with all units" : "What the search left", grid(told), gridNote(told)));
  }
  if (told.layers.some(([, kept, weights]) => kept < weights)) {
    parts.push(titled("What the mask left of each layer", strip(told.layers), stripNote(told)));
    parts.push(titled("The mask of its largest layer", maskOf(told.mask), maskNote(told.mask)));
  }
  if (told.curve.length > 1) parts.push(titled("How it was trained", trained(told.curve), trainedNote(told.curve)));
  const other = told.isAgain
    ? " It is another ticket than the row's: the same job, done again with another version of PyTorch or processor, " +
      "whose last bits lead elsewhere."
    : "";
  return make(
    "div",
    { class: "portrait" },
    ...parts,
    make("p", { class: "soft wide" }, `Drawn by ${told.record}.${other}`),
  );
}

function titled(title, picture, note) {
  return make("figure", {}, make("figcaption", {}, make("b", {}, title)), picture, make("p", { class: "soft" }, note));
}

/** A drawing for those who see it, with a name for those who hear it. */
function canvas(width, height, name, ...parts) {
  const seen = { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": name };
  return make("div", { class: "picture" }, drawn("svg", seen, ...parts));
}

/** The share of something that is left. */
function share(kept, all) {
  return all ? kept / all : 0;
}

/** Search blocks where they stand: a row a branch, a column a step from input to output, a bar a kernel size. */
function grid(told) {
  const rows = Math.max(...told.blocks.map(([, row]) => row)) + 1;
  const most = Math.max(...told.blocks.map(([, , , , kept, weights]) => share(kept, weights))) || 1;
  const parts = told.blocks.flatMap(([column, row, live, full, kept, weights]) => {
    const [x, y] = [40 + column * CELL, row * CELL];
    const side = CELL * INSIDE;
    const about = live.map((count, at) => `${count} of ${full[at]} units of ${told.kernels[at]}x${told.kernels[at]}`);
    const bars = live.map((count, at) =>
      drawn("rect", {
        x: x + (at * side) / live.length,
        width: side / live.length - 1,
        y: y + side * (1 - share(count, full[at])),
        height: side * share(count, full[at]),
        fill: "var(--link)",
        "fill-opacity": 0.25 + (0.75 * share(kept, weights)) / most,
      }),
    );
    const tip = `${about.join(", ")}; ${percent(share(kept, weights))} of its weights kept`;
    return drawn(
      "g",
      { class: "point", "data-about": tip },
      drawn("rect", { x, y, width: side, height: side, fill: "transparent", stroke: "var(--soft)" }),
      ...bars,
    );
  });
  const names = Array.from({ length: rows }, (_, row) =>
    drawn(
      "text",
      { class: "tick", x: 34, y: row * CELL + CELL * 0.5, "text-anchor": "end" },
      `1/${4 * 2 ** row}`,
    ),
  );
  const stages = [...grouped(told.columns.entries(), ([, over]) => over.split("\n")[0])].map(([stage, columns]) =>
    drawn(
      "text",
      {
        class: "tick",
        x: 40 + ((columns[0][0] + columns.at(-1)[0]) / 2) * CELL + (CELL * INSIDE) / 2,
        y: rows * CELL + 12,
        "text-anchor": "middle",
      },
      stage,
    ),
  );
  const width = Math.max(46 + told.columns.length * CELL, 120);
  return canvas(width, rows * CELL + 18, gridNote(told), ...parts, ...names, ...stages);
}

function gridNote(told) {
  const units = told.blocks.reduce((sum, [, , live]) => sum + live.reduce((a, b) => a + b, 0), 0);
  const full = told.blocks.reduce((sum, [, , , all]) => sum + all.reduce((a, b) => a + b, 0), 0);
  return (
    `${units.toLocaleString("en")} of ${full.toLocaleString("en")} hidden units are left. A square is a block, a row a ` +
    `branch of this share of the image's side; a bar is the left share of the units of a kernel size ` +
    `(${told.kernels.join(", ")}), the deeper the more of the block's weights are kept.`
  );
}

/** Layers side by side in the host's order. */
function strip(layers) {
  const { width, height, top } = STRIP;
  const step = (width - 40) / layers.length;
  const most = Math.max(...layers.map(([, kept, weights]) => share(kept, weights)));
  const full = FULL.find((one) => one >= most) ?? 1;
  const up = (kept, weights) => (height * share(kept, weights)) / full;
  const bars = layers.map(([name, kept, weights], at) =>
    drawn(
      "g",
      { class: "point", "data-about": `${name}: ${kept} of ${weights} weights, ${percent(share(kept, weights))}` },
      drawn("rect", { x: 40 + at * step, y: top, width: step, height, fill: "transparent" }),
      drawn("rect", {
        x: 40 + at * step + step * 0.1,
        width: step * 0.8,
        y: top + height - up(kept, weights),
        height: up(kept, weights),
        fill: "var(--link)",
      }),
    ),
  );
  const floor = drawn("line", { class: "grid", x1: 40, x2: width, y1: top + height + 0.5, y2: top + height + 0.5 });
  const ticks = [0, full].map((value) =>
    drawn(
      "text",
      { class: "tick", x: 34, y: top + 4 + height * (1 - value / full), "text-anchor": "end" },
      `${100 * value}%`,
    ),
  );
  return canvas(width, top + height + 6, `Kept shares of ${layers.length} layers`, floor, ...bars, ...ticks);
}

function stripNote({ layers }) {
  const kept = layers.reduce((sum, layer) => sum + layer[1], 0);
  const all = layers.reduce((sum, layer) => sum + layer[2], 0);
  const dead = layers.filter((layer) => !layer[1]).length;
  const gone = dead ? ` ${dead} of ${layers.length} layers have none left.` : "";
  const said = `${kept.toLocaleString("en")} of ${all.toLocaleString("en")} weights`;
  return `${said} are kept, a bar a layer from input to output.${gone}`;
}

/** A mask as cells, the darker the more of them is kept. */
function maskOf([layer, size, rows]) {
  const cell = Math.max(4, Math.floor(150 / Math.max(rows.length, rows[0].length)));
  const paths = new Map();
  rows.forEach((row, y) =>
    [...row].forEach((level, x) => {
      if (level !== "0") paths.set(level, `${paths.get(level) ?? ""}M${x * cell} ${y * cell}h${cell}v${cell}h-${cell}z`);
    }),
  );
  const [width, height] = [rows[0].length * cell, rows.length * cell];
  const parts = [...paths].map(([level, d]) =>
    drawn("path", { d, fill: "var(--link)", "fill-opacity": Number.parseInt(level, 16) / 15 }),
  );
  const frame = drawn("rect", { x: 0.5, y: 0.5, width: width - 1, height: height - 1, class: "frame" });
  return canvas(width, height, `Mask of ${layer}, ${size[0]} outputs by ${size[1]} inputs`, ...parts, frame);
}

function maskNote([layer, size, rows]) {
  const isWhole = rows.length === size[0] && rows[0].length === size[1];
  const cells = isWhole ? "a cell a weight" : "a cell several weights, the deeper the more are kept";
  return `${layer}: ${size[0]} outputs down, ${size[1]} inputs and places of the kernel across; ${cells}.`;
}

/** Loss, and the removed share, over a training. */
function trained(curve) {
  const { width, height, left, right, top, bottom } = TRAINED;
  const losses = curve.map((point) => point[1]);
  const y = scaleOf({ low: Math.min(...losses), high: Math.max(...losses) }, height - bottom, top, 4);
  const x = (done) => left + (width - left - right) * done;
  const line = (kind, at) =>
    drawn("polyline", { class: kind, points: curve.map((point) => `${x(point[0])},${at(point)}`).join(" ") });
  const ticks = y.ticks.flatMap((tick) => [
    drawn("line", { class: "grid", x1: left, x2: width - right, y1: y.at(tick), y2: y.at(tick) }),
    drawn("text", { class: "tick", x: left - 6, y: y.at(tick) + 4, "text-anchor": "end" }, String(tick)),
  ]);
  const ends = [0, 0.5, 1].map((done) =>
    drawn(
      "text",
      { class: "tick", x: x(done), y: height - 12, "text-anchor": done === 1 ? "end" : "middle" },
      `${100 * done}%`,
    ),
  );
  const removed = curve.some((point) => point[2])
    ? [line("reference removed", (point) => height - bottom - (height - bottom - top) * point[2])]
    : [];
  const lines = [...removed, line("loss", (point) => y.at(point[1]))];
  return canvas(width, height, trainedNote(curve), ...ticks, ...ends, ...lines);
}

function trainedNote(curve) {
  const [, loss, removed] = curve.at(-1);
  const told = `The loss on batches, ${curve[0][1]} at first and ${loss} at last, over the share of the training`;
  const broken = `weights removed, from none at the foot to all at the top, ${percent(removed)} at last`;
  return removed ? `${told}; broken line: ${broken}.` : `${told}.`;
}
