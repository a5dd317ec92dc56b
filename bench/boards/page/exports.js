"use strict";
// Tables as CSV, JSON and LaTeX, and the works of the methods in view as BibTeX: what is shown, and nothing else.

/** Offer a text as a file. */
function save(name, text, type) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A cell that no spreadsheet runs, quoted where it has to be. */
function csvCell(value) {
  const text = value === null || value === undefined ? "" : String(value);
  const safe = typeof value === "string" && /^\s*[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Lists of cells as CSV. */
function toCsv(titles, lines) {
  return [titles, ...lines].map((cells) => cells.map(csvCell).join(",")).join("\n") + "\n";
}

const TEX = {
  "\\": "\\textbackslash{}",
  "{": "\\{",
  "}": "\\}",
  $: "\\$",
  "&": "\\&",
  "#": "\\#",
  _: "\\_",
  "%": "\\%",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
  "±": "$\\pm$",
  "\u2013": "--",
  "\u2009": "\\,",
};

/** Text that LaTeX sets as it is. */
function tex(text) {
  return String(text).replace(/[\\{}$&#_%~^±\u2013\u2009]/g, (sign) => TEX[sign]);
}

/** Tables one below the other, for booktabs. */
function toTex(titles, numeric, groups) {
  const kinds = numeric.map((is) => (is ? "r" : "l")).join("");
  const head = `\\begin{tabular}{${kinds}}\n\\toprule\n${titles.map(tex).join(" & ")} \\\\\n`;
  const body = groups.map(
    ({ caption, lines }) =>
      `\\midrule\n\\multicolumn{${titles.length}}{l}{${tex(caption)}} \\\\\n` +
      lines.map((cells) => `${cells.map(tex).join(" & ")} \\\\\n`).join(""),
  );
  return `${head}${body.join("")}\\bottomrule\n\\end{tabular}\n`;
}

/** Entries for the works that some methods' documentation names; each once. */
function toBib(methods) {
  const works = new Map();
  for (const name of methods) {
    for (const work of page.methods[name]?.works ?? []) works.set(work, [...(works.get(work) ?? []), name]);
  }
  return [...works]
    .sort()
    .map(([work, names]) => {
      const told = page.works[work];
      const known = told ? `  author = {${told[0]}},\n  title = {${told[1]}},\n  year = {${told[2]}},\n` : "";
      const note = tex(distinct(names).join(", "));
      return `@misc{arxiv:${work},\n${known}  eprint = {${work}},\n  archivePrefix = {arXiv},\n  note = {${note}}\n}\n`;
    })
    .join("\n");
}
