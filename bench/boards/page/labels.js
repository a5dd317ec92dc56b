"use strict";
// Labels of charts are moved to where they hide nothing, or left out.

/** Move labels to where they hide nothing, and take away those for which there is no such place. */
function placeLabels(svg) {
  const { width, height } = svg.viewBox.baseVal;
  const box = (text) => {
    const { x, y, width: w, height: h } = text.getBBox();
    return [x, y, x + w, y + h];
  };
  const taken = [...svg.querySelectorAll("text:not(.label, .axis)")].map(box);
  for (const dot of svg.querySelectorAll(".point")) {
    const { e, f } = dot.transform.baseVal.consolidate().matrix;
    taken.push([e - 5, f - 5, e + 5, f + 5]);
  }
  taken.push(...lineBoxes(svg.querySelector(".front")));
  const meets = (a) => taken.some((b) => a[0] < b[2] + 2 && a[2] > b[0] - 2 && a[1] < b[3] && a[3] > b[1]);
  for (const text of svg.querySelectorAll("text.label")) {
    const [x, y] = text.dataset.at.split(",").map(Number);
    const own =
      text.getAttribute("text-anchor") === "end"
        ? [
            ["end", 0, -5],
            ["end", 0, 14],
          ]
        : [
            ["end", -8, -7],
            ["start", 8, 15],
            ["start", 9, 4],
            ["end", -9, 4],
            ["start", 8, -8],
            ["end", -8, 15],
            ["middle", 0, -11],
            ["middle", 0, 20],
          ];
    if ("right" in text.dataset) own.unshift(...own.splice(2, 1));
    const fits = own.some(([anchor, dx, dy]) => {
      for (const [key, value] of Object.entries({ "text-anchor": anchor, x: x + dx, y: y + dy }))
        text.setAttribute(key, value);
      const found = box(text);
      if (found[0] < EDGE.left || found[2] > width || found[1] < 0 || found[3] > height - EDGE.bottom || meets(found))
        return false;
      taken.push(found);
      return true;
    });
    if (!fits) text.remove();
  }
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
