"use strict";
// Scales of charts: from values to pixels, and the round values that their axes tell.

/** Round steps from below the least to above the largest of some values.
 *
 * @returns {number[]} at most about `most` of them
 */
function linearTicks(low, high, most) {
  const rough = (high - low || Math.abs(high) || 1) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough * 0.999);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, at) => Number(((first + at) * step).toPrecision(12)));
}

/** 1, 2 and 5 times powers of ten around some values, powers alone where those are too many. */
function logTicks(low, high, most) {
  for (const factors of [[1, 2, 5], [1, 3], [1]]) {
    const all = [];
    for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.ceil(Math.log10(high)); power += 1) {
      all.push(...factors.map((factor) => factor * 10 ** power));
    }
    const first = Math.max(
      all.findLastIndex((tick) => tick <= low),
      0,
    );
    const last = all.findIndex((tick) => tick >= high);
    const found = all.slice(first, (last < 0 ? all.length - 1 : last) + 1);
    if (found.length <= most || factors.length === 1) return found;
  }
  return [low, high];
}

/** A scale from values to pixels, and its ticks. */
function scaleOf({ low, high, isLog, floor = -Infinity, ceiling = Infinity }, from, to, most) {
  const ticks = isLog
    ? logTicks(low, high, most)
    : linearTicks(low, high, most).filter((tick) => tick >= floor && tick <= ceiling);
  const bend = isLog ? Math.log10 : (value) => value;
  const ends = isLog
    ? [low / 1.25, high * 1.25]
    : [Math.max(floor, Math.min(ticks[0], low)), Math.min(ceiling, Math.max(ticks.at(-1), high))];
  const [a, b] = ends.map(bend);
  const at = (value) => from + ((to - from) * (bend(Math.min(Math.max(value, ends[0]), ends[1])) - a)) / (b - a || 1);
  const inside = ticks.filter((tick) => tick >= ends[0] && tick <= ends[1]);
  return { at, ticks: inside.length ? inside : [low] };
}
