"use strict";
// Puts the page to work: unpacks what it holds, then shows the view that the address asks for.

const VIEWS = {
  overview: { title: "Overview" },
  tables: { title: "Leaderboards", make: tablesView },
  tradeoffs: { title: "Trade-offs", make: tradeoffsView },
  retention: { title: "Retention", make: retentionView },
  transfer: { title: "Transfer", make: transferView },
  compare: { title: "Compare", make: compareView },
  method: { title: "Methods", make: methodView },
  task: { title: "Data sets", make: taskView },
};

/** Show what the address asks for. */
function show() {
  state = new URLSearchParams(location.hash.slice(1));
  const name = state.get("view") in VIEWS ? state.get("view") : "overview";
  const live = document.getElementById("live");
  document.getElementById("overview").hidden = name !== "overview";
  live.hidden = name === "overview";
  live.replaceChildren();
  VIEWS[name].make?.(live);
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${VIEWS[name].title}${chosen("name") ? `: ${chosen("name")}` : ""} · ticketbench`;
  live.querySelector(".open")?.previousSibling.scrollIntoView({ block: "start" });
}

/** Show another view, from its top, and let the keyboard go on there. */
function moved() {
  show();
  const open = document.querySelector("#live .open");
  if (!open) window.scrollTo(0, 0);
  document.getElementById("main").focus({ preventScroll: true });
}

/** The field above that finds methods and data sets by name. */
function startFinding() {
  const form = document.querySelector(".find");
  const names = [
    ...page.names.map((name) => [name, "method"]),
    ...Object.keys(page.tasks).map((name) => [name, "task"]),
  ];
  document.getElementById("names").replaceChildren(...names.map(([name]) => make("option", { value: name })));
  const go = () => {
    const word = form.elements.find.value.trim().toLowerCase();
    const found =
      names.find(([name]) => name.toLowerCase() === word) ??
      names.find(([name]) => word && name.toLowerCase().includes(word));
    if (found) location.hash = address(found[1], { name: found[0] });
    else if (word) say("No method or data set of that name.");
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go();
  });
  form.hidden = false;
}

/** One place for what is under the pointer or has the keyboard: what a column means, what a point is. */
function startTips() {
  const tip = document.getElementById("tip");
  const tell = (event) => {
    const about = event.target.closest?.("[data-about]") ?? event.target.querySelector?.("[data-about]");
    tip.hidden = !about?.dataset.about;
    if (tip.hidden) return;
    tip.textContent = about.dataset.about;
    const box = about.getBoundingClientRect();
    const left = Math.min(Math.max(8, box.x + box.width / 2 - tip.offsetWidth / 2), innerWidth - tip.offsetWidth - 8);
    const top = box.bottom + 8 + tip.offsetHeight < innerHeight ? box.bottom + 8 : box.top - tip.offsetHeight - 8;
    tip.style.translate = `${left}px ${top}px`;
  };
  for (const event of ["pointerover", "focusin"]) document.addEventListener(event, tell);
  for (const event of ["scroll", "hashchange"])
    addEventListener(
      event,
      () => {
        tip.hidden = true;
      },
      { passive: true },
    );
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") tip.hidden = true;
  });
}

/** Unpack what the page holds and make it work. */
async function start() {
  Object.assign(page, JSON.parse(await unpacked("data")));
  page.names = Object.keys(page.methods);
  document
    .querySelector("nav")
    .replaceChildren(
      ...Object.entries(VIEWS).map(([view, { title }]) =>
        make("a", { href: address(view), "data-view": view }, title),
      ),
    );
  document.addEventListener("submit", (event) => event.preventDefault());
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  });
  startFinding();
  startTips();
  addEventListener("hashchange", moved);
  addEventListener("beforeprint", () => more(Infinity));
  show();
  document.documentElement.dataset.ready = "";
  (window.requestIdleCallback ?? setTimeout)(() => page.boards.forEach((board) => board.rows.forEach(textOf)));
}

start();
