"use strict";
// What the other scripts share: what the page holds, elements made from text, colours, symbols.

/** Where the records are; `start` adds what the data block holds, and `methods`, the names of all. */
const page = { records: document.body.dataset.records };

/** The text that an element holds packed, as gzip in base64. */
function unpacked(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (sign) => sign.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

/** An element with attributes and children; texts stay texts. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** A fraction in percent, as the tables print it. */
function percent(value) {
  return `${(100 * value).toFixed(1)}%`;
}

/** A difference of fractions in signed points, with half its interval where there is one. */
function points(value, half) {
  const sign = value < 0 ? "-" : "+";
  return sign + (100 * Math.abs(value)).toFixed(1) + (half === null ? "" : ` ±${(100 * half).toFixed(1)}`);
}

/** A count with a letter for its power of a thousand. */
function counted(value) {
  const units = ["", "k", "M", "G", "T", "P", "E"];
  let power = 0;
  for (; value >= 999.5 && power < units.length - 1; power += 1) value /= 1000;
  return `${Number(value.toPrecision(3))}${units[power]}`;
}

/** The different values of a list, sorted. */
function distinct(values) {
  const by = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, "en"));
  return [...new Set(values.filter((value) => value !== null))].sort(by);
}

const COLOURS = 8;
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "x", "pentagon", "star", "triangle-down"];

/** A method's colour and symbol, the same in all charts; no two of the first 72 methods share both. */
function look(method) {
  const number = page.methods.indexOf(method);
  const round = Math.floor(number / COLOURS);
  const symbol = SYMBOLS[(number + round) % SYMBOLS.length];
  return { colour: style(`--c${number % COLOURS}`), symbol };
}

/** A custom property of the page's style sheet, as the colour scheme in use sets it. */
function style(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
