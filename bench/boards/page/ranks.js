"use strict";
// Critical-difference diagrams: a target's methods on an axis of average ranks, bars join those that are not told apart.

const RANKS = { head: 52, bar: 8, line: 21, side: 0.31, alone: 0.62, narrow: 640, mark: 8, letters: 60, now: 2 };

/** The rankings that are asked for, a figure each; the first are drawn at once, the others a little later. */
function fillRanks(place) {
  const found = page.boards
    .filter((board) => !chosen("target") || board.task === chosen("target"))
    .flatMap((board) => board.ranks)
    .filter((one) => !chosen("sparsity") || String(one.sparsity) === chosen("sparsity"));
  const none = "Three methods that share a job are needed for ranks; there are none of that kind.";
  const about = "An axis of average ranks, the best on the left; names are links to what their methods do.";
  place.replaceChildren(
    make("h2", {}, "All methods of a target at once"),
    make("p", { class: "soft" }, found.length ? about : none),
  );
  tables.lines = found.map((one) => () => {
    const plot = make("div", { class: "chart ranks" });
    const told = make("p", { class: "soft" }, named(one.said));
    place.append(
      make("figure", { class: "card" }, make("figcaption", {}, make("b", {}, named(one.title))), plot, told),
    );
    drawnIn(plot, (width) => rankDrawing(one, width), fitNames);
  });
  fillLines(RANKS.now, 1);
}

/** A ranking as a drawing of a width; where that is small, all names stand on one side. */
function rankDrawing(one, width) {
  const isNarrow = width < RANKS.narrow;
  const count = one.methods.length;
  const onLeft = isNarrow ? count : Math.ceil(count / 2);
  const [left, right] = isNarrow ? [width * RANKS.alone, width - 14] : [width * RANKS.side, width * (1 - RANKS.side)];
  const at = (rank) => left + ((right - left) * (rank - 1)) / (count - 1);
  const names = RANKS.head + RANKS.bar * one.groups.length + RANKS.line;
  const height = names + RANKS.line * onLeft - 10;
  const bars = one.groups.map(([first, last], number) => {
    const ends = [at(one.methods[first][2]) - 4, at(one.methods[last][2]) + 4];
    const y = RANKS.head + 9 + RANKS.bar * number;
    return drawn("line", { class: "clique", x1: ends[0], x2: ends[1], y1: y, y2: y });
  });
  const lines = one.methods.map((method, number) => {
    const isLeft = number < onLeft;
    const y = names + RANKS.line * (isLeft ? number : count - 1 - number);
    return rankName(method, at(method[2]), isLeft ? left - 12 : right + 12, y, isLeft, width);
  });
  return drawn(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": one.title },
    ...rankAxis(one, at, left, right, width),
    ...lines,
    ...bars,
  );
}

/** The axis with its ranks, and the critical difference on its scale. */
function rankAxis(one, at, left, right, width) {
  const count = one.methods.length;
  const step = Math.ceil(count / Math.max(2, Math.min(12, Math.floor((right - left) / 20))));
  const ticks = Array.from({ length: Math.ceil(count / step) }, (_, number) => 1 + number * step);
  const end = Math.min(at(1 + one.apart), width - 4);
  const told = `critical difference ${one.apart.toFixed(2)}`;
  const isRoomy = width - left > 7 * told.length;
  return [
    drawn("text", { class: "tick", y: 11, ...(isRoomy ? { x: left } : { x: width, "text-anchor": "end" }) }, told),
    drawn("line", { class: "apart", x1: left, x2: end, y1: 19, y2: 19 }),
    drawn("line", { class: "axis", x1: left, x2: right, y1: RANKS.head, y2: RANKS.head }),
    ...ticks.flatMap((tick) => [
      drawn("line", { class: "axis", x1: at(tick), x2: at(tick), y1: RANKS.head - 5, y2: RANKS.head }),
      drawn("text", { class: "tick", x: at(tick), y: RANKS.head - 10, "text-anchor": "middle" }, String(tick)),
    ]),
  ];
}

/** A method's line from its rank to its symbol and its name, which has the room to the edge. */
function rankName([name, method, rank], x, end, y, isLeft, width) {
  const { colour, symbol: shape } = look(method);
  const place = end + (isLeft ? -RANKS.mark : RANKS.mark);
  const start = place + (isLeft ? -10 : 10);
  const text = drawn(
    "text",
    { x: start, y: y + 4, "text-anchor": isLeft ? "end" : "start", "data-room": isLeft ? start : width - start },
    drawn("tspan", {}, isolated(name)),
    drawn("tspan", { class: "value" }, ` ${rank.toFixed(2)}`),
  );
  const mark = drawn("g", { class: "point", transform: `translate(${place} ${y})` }, symbol(shape, colour, false));
  const told = `${name}: average rank ${rank.toFixed(2)}`;
  return drawn(
    "g",
    {},
    drawn("path", { class: "leader", d: `M${x} ${RANKS.head}V${y}H${end}` }),
    drawn("a", { href: address("method", { name: method }), "aria-label": told, "data-about": told }, mark, text),
  );
}

/** Shorten names that are longer than their room: all are measured, then all that are too long are cut, and again. */
function fitNames(svg) {
  let left = [...svg.querySelectorAll("[data-room]")].map((text) => ({
    text,
    room: Number(text.dataset.room),
    letters: [...text.firstChild.textContent.slice(1, -1)],
  }));
  for (let turn = 0; left.length && turn < RANKS.letters; turn += 1) {
    for (const one of left) one.over = one.text.getComputedTextLength() / one.room;
    left = left.filter((one) => one.over > 1 && one.letters.length);
    for (const one of left) {
      one.letters.length = Math.min(one.letters.length - 1, Math.ceil(one.letters.length / one.over));
      one.text.firstChild.textContent = isolated(`${one.letters.join("")}…`);
    }
  }
}
