"use strict";
// The matrix of claims for another parameter, the sortable table of runs and its filter.
// `report` and `make` serve plots.js too.

const report = JSON.parse(document.getElementById("data").textContent);

/** Make an element with attributes and children; text stays text. */
function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

document.documentElement.classList.add("scripted");

{
  const { parameters, runs, series, statements, symbols, listed } = report;
  const order = [...Object.keys(symbols)];

  /** Count verdicts, the usual ones first. */
  const counted = (found) => {
    const counts = new Map(order.map((verdict) => [verdict, 0]));
    for (const { verdict } of found) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
    return [...counts].filter(([, count]) => count);
  };
  const mark = (verdict, count) =>
    make("span", { class: `verdict ${verdict in symbols ? verdict : "other"}` },
      `${symbols[verdict] ?? "·"} ${verdict}${count ? ` ${count}` : ""}`);
  const linked = (href, child) => (href ? make("a", { href }, child) : child);
  const effect = (text) => make("span", { class: "effect" }, text);

  const varies = (values) => values.filter((value) => value.text !== report.none).length > 1;

  /** Name the values that tell a run from the others in its cell. */
  const label = (run, by) =>
    parameters
      .map(({ name, values }, k) =>
        k !== by && varies(values) && run.declares[k] ? `${name} ${values[run.values[k]].text}` : "")
      .filter(Boolean)
      .join(", ") || run.id;

  const filled = (found, by, isPlanned) => {
    if (!found.length) return make("td", {}, make("span", { class: "quiet" }, isPlanned ? "not measured" : ""));
    if (found.length === 1) {
      const { run, verdict, text, statement } = found[0];
      return make("td", {},
        make("span", { title: statement }, linked(run.href, mark(verdict))), effect(text));
    }
    const items = found.slice(0, listed).map(({ run, verdict, text, statement }) =>
      make("li", { title: statement }, linked(run.href, label(run, by)), mark(verdict), effect(text)));
    const more = found.length - items.length;
    if (more) items.push(make("li", { class: "quiet" }, `and ${more} more: see the runs`));
    const marks = counted(found).map(([verdict, count]) => mark(verdict, count));
    return make("td", {}, make("details", {}, make("summary", {}, ...marks), make("ul", {}, ...items)));
  };

  /** Fill the matrix for the parameter with this number; null puts all runs into one column. */
  const fillMatrix = (by) => {
    const columns = by === null ? ["all runs"] : parameters[by].values.map((value) => value.text);
    const column = (run) => (by === null ? 0 : run.values[by]);
    const cells = new Map(), planned = new Set(), all = columns.map(() => []);
    for (const run of runs) {
      planned.add(`${column(run)} ${run.chapter}`);
      for (const [s, verdict, words, text] of run.records) {
        if (verdict === null) continue;
        const key = `${column(run)} ${series[s].chapter}\n${series[s].name}`;
        const found = { run, verdict, text, statement: statements[words] };
        if (!cells.has(key)) cells.set(key, []);
        cells.get(key).push(found);
        all[column(run)].push(found);
      }
    }
    const table = document.getElementById("matrix");
    const head = table.querySelector("thead tr");
    head.querySelector(".by").textContent = by === null ? "" : `by ${parameters[by].name}`;
    head.replaceChildren(head.firstElementChild, ...columns.map((text, k) =>
      make("th", { scope: "col" }, text, make("small", {}, ...counted(all[k]).map(([verdict, count]) =>
        make("span", {}, `${symbols[verdict] ?? verdict} ${count}`))))));
    for (const th of table.querySelectorAll(".chapter th")) th.colSpan = columns.length + 1;
    for (const row of table.querySelectorAll("tr.claim")) {
      const chapter = row.parentElement.dataset.chapter;
      row.replaceChildren(row.firstElementChild, ...columns.map((_, k) =>
        filled(cells.get(`${k} ${chapter}\n${row.dataset.claim}`) ?? [], by, planned.has(`${k} ${chapter}`))));
    }
  };

  const select = document.getElementById("by"), changing = document.getElementById("changing");
  const filterRows = () => document.getElementById("matrix").classList.toggle("changing", changing.checked);
  if (select) {
    select.addEventListener("change", () => fillMatrix(select.value === "" ? null : Number(select.value)));
    changing.addEventListener("change", filterRows);
    window.addEventListener("pageshow", () => { // a browser restores what was chosen
      if (select.selectedIndex !== [...select.options].findIndex((option) => option.defaultSelected))
        select.dispatchEvent(new Event("change"));
      filterRows();
    });
  }
}

{
  const table = document.getElementById("table"), body = table.tBodies[0];
  const rows = [...body.rows];
  const key = (row, k) => row.cells[k].dataset.sort ?? row.cells[k].textContent;

  /** Compare as numbers where both are, else as text; what is empty comes last. */
  const compare = (a, b, sign) => {
    if (!a || !b) return Boolean(b) - Boolean(a) || 0;
    const isNumeric = !Number.isNaN(Number(a)) && !Number.isNaN(Number(b));
    return sign * (isNumeric ? Number(a) - Number(b) : a.localeCompare(b));
  };
  [...table.tHead.rows[0].cells].forEach((head, k, heads) => {
    const button = make("button", { type: "button" }, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      body.append(...[...rows].sort((a, b) => compare(key(a, k), key(b, k), sign)));
    });
  });

  const filter = document.getElementById("filter"), shown = document.getElementById("shown");
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const apply = () => {
    const words = filter.value.toLowerCase().split(/\s+/);
    rows.forEach((row, k) => { row.hidden = !words.every((word) => texts[k].includes(word)); });
    shown.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} runs`;
  };
  filter.addEventListener("input", apply);
  apply();
}
