"use strict";
// Puts the page to work: tables first, then each chart when it comes into view.

const redraws = new Map();
const inView = new Set();
const stale = new Set();

/** Draw what is in view and out of date. */
function draw() {
  for (const section of inView) {
    if (stale.delete(section)) redraws.get(section)();
  }
}

/** Have everything drawn anew, what is out of view when it comes into view. */
function redraw() {
  for (const section of redraws.keys()) stale.add(section);
  draw();
}

/** Run the charts' script; the page's policy knows its digest, and lets no other one in this way. */
async function runPlotly() {
  document.head.append(make("script", {}, await unpacked("plotly")));
}

/** Unpack what the page holds, then make its tables and charts work. */
async function start() {
  Object.assign(page, JSON.parse(await unpacked("data")));
  page.methods = distinct(page.boards.flatMap((board) => board.rows.map((row) => row.method)));
  await runPlotly();
  fillFilters();
  page.boards.forEach((board, number) => {
    const section = document.getElementById(board.id);
    if (!board.rows.length) return;
    makeSortable(section, board);
    if (board.kind !== "overall") makeTelling(section, number);
    if (board.kind === "transfer") redraws.set(section, () => drawCharts(section, board, number));
  });
  startGaps();
  filter();
  page.boards.forEach((board) => {
    if (board.kind === "transfer" && board.rows.length) placeCharts(document.getElementById(board.id), board);
  });

  const watch = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) inView.add(target);
      else inView.delete(target);
    }
    draw();
  }, { rootMargin: "200px" });
  for (const section of redraws.keys()) watch.observe(section);

  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("input", filter);
  filters.addEventListener("reset", () => setTimeout(filter));
  filters.addEventListener("filtered", redraw);
  filters.addEventListener("filtered", () => {
    document.body.classList.toggle("all-columns", filters.elements.all.checked);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  redraw();
}

start();
