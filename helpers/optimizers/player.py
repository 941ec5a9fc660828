"""The page's part of an animation: its look, its controls, and the script that moves it.

The script finds every path complete in the drawing and shows its beginning only, so that without
the script, or on paper, the drawing is the finished figure. It loads nothing and stores nothing,
and nothing moves before it is asked to.
"""

# Line colours with a contrast of at least 3 on the page of their theme; lines also differ in dash
# and in the shape of their head.
LIGHT = ("#0072b2", "#c94f00", "#00835f", "#b5568a", "#5a5a5a", "#8a6100", "#2a7f9e", "#7a3db8")
DARK = ("#56b4e9", "#ff9a4d", "#2bc299", "#e3a0c6", "#c8c8c8", "#e6b800", "#9ad4e8", "#c7a3f5")
DASHES = ("none", "7 4", "7 3 2 3", "2 3", "12 4", "9 3 2 3 2 3", "4 2", "14 3 3 3")

STYLE = """
.dnnbook-animation { max-width: 44em; color: inherit; $light }
html[data-theme="dark"] .dnnbook-animation,
body[data-jp-theme-light="false"] .dnnbook-animation { $dark }
html[data-theme="dark"] .bd-content div.cell_output .text_html:has(div.dnnbook-animation) {
  background-color: transparent; color: inherit; padding: 0;
}
.dnnbook-animation svg { display: block; width: 100%; height: auto; }
.dnnbook-animation text { fill: currentColor; font-size: 13px; }
.dnnbook-animation .contour { fill: none; stroke: currentColor; opacity: 0.25; }
.dnnbook-animation .frame, .dnnbook-animation .minimum { fill: none; stroke: currentColor; }
.dnnbook-animation .path, .dnnbook-animation .sample { fill: none; stroke-width: 2; }
.dnnbook-animation .legend, .dnnbook-animation .controls {
  display: flex; flex-wrap: wrap; gap: 0.3em 1.2em; align-items: center; margin: 0.4em 0;
}
.dnnbook-animation .controls[hidden] { display: none; }
.dnnbook-animation .legend svg { display: inline-block; width: 46px; vertical-align: middle; }
.dnnbook-animation button { font: inherit; min-width: 6em; padding: 0.2em 0.8em; }
.dnnbook-animation input { flex: 1 1 10em; }
"""

SCRIPT = """
setTimeout(() => {
  const root = document.getElementById("$name");
  if (!root || root.dataset.ready) return;
  root.dataset.ready = "yes";
  const lines = [...root.querySelectorAll("polyline.path")];
  const heads = [...root.querySelectorAll("path.head")];
  const paths = lines.map((line) => line.getAttribute("points").split(" "));
  const button = root.querySelector("button");
  const slider = root.querySelector("input");
  const output = root.querySelector("output");
  const last = Number(slider.max);
  let playing = false;

  const show = (step) => {
    paths.forEach((points, i) => {
      const until = Math.min(step, points.length - 1);
      lines[i].setAttribute("points", points.slice(0, until + 1).join(" "));
      heads[i].setAttribute("transform", `translate($${points[until]})`);
    });
    slider.value = step;
    output.textContent = `Step $${step} of $${last}`;
    slider.setAttribute("aria-valuetext", output.textContent);
  };
  const pause = () => {
    playing = false;
    button.textContent = "\\u25b6 Play";
  };
  const play = () => {
    const first = Number(slider.value) < last ? Number(slider.value) : 0;
    let begun;
    playing = true;
    button.textContent = "\\u275a\\u275a Pause";
    const advance = (now) => {
      if (!playing) return;
      begun ??= now;
      const step = Math.min(last, first + Math.floor(((now - begun) / $milliseconds) * last));
      show(step);
      if (step < last) requestAnimationFrame(advance);
      else pause();
    };
    requestAnimationFrame(advance);
  };
  button.addEventListener("click", () => (playing ? pause() : play()));
  slider.addEventListener("input", () => { pause(); show(Number(slider.value)); });
  root.querySelector(".controls").hidden = false;
}, 0);
"""

PAGE = """<div class="dnnbook-animation" id="$name">
<style>$style</style>
<svg viewBox="0 0 $width $height" role="img" aria-labelledby="$name-title $name-text">
<title id="$name-title">$title</title>
<desc id="$name-text">$description</desc>
<clipPath id="$name-frame"><rect $frame/></clipPath>
$drawing
</svg>
<div class="legend">$legend</div>
<div class="controls" role="group" aria-label="Controls of the animation: $title" hidden>
<button type="button">&#9654; Play</button>
<input type="range" min="0" max="$last" value="$last" step="1" aria-label="Step"
 aria-valuetext="Step $last of $last">
<output>Step $last of $last</output>
</div>
<script>$script</script>
</div>
"""
