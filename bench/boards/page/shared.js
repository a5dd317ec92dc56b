"use strict";
// What the other scripts share: what the page holds, elements made from text, numbers as people read them, looks.

/** Where the records are; `start` adds what the data block holds. */
const page = { records: document.body.dataset.records };

const SVG = "http://www.w3.org/2000/svg";
const DASH = "\u2013";

/** The text that an element holds packed, as gzip in base64. */
function unpacked(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (sign) => sign.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

/** Give an element attributes and children; what is null is left out, and texts stay texts. */
function filled(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** An HTML element. */
function make(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** An element of a drawing. */
function drawn(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

/** A name that records chose: whatever its script, it does not turn what stands around it. */
function named(text) {
  return make("bdi", {}, text);
}

/** The same of a name that may break behind the signs that part it. */
function breakable(text) {
  return make("bdi", {}, ...text.split(/(?<=[/@_=])/).flatMap((part, at) => (at ? [make("wbr"), part] : [part])));
}

/** The same as a text of its own, for options and titles that hold no elements. */
function isolated(text) {
  return `\u2068${text}\u2069`;
}

/** A fraction in percent, as the tables print it. */
function percent(value) {
  return `${(100 * value).toFixed(1)}%`;
}

/** A difference of fractions in signed points, with half its interval where there is one. */
function points(value, half = null) {
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

/** A number of things. */
function plural(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/** The different values of a list, sorted. */
function distinct(values) {
  const by = (a, b) => (typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en"));
  return [...new Set(values.filter((value) => value !== null && value !== undefined))].sort(by);
}

/** Lists of a list's members by what `key` says of each, in their order. */
function grouped(members, key) {
  const found = new Map();
  for (const member of members) {
    const name = key(member);
    if (found.has(name)) found.get(name).push(member);
    else found.set(name, [member]);
  }
  return found;
}

/** The mean of some numbers and half its 95 % t-interval, null of one. */
function estimate(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (values.length < 2) return { mean, half: null };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  const quantiles = page.pairs.quantiles;
  const quantile = quantiles[Math.min(values.length - 2, quantiles.length - 1)];
  return { mean, half: quantile * Math.sqrt(variance / values.length) };
}

const CIRCLE = "M0,-.9A.9,.9,0,1,1,0,.9A.9,.9,0,1,1,0,-.9Z";

/** A method's colour and symbol, the same as in all figures. */
function look(method) {
  const [family, path] = page.looks[method] ?? [0, CIRCLE];
  return { colour: `var(--f${family})`, symbol: path };
}

/** A button that puts a text on the clipboard and says so; where a browser lets no page do that, it marks the text. */
function copying(text, shown) {
  const button = make("button", { type: "button", class: "copy" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      say("Copied.");
    } catch {
      getSelection().selectAllChildren(shown);
      say("Marked: copy it by the keyboard.");
    }
  });
  return button;
}

/** A command with a button that copies it. */
function command(text) {
  const words = text.split(" ").flatMap((word, at) => [at ? " " : null, make("span", {}, word)]);
  const shown = make("code", {}, ...words);
  return make("div", { class: "command" }, shown, copying(text, shown));
}

/** Tell somebody who hears the page, and show for a moment. */
function say(text) {
  const place = document.getElementById("said");
  place.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => {
    place.textContent = "";
  }, 2500);
}
