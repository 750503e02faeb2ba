"use strict";
// Sorting, filtering and the switch of metrics. The page is whole without it; every text of the data goes in by
// textContent or as the value of an option, never as markup.
(() => {
  const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];

  const element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };

  const select = (label, choices, changed) => {
    const box = element("select");
    for (const [value, words] of choices) {
      const option = element("option", { value });
      option.textContent = words;
      box.append(option);
    }
    box.addEventListener("change", () => changed(box.value));
    const caption = element("span");
    caption.textContent = label;
    return element("label", {}, caption, box);
  };

  const number = (text) => {
    const found = /^[^\d+\-–−]*([+\-−]?\d[\d\s\u2009\u202f,]*(?:\.\d+)?(?:e[+-]?\d+)?)/i.exec(text);
    return found ? Number(found[1].replace(/[\s\u2009\u202f,]/g, "").replace("−", "-")) : NaN;
  };

  // What a cell is sorted by: the number shown or stated, else its text; null where it has none.
  const key = (cell) => {
    if (!cell || cell.colSpan > 1) return null;
    const shown = all("[data-value]", cell).find((one) => !one.hidden) || cell;
    const text = (shown.dataset.value ?? shown.textContent).trim();
    if (text === "" || text === "–") return null;
    const value = number(text);
    return cell.tagName === "TH" || Number.isNaN(value) ? text : value;
  };

  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });

  // A table of pairs has a body a pair, with the row of reasons below it: bodies move as a whole.
  for (const table of all("table.sortable")) {
    const head = table.tHead && table.tHead.rows[0];
    if (!head) continue;
    const bodies = [...table.tBodies];
    const parts = bodies.length > 1 ? bodies : [...(bodies[0] ? bodies[0].rows : [])];
    if (parts.length < 2) continue;
    const rowOf = (part) => (part.rows ? part.rows[0] : part);
    [...head.cells].forEach((cell, column) => {
      if (cell.classList.contains("drawn")) return;
      const button = element("button", { type: "button", class: "sort" });
      // A button holds no other: what opens a definition stays beside it.
      const notes = all(".demand, .term", cell);
      const words = [...cell.childNodes].filter((node) => !notes.includes(node));
      if (words.some((node) => node.textContent.trim())) {
        button.append(...words);
        cell.prepend(button);
      } else if (notes.length) {
        button.setAttribute("aria-label", `Sort by ${notes[0].textContent}`);
        notes[0].after(button);
      } else return;
      button.addEventListener("click", () => {
        const before = cell.getAttribute("aria-sort");
        for (const other of head.cells) other.removeAttribute("aria-sort");
        const after = { null: "descending", descending: "ascending" }[before];
        let order = parts;
        if (after) {
          cell.setAttribute("aria-sort", after);
          const sign = after === "ascending" ? 1 : -1;
          const keyed = parts.map((part) => [key(rowOf(part).cells[column]), part]);
          keyed.sort(([a], [b]) => (a === null) - (b === null) || (a === null ? 0 : sign * compare(a, b)));
          order = keyed.map(([, part]) => part);
        }
        (bodies.length > 1 ? table : bodies[0]).append(...order);
      });
    });
  }

  const matrix = document.querySelector("table.matrix");
  if (matrix) {
    const titles = JSON.parse(matrix.dataset.metrics);
    const tools = element("div", { class: "tools" });
    // Beside the switch, what its metric is; the same as the name in the caption opens.
    const terms = all("caption .reading-of .term", matrix);
    const about = terms.length === titles.length ? element("button", { type: "button", class: "term" }) : null;
    const defined = (place) => {
      if (!about) return;
      about.textContent = `What is ${titles[place]}?`;
      about.setAttribute("popovertarget", terms[place].getAttribute("popovertarget"));
    };
    if (titles.length > 1) {
      defined(0);
      tools.append(
        select("Metric", titles.map((title, place) => [place, title]), (place) => {
          for (const one of all(".reading-of", matrix)) one.hidden = one.dataset.metric !== place;
          defined(place);
        }),
      );
      if (about) tools.append(about);
    }
    const rows = [...matrix.tBodies[0].rows];
    const wanted = { model: "", outcome: "" };
    const show = () => {
      for (const row of rows) {
        const named = row.cells[0].textContent.toLowerCase().includes(wanted.model);
        row.hidden = !(named && (!wanted.outcome || row.dataset.outcome === wanted.outcome));
      }
    };
    const sectors = [...new Set(all("th[data-sector]", matrix).map((cell) => cell.dataset.sector))];
    if (sectors.length > 1) {
      tools.append(
        select("Sector", [["", "all"], ...sectors.map((name) => [name, name])], (name) => {
          all("thead th", matrix).forEach((head, column) => {
            const away = head.dataset.sector !== undefined && name !== "" && head.dataset.sector !== name;
            for (const row of matrix.rows) if (row.cells[column]) row.cells[column].hidden = away;
          });
        }),
      );
    }
    const outcomes = [...new Set(rows.map((row) => row.dataset.outcome).filter(Boolean))];
    if (outcomes.length > 1) {
      tools.append(
        select("Candidate", [["", "all"], ...outcomes.map((name) => [name, name])], (name) => {
          wanted.outcome = name;
          show();
        }),
      );
    }
    if (rows.length > 4) {
      const box = element("input", { type: "search", autocomplete: "off" });
      box.addEventListener("input", () => {
        wanted.model = box.value.trim().toLowerCase();
        show();
      });
      const caption = element("span");
      caption.textContent = "Model";
      tools.append(element("label", {}, caption, box));
    }
    if (tools.children.length) matrix.closest(".scroll").before(tools);
  }

  for (const list of all("ol.shots")) {
    const shots = [...list.children];
    if (shots.length < 2) continue;
    const told = new Map(shots.map((shot) => [shot, Object.fromEntries(JSON.parse(shot.dataset.conditions))]));
    const wanted = new Map();
    const tools = element("div", { class: "tools" });
    const count = element("span", { class: "found", role: "status" });
    const show = () => {
      let left = 0;
      for (const shot of shots) {
        shot.hidden = [...wanted].some(([of, value]) => value !== "" && of(shot) !== value);
        left += !shot.hidden;
      }
      count.textContent = `${left} of ${shots.length} shown`;
    };
    const filter = (label, of) => {
      const values = [...new Set(shots.map(of))].filter((value) => value !== undefined && value !== "").sort();
      if (values.length < 2 && !(values.length && shots.some((shot) => !of(shot)))) return;
      tools.append(
        select(label, [["", "all"], ...values.map((value) => [value, value])], (value) => {
          wanted.set(of, value);
          show();
        }),
      );
    };
    filter("Outcome", (shot) => shot.dataset.outcome);
    filter("Change", (shot) => shot.dataset.change);
    filter("Family", (shot) => shot.dataset.family);
    for (const name of new Set([...told.values()].flatMap(Object.keys))) filter(name, (shot) => told.get(shot)[name]);
    const orders = {
      chosen: () => 0,
      margin: (shot) => (shot.dataset.margin === "" ? Infinity : Number(shot.dataset.margin)),
      rank: (shot) => (shot.dataset.rank === "" ? Infinity : -Number(shot.dataset.rank)),
      hits: (shot) => (shot.dataset.rank === "" ? Infinity : Number(shot.dataset.rank)),
    };
    tools.append(
      select(
        "Order",
        [["chosen", "as chosen"], ["margin", "smallest margin first"], ["rank", "highest rank first"], ["hits", "lowest rank first"]],
        (name) => list.append(...shots.toSorted((a, b) => orders[name](a) - orders[name](b) || 0)),
      ),
    );
    tools.append(count);
    show();
    list.before(tools);
  }

  // A chart answers to the pointer once it has come into view. Until then, and where it cannot, the drawing that is there stays.
  const figures = all("figure.chart[data-chart]");
  if (window.vegaEmbed && figures.length) {
    const specs = JSON.parse(document.getElementById("charts").textContent);
    const tip = element("div", { class: "tip" });
    tip.hidden = true;
    document.body.append(tip);
    const tooltip = (handler, event, item, value) => {
      tip.hidden = value === null || value === undefined || value === "";
      if (tip.hidden) return;
      tip.textContent = typeof value === "object" ? Object.entries(value).map(([name, one]) => `${name}: ${one}`).join("\n") : String(value);
      tip.style.left = `${Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8)}px`;
      tip.style.top = `${Math.min(event.clientY + 14, window.innerHeight - tip.offsetHeight - 8)}px`;
    };
    const draw = async (figure) => {
      const holder = document.createElement("div");
      // Expressions are interpreted, not compiled: the page's policy forbids to make code of text.
      const options = { renderer: "svg", ast: true, actions: false, defaultStyle: false, tooltip };
      await window.vegaEmbed(holder, specs[Number(figure.dataset.chart)], options);
      const drawn = holder.querySelector("svg");
      drawn.setAttribute("aria-hidden", "true");
      for (const empty of all("form", holder)) empty.remove(); // for inputs that no chart of ours has
      figure.querySelector(".drawing").replaceChildren(holder);
      figure.dataset.drawn = "";
    };
    const seen = new IntersectionObserver(
      (entries) => {
        for (const entry of entries.filter((one) => one.isIntersecting)) {
          seen.unobserve(entry.target);
          draw(entry.target).catch(() => {});
        }
      },
      { rootMargin: "200px" },
    );
    for (const figure of figures) seen.observe(figure);
  }
})();
