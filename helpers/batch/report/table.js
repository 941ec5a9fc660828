"use strict";
// Tables that sort and filter, for a batch's report and for pages of the book.

/** Make an element with attributes and children; text stays text. */
function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Make the heads of a table into buttons that sort its rows. */
function sortable(table) {
  const body = table.tBodies[0], rows = [...body.rows];
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
}

/** Return a test of a row's number: whether its text has all words. */
function hasWords(texts, value) {
  const words = value.toLowerCase().split(/\s+/);
  return (k) => words.every((word) => texts[k].includes(word));
}

/** Hide the rows whose numbers fail a test, and say how many are shown. */
function showRows(rows, test, shown, noun) {
  rows.forEach((row, k) => { row.hidden = !test(k); });
  shown.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} ${noun}`;
}
