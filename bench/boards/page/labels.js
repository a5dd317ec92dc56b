"use strict";
// Labels of charts are moved to where they hide nothing, farther ones with a line to their point, or left out.

const BESIDE = [
  ["end", -8, -7],
  ["start", 8, 15],
  ["start", 9, 4],
  ["end", -9, 4],
  ["start", 8, -8],
  ["end", -8, 15],
  ["middle", 0, -11],
  ["middle", 0, 20],
];
const AT_EDGE = [
  ["end", 0, -5],
  ["end", 0, 14],
];
/** Where labels stand that find no room beside their point. */
const AWAY = [24, 38, 54, 74, 98].flatMap((reach) =>
  [
    ["end", -1, -1],
    ["start", 1, 1],
    ["start", 1, -1],
    ["end", -1, 1],
    ["start", 1, -0.5],
    ["start", 1, 0.5],
    ["end", -1, -0.5],
    ["end", -1, 0.5],
    ["start", 0.5, 1],
    ["end", -0.5, -1],
    ["start", 0.5, -1],
    ["end", -0.5, 1],
  ].map(([anchor, right, down]) => [anchor, reach * right, 4 + reach * down]),
);

/** Move labels to where they hide nothing, and take away those for which there is no such place. */
function placeLabels(svg) {
  const { width, height } = svg.viewBox.baseVal;
  const marks = [...svg.querySelectorAll(".point")].map((dot) => {
    const { e, f } = dot.transform.baseVal.consolidate().matrix;
    return [e - 5, f - 5, e + 5, f + 5];
  });
  const room = {
    inside: [EDGE.left, 0, width, height - EDGE.bottom],
    taken: [
      ...[...svg.querySelectorAll("text:not(.label, .axis)")].map((text) => boxOf(text.getBBox())),
      ...marks,
      ...lineBoxes(svg.querySelector(".front")),
    ],
    written: [],
    leaders: [],
  };
  for (const text of svg.querySelectorAll("text.label")) {
    const spot = spotsOf(text).find((one) => isFree(one, room));
    if (spot) put(text, spot, room);
    else text.remove();
  }
}

/** The places that a label may have, the best first. */
function spotsOf(text) {
  const size = text.getBBox();
  const rise = Number(text.getAttribute("y")) - size.y;
  const [x, y] = text.dataset.at.split(",").map(Number);
  const isAtEdge = text.getAttribute("text-anchor") === "end";
  const first = "right" in text.dataset ? [BESIDE[2], ...BESIDE] : BESIDE;
  const spot = ([anchor, dx, dy], isFar) => {
    const left = x + dx - { start: 0, middle: size.width / 2, end: size.width }[anchor];
    const top = y + dy - rise;
    const box = [left, top, left + size.width, top + size.height];
    const side = anchor === "start" ? left - 2 : left + size.width + 2;
    return { anchor, x: x + dx, y: y + dy, box, leader: isFar ? [side, top + size.height / 2, x, y] : null };
  };
  if (isAtEdge) return AT_EDGE.map((one) => spot(one, false));
  return [...first.map((one) => spot(one, false)), ...AWAY.map((one) => spot(one, true))];
}

/** Whether a label hides nothing in a place, and its line crosses no other and no label. */
function isFree({ box, leader }, { inside, taken, written, leaders }) {
  if (box[0] < inside[0] || box[1] < inside[1] || box[2] > inside[2] || box[3] > inside[3]) return false;
  const meets = (b) => box[0] < b[2] + 2 && box[2] > b[0] - 2 && box[1] < b[3] && box[3] > b[1];
  if (taken.some(meets) || written.some(meets) || leaders.some((line) => strikes(line, box))) return false;
  return (
    !leader ||
    !(leaders.some((line) => crosses(line, leader)) || written.some((other) => strikes(leader, other)))
  );
}

/** Move a label, draw its line, and keep both free. */
function put(text, { anchor, x, y, box, leader }, room) {
  for (const [key, value] of Object.entries({ "text-anchor": anchor, x, y })) text.setAttribute(key, value);
  room.written.push(box);
  if (!leader) return;
  room.leaders.push(leader);
  const [fromX, fromY, toX, toY] = leader;
  const share = 1 - 7 / Math.hypot(toX - fromX, toY - fromY);
  const end = [fromX + share * (toX - fromX), fromY + share * (toY - fromY)];
  text.before(drawn("path", { class: "leader", d: `M${fromX} ${fromY}L${end[0]} ${end[1]}` }));
}

/** Left, top, right and bottom. */
function boxOf({ x, y, width, height }) {
  return [x, y, x + width, y + height];
}

/** Whether a line has a point in a box: an end, or one of a diagonal. */
function strikes(line, [left, top, right, bottom]) {
  const ends = [line.slice(0, 2), line.slice(2)];
  return (
    ends.some(([x, y]) => left < x && x < right && top < y && y < bottom) ||
    crosses(line, [left, top, right, bottom]) ||
    crosses(line, [left, bottom, right, top])
  );
}

/** Whether two lines have an inner point in common. */
function crosses(one, other) {
  const turn = ([ax, ay, bx, by], x, y) => (bx - ax) * (y - ay) - (by - ay) * (x - ax);
  const parts = (a, b) => turn(a, b[0], b[1]) * turn(a, b[2], b[3]) < 0;
  return parts(one, other) && parts(other, one);
}

/** Boxes along the steps of a front. */
function lineBoxes(path) {
  if (!path) return [];
  const found = [];
  let [x, y] = [0, 0];
  for (const [, kind, numbers] of path.getAttribute("d").matchAll(/([MHV])([-\d. ]+)/g)) {
    const [a, b] = numbers.trim().split(" ").map(Number);
    const [toX, toY] = kind === "M" ? [a, b] : kind === "H" ? [a, y] : [x, a];
    if (kind !== "M") found.push([Math.min(x, toX), Math.min(y, toY) - 1, Math.max(x, toX), Math.max(y, toY) + 1]);
    [x, y] = [toX, toY];
  }
  return found;
}
