// Adds to a page that is whole without it: what a mark stands for, what a filter left, and where a link leads.
(() => {
  "use strict";
  const chosen = () => document.querySelector("input[name=show]:checked");

  // ---- what a link leads to is shown, whatever is filtered or folded
  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    if (target.closest(".item") && !target.checkVisibility()) {
      const all = document.getElementById("show-all");
      all.checked = true;
    }
    for (let each = target; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  // A link to where the page is already changes nothing, but may have been folded since.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (link && link.getAttribute("href") === location.hash) reveal();
  });

  // ---- how many checks a filter left, for those who do not see it
  const told = document.getElementById("shown");
  document.querySelector(".filter")?.addEventListener("change", () => {
    const checks = [...document.querySelectorAll(".check")];
    const left = checks.filter((each) => each.checkVisibility()).length;
    told.textContent = `${left} of ${checks.length} checks shown`;
  });

  // ---- timelines: a mark says what it stands for when it is pointed at, or focused
  const rowOf = (mark) => document.getElementById(mark.dataset.row);
  const words = (row) => [...row.cells].map((cell) => cell.textContent.trim());
  const name = (mark) => {
    const [time, who, what] = words(rowOf(mark));
    mark.setAttribute("role", "img");
    mark.setAttribute("aria-label", `${time} s, ${who}: ${what}`);
  };
  const show = (chart, mark) => {
    const readout = chart.nextElementSibling;
    const [time, who, what] = words(rowOf(mark));
    const strong = document.createElement("strong");
    strong.textContent = `${time} s  ${who}`;
    readout.replaceChildren(strong, ` ${what}`);
    for (const old of chart.parentElement.querySelectorAll(".now")) old.classList.remove("now");
    mark.classList.add("now");
    rowOf(mark).classList.add("now");
  };
  const byTime = (plot) =>
    [...plot.querySelectorAll(".mark")].sort((a, b) => a.dataset.row.split("-")[1] - b.dataset.row.split("-")[1]);

  for (const chart of document.querySelectorAll(".chart")) {
    const plot = chart.querySelector(".plot");
    const first = plot.querySelector(".mark");
    if (!first) continue;
    const readout = chart.nextElementSibling;
    readout.hidden = false;
    readout.textContent = "Point at a mark to see what it is, or go from mark to mark with the arrow keys.";
    plot.setAttribute("role", "group");
    const begin = plot.querySelector(".signal, .kill") || first;
    begin.tabIndex = 0;
    name(begin);
    plot.addEventListener("pointerover", (event) => {
      if (event.target.matches(".mark")) show(chart, event.target);
    });
    plot.addEventListener("focusin", (event) => show(chart, event.target));
    plot.addEventListener("click", (event) => event.target.matches(".mark") && go(plot, event.target));
    plot.addEventListener("keydown", (event) => {
      const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
      if (way === undefined) return;
      event.preventDefault();
      const marks = byTime(plot);
      const at = Math.min(Math.max(marks.indexOf(event.target) + way, 0), marks.length - 1);
      go(plot, marks[at]);
    });
  }
  function go(plot, mark) {
    for (const old of plot.querySelectorAll("[tabindex]")) old.removeAttribute("tabindex");
    name(mark);
    mark.tabIndex = 0;
    mark.focus();
  }

  // ---- on paper, checks are unfolded (browsers that print folded parts need no help)
  addEventListener("beforeprint", () => {
    for (const each of document.querySelectorAll("details.check.fail, details.check.unjudged")) each.open = true;
  });

  if (chosen()?.id !== "show-all") document.querySelector(".filter")?.dispatchEvent(new Event("change"));
  reveal();
  document.documentElement.dataset.ready = "yes";
})();
