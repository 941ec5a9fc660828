// Links to the glossary have the definition as their title. The theme's Bootstrap makes tooltips of
// all that ask for one, and shows them on hover and on focus; it looks once, after this file.
for (const term of document.querySelectorAll("a.dnnbook-term")) {
  term.dataset.bsToggle = "tooltip";
}
