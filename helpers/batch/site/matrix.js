"use strict";
// Sorts and filters the matrix of claims and data sets; `sortable` and its like serve table.js.

for (const box of document.querySelectorAll(".dnnbook-matrix:has(.controls)")) {
  const table = box.querySelector("table"), rows = [...table.tBodies[0].rows];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const chosen = (name) => box.querySelector(`[data-filter=${name}]`).value;
  sortable(table);
  box.querySelector(".controls").hidden = false;

  /** Whether what was found on the chosen set is what was asked for. */
  const isFound = (row) => {
    const asked = chosen("verdict");
    const cell = [...row.cells].find((one) => one.dataset.data === chosen("data"));
    return !asked || cell.dataset.verdict === asked || cell.dataset.mark === asked;
  };
  const apply = () => {
    const named = hasWords(texts, box.querySelector("input").value);
    const fits = (row, name) => !chosen(name) || row.dataset[name] === chosen(name);
    showRows(rows, (k) => named(k) && fits(rows[k], "chapter") && fits(rows[k], "pattern") &&
      isFound(rows[k]), box.querySelector(".shown"), "claims");
  };
  for (const control of box.querySelectorAll("input, select")) control.addEventListener("input", apply);
  window.addEventListener("pageshow", apply); // a browser restores what was chosen
  apply();
}
