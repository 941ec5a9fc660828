"use strict";
// The matrix of claims for another parameter, the sortable table of runs and its filter.
// `report` serves plots.js too, and so does `make` of table.js.

const report = JSON.parse(document.getElementById("data").textContent);

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
    make("span", { class: `verdict ${verdict in symbols ? verdict.replaceAll(" ", "-") : "other"}` },
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
  const table = document.getElementById("table"), rows = [...table.tBodies[0].rows];
  sortable(table);
  const filter = document.getElementById("filter"), shown = document.getElementById("shown");
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const apply = () => showRows(rows, hasWords(texts, filter.value), shown, "runs");
  filter.addEventListener("input", apply);
  apply();
}
