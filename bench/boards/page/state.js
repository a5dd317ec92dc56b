"use strict";
// What is shown stands in the address: the view and every choice, so that a link or a reload shows the same.

let state = new URLSearchParams(location.hash.slice(1));

/** A choice as the address has it, or what stands for none. */
function chosen(name, otherwise = "") {
  return state.get(name) ?? otherwise;
}

/** The address of a view in a certain state. */
function address(view, changes = {}) {
  const told = Object.entries({ view, ...changes }).filter(([, value]) => value !== "" && value !== null);
  return `#${new URLSearchParams(told)}`;
}

/** A link to a view. */
function linked(text, view, changes = {}) {
  return make("a", { href: address(view, changes) }, named(text));
}

/** Change choices where one is; "" takes one away. */
function choose(changes) {
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === null) state.delete(name);
    else state.set(name, value);
  }
  history.replaceState(null, "", `#${state}`);
}

/** A choice among values, in the address under its name.
 *
 * @param {string} name of the choice
 * @param {string} title that people read
 * @param {Array<[string, string]>} options values and texts
 * @param {function} changed is called after a change
 */
function choice(name, title, options, changed) {
  const now = chosen(name, options[0]?.[0] ?? "");
  const list = make("select", { name });
  for (const [value, text] of options) {
    list.append(make("option", { value, ...(value === now ? { selected: "" } : {}) }, isolated(text)));
  }
  list.addEventListener("change", () => {
    choose({ [name]: list.value === options[0]?.[0] ? "" : list.value });
    changed();
  });
  return make("label", {}, make("span", {}, title), list);
}

/** A choice that may be left open. */
function filterChoice(name, title, values, changed, text = (value) => value) {
  return choice(name, title, [["", "all"], ...values.map((value) => [String(value), text(value)])], changed);
}

/** What stands for an address's choice among values: itself where there is such a one, else the first. */
function among(name, values) {
  const texts = values.map(String);
  return texts.includes(chosen(name)) ? chosen(name) : (texts[0] ?? "");
}
