// A sign in the prose leads to a claim's evidence, which is folded, with its cell around it: open
// both on arrival.
function openEvidence() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const folded = target && target.closest("details.dnnbook-claim");
  if (folded) {
    for (let one = folded; one; one = one.parentElement.closest("details")) one.open = true;
    folded.scrollIntoView({ block: "center" });
  }
}
addEventListener("hashchange", openEvidence);
addEventListener("load", openEvidence);
// The same sign again changes no address.
addEventListener("click", (event) => {
  if (event.target.closest && event.target.closest("a.dnnbook-sign")) setTimeout(openEvidence);
});
