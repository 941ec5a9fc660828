"use strict";
// One plot: what the runs measured, against a parameter, in groups by another parameter.
{
  const { parameters, runs, series, statements } = report;
  const WIDTH = 1000, HEIGHT = 440, LEFT = 104, RIGHT = 984, TOP = 14, BOTTOM = 380;
  const COLOURS = 8, DASHES = ["", "7 4", "2 3", "9 3 2 3", "14 4", "5 2 1 2 1 2"];
  const field = (id) => document.getElementById(id);

  /** Make an element of SVG. */
  const draw = (name, attributes, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const cut = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
  const shape = (x, y, k) => [
    `M${x - 4.5} ${y}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0`,
    `M${x - 4} ${y - 4}h8v8h-8z`,
    `M${x} ${y - 5.5}l5.2 9.5h-10.4z`,
    `M${x} ${y - 6}l5.5 6l-5.5 6l-5.5 -6z`,
    `M${x} ${y + 5.5}l5.2 -9.5h-10.4z`,
    `M${x - 1.6} ${y - 5.5}h3.2v3.9h3.9v3.2h-3.9v3.9h-3.2v-3.9h-3.9v-3.2h3.9z`,
    `M${x - 5.5} ${y - 2.5}h11v5h-11z`,
  ][k % 7];

  /** Print a number as books do: three digits, powers of ten where it is very large or small. */
  const print = (value) => {
    const [digits, power] = value.toExponential(2).split("e").map(Number);
    if (value === 0 || (power > -5 && power < 6)) return String(Number(value.toPrecision(6)));
    const raised = [...String(power)].map((sign) => (sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign])).join("");
    return `${digits === 1 ? "" : `${digits} × `}10${raised}`;
  };

  /** Return round numbers between two, about six of them. */
  const rounds = (low, high, isLog) => {
    const decades = Math.log10(high / low);
    if (isLog && decades > 1.5) {
      const step = Math.ceil(decades / 7), first = Math.ceil(Math.log10(low) - 1e-9);
      const found = [];
      for (let k = first; 10 ** k <= high * (1 + 1e-9); k += step) found.push(10 ** k);
      return found;
    }
    const raw = (high - low) / 6, unit = 10 ** Math.floor(Math.log10(raw));
    const step = unit * [1, 2, 5, 10].find((factor) => factor * unit >= raw);
    const count = Math.floor(high / step + 1e-9) - Math.ceil(low / step - 1e-9) + 1;
    return Array.from({ length: count }, (_, k) => (Math.ceil(low / step - 1e-9) + k) * step);
  };

  /** Map numbers onto pixels, with some room at both ends. */
  const scale = (numbers, isLog, from, to) => {
    const forth = isLog ? Math.log10 : (value) => value, back = isLog ? (value) => 10 ** value : forth;
    const ends = numbers.map(forth);
    let low = ends.reduce((a, b) => Math.min(a, b)), high = ends.reduce((a, b) => Math.max(a, b));
    const room = (high - low) * 0.05 || (isLog ? 0.5 : Math.abs(low) * 0.1 || 1);
    [low, high] = [low - room, high + room];
    return {
      at: (value) => from + ((forth(value) - low) / (high - low)) * (to - from),
      ticks: rounds(back(low), back(high), isLog),
    };
  };

  const mean = (values, isRatio) => {
    const isGeometric = isRatio && values.every((value) => value > 0);
    const sum = values.reduce((total, value) => total + (isGeometric ? Math.log(value) : value), 0);
    return isGeometric ? Math.exp(sum / values.length) : sum / values.length;
  };

  /** Return what is chosen: the series and its points, the parameters of axis and groups. */
  const chosen = () => {
    const s = Number(field("plot-y").value), x = Number(field("plot-x").value);
    const group = field("plot-group").value === "" ? null : Number(field("plot-group").value);
    const points = [], unreal = [];
    for (const run of runs) {
      if (parameters.length && !run.declares[x]) continue;
      for (const [of, verdict, words, text, value, low, high] of run.records) {
        if (of !== s) continue;
        const place = parameters.length ? run.values[x] : 0;
        const point = { run, verdict, words, text, value, low, high, place, group: group === null ? 0 : run.values[group] };
        (value === null ? unreal : points).push(point);
      }
    }
    points.sort((a, b) => a.place - b.place || a.group - b.group);
    return { ...series[s], x: parameters[x] ?? { name: "", values: [{ text: "all runs", number: null }] }, group, points, unreal };
  };
  const numbersX = ({ x, points }) => points.map(({ place }) => x.values[place].number);
  const numbersY = ({ points }) =>
    points.flatMap(({ value, low, high }) => [value, low, high]).filter((value) => value !== null);

  /** Offer a logarithmic axis where one is possible, and choose it where numbers span decades. */
  const offerLog = (box, numbers) => {
    box.disabled = !numbers.length || numbers.some((value) => value === null || value <= 0);
    const span = Math.log10(Math.max(...numbers) / Math.min(...numbers));
    box.checked = !box.disabled && span > 2;
  };

  /** Give each point its place across; points at one value stand side by side. */
  const spread = (plot, isLog) => {
    const places = [...new Set(plot.points.map(({ place }) => place))];
    const isNumeric = numbersX(plot).every((value) => value !== null);
    const axis = isNumeric ? scale(numbersX(plot), isLog, LEFT, RIGHT) : null;
    const width = (RIGHT - LEFT) / places.length;
    const at = new Map(places.map((place, k) =>
      [place, axis ? axis.at(plot.x.values[place].number) : LEFT + (k + 0.5) * width]));
    const sorted = [...at.values()].sort((a, b) => a - b);
    const gap = Math.min(isNumeric ? 48 : 120, width, ...sorted.slice(1).map((x, k) => x - sorted[k]));
    for (const place of places) {
      const here = plot.points.filter((point) => point.place === place);
      const step = Math.min(11, (gap * 0.7) / here.length);
      here.forEach((point, k) => { point.across = at.get(place) + (k - (here.length - 1) / 2) * step; });
    }
    const exact = places.map((place) => ({ x: at.get(place), text: plot.x.values[place].text }));
    const round = axis?.ticks.map((value) => ({ x: axis.at(value), text: print(value) }));
    return { isNumeric, gap, ticks: axis && places.length > 9 ? round : exact };
  };

  const drawAxes = (svg, plot, across, y) => {
    for (const value of y.ticks) {
      svg.append(draw("line", { class: "grid", x1: LEFT, x2: RIGHT, y1: y.at(value), y2: y.at(value) }));
      svg.append(draw("text", { class: "tick", x: LEFT - 8, y: y.at(value) + 4, "text-anchor": "end" }, print(value)));
    }
    let last = -Infinity;
    const length = across.isNumeric ? 12 : Math.max(4, Math.floor(across.gap / 7));
    for (const { x, text } of across.ticks) {
      svg.append(draw("line", { class: "grid", x1: x, x2: x, y1: BOTTOM, y2: BOTTOM + 5 }));
      if (x - last < (across.isNumeric ? 34 : 20)) continue;
      last = x;
      svg.append(draw("text", { class: "tick", x, y: BOTTOM + 19, "text-anchor": "middle" },
        cut(text, length), draw("title", {}, text)));
    }
    const unit = plot.unit || (plot.scale === "ratio" ? "ratio" : "");
    const middle = (TOP + BOTTOM) / 2;
    svg.append(
      draw("line", { class: "grid", x1: LEFT, x2: LEFT, y1: TOP, y2: BOTTOM }),
      draw("line", { class: "grid", x1: LEFT, x2: RIGHT, y1: BOTTOM, y2: BOTTOM }),
      draw("text", { x: (LEFT + RIGHT) / 2, y: HEIGHT - 12, "text-anchor": "middle" }, plot.x.name),
      draw("text", { transform: `translate(16 ${middle}) rotate(-90)`, "text-anchor": "middle" },
        cut(plot.name, 44) + (unit ? ` (${unit})` : "")));
  };

  const drawGroup = (svg, plot, group, style, isNumeric, y) => {
    const mine = plot.points.filter((point) => point.group === group);
    const inside = draw("g", { class: `group s${style % COLOURS}` });
    const means = [...new Set(mine.map(({ place }) => place))].map((place) => {
      const here = mine.filter((point) => point.place === place);
      const x = here.reduce((sum, point) => sum + point.across, 0) / here.length;
      const half = 4 + (here.at(-1).across - here[0].across) / 2;
      return { x, half, y: y.at(mean(here.map(({ value }) => value), plot.scale === "ratio")), count: here.length };
    });
    if (isNumeric && means.length > 1) {
      const points = means.map((at) => `${at.x},${at.y}`).join(" ");
      inside.append(draw("polyline", { class: "line", points, "stroke-dasharray": DASHES[style % DASHES.length] }));
    }
    for (const { across: x, value, low, high, text, run } of mine) {
      const ends = [low, high].map((end) => (end === null ? y.at(value) : y.at(end)));
      if (ends[0] !== ends[1]) inside.append(draw("path",
        { class: "bar", d: `M${x} ${ends[0]}V${ends[1]}M${x - 4} ${ends[0]}h8M${x - 4} ${ends[1]}h8` }));
      inside.append(draw("path", { class: "point", d: shape(x, y.at(value), style) },
        draw("title", {}, `${run.id}\n${text}`)));
    }
    for (const at of means.filter(({ count }) => count > 1))
      inside.append(draw("path", { class: "mean", d: `M${at.x - at.half} ${at.y}h${2 * at.half}` }));
    svg.append(inside);
  };

  const drawLegend = (plot, groups, isNumeric) => {
    const named = plot.group === null ? [] : groups;
    field("legend").replaceChildren(...named.map((group, k) => {
      const sample = draw("svg", { viewBox: "0 0 40 14", class: `s${k % COLOURS}`, "aria-hidden": "true" });
      if (isNumeric) sample.append(draw("path", { class: "line", d: "M1 7H39", "stroke-dasharray": DASHES[k % DASHES.length] }));
      sample.append(draw("path", { class: "point", d: shape(20, 7, k) }));
      const parameter = parameters[plot.group];
      return make("li", {}, sample, `${parameter.name} ${parameter.values[group].text}`);
    }));
  };

  const say = (plot) => {
    const parts = [...new Set(plot.points.map(({ words }) => statements[words]))].filter(Boolean).slice(0, 1);
    if (plot.points.some(({ low, high }) => low !== null || high !== null)) parts.push("Bars: the intervals of each run.");
    const pairs = plot.points.map(({ place, group }) => `${place} ${group}`);
    if (new Set(pairs).size < pairs.length)
      parts.push(`Thick strokes: ${plot.scale === "ratio" ? "geometric " : ""}means of the runs.`);
    if (plot.scale) parts.push(`Dotted: ${plot.scale === "ratio" ? "a ratio of 1" : "no difference"}.`);
    if (plot.unreal.length) parts.push(`Not drawn, as not finite: ${plot.unreal.map(({ run }) => run.id).join(", ")}.`);
    field("caption").textContent = parts.join(" ");
  };

  const list = (plot) => {
    const titles = ["run", plot.x.name, ...(plot.group === null ? [] : [parameters[plot.group].name]), "measured"];
    const rows = [...plot.points, ...plot.unreal].map(({ run, place, group, text }) => make("tr", {},
      make("td", {}, run.href ? make("a", { href: run.href }, run.id) : run.id),
      make("td", {}, plot.x.values[place].text),
      ...(plot.group === null ? [] : [make("td", {}, parameters[plot.group].values[group].text)]),
      make("td", {}, text)));
    const head = make("tr", {}, ...titles.map((title) => make("th", { scope: "col" }, title)));
    field("numbers").replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
  };

  const redraw = () => {
    const plot = chosen();
    if (!plot.points.length) field("plot").textContent = "No run has this number and this parameter.";
    else {
      const isLog = field("log-y").checked, none = { ratio: 1, difference: 0 }[plot.scale];
      const reaches = none === undefined || (isLog && none === 0) ? [] : [none];
      const y = scale([...numbersY(plot), ...reaches], isLog, BOTTOM, TOP);
      const across = spread(plot, field("log-x").checked);
      const groups = [...new Set(plot.points.map(({ group }) => group))].sort((a, b) => a - b);
      const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img",
        "aria-label": `${plot.name} against ${plot.x.name}, ${plot.points.length} runs; the numbers are in the table below` });
      drawAxes(svg, plot, across, y);
      for (const value of reaches)
        svg.append(draw("line", { class: "none", x1: LEFT, x2: RIGHT, y1: y.at(value), y2: y.at(value) }));
      groups.forEach((group, k) => drawGroup(svg, plot, group, k, across.isNumeric, y));
      drawLegend(plot, groups, across.isNumeric);
      field("plot").replaceChildren(svg);
    }
    say(plot);
    list(plot);
  };
  const reset = () => {
    const plot = chosen();
    offerLog(field("log-x"), numbersX(plot));
    offerLog(field("log-y"), numbersY(plot));
    redraw();
  };

  /** Fill the lists of what can be chosen, and draw. */
  const start = () => {
    const counts = series.map(() => 0);
    for (const run of runs) for (const record of run.records) counts[record[0]] += record[4] !== null;
    const chapters = new Map(series.map(({ chapter }) => [chapter, []]));
    series.forEach(({ chapter }, s) => { if (counts[s]) chapters.get(chapter).push(s); });
    for (const [chapter, members] of chapters) {
      const options = members.map((s) =>
        make("option", { value: s }, series[s].name + (series[s].unit ? ` (${series[s].unit})` : "")));
      if (options.length) field("plot-y").append(make("optgroup", { label: chapter }, ...options));
    }
    if (!counts.some(Boolean)) return field("plots").replaceChildren();
    const names = parameters.map(({ name }, k) => make("option", { value: k }, name));
    field("plot-x").append(...names);
    field("plot-group").append(make("option", { value: "" }, "nothing"), ...names.map((option) => option.cloneNode(true)));
    const isTelling = ({ name, values }) => name !== "seed" && values.length > 1;
    const isNumeric = ({ values }, k) => runs.every((run) => !run.declares[k] || values[run.values[k]].number !== null);
    const x = Math.max(0, parameters.findIndex((found, k) => isTelling(found) && isNumeric(found, k)));
    field("plot-x").value = x;
    const group = parameters.findIndex((found, k) => k !== x && isTelling(found) && found.values.length <= COLOURS);
    if (group >= 0) field("plot-group").value = group;
    for (const id of ["plot-y", "plot-x", "plot-group"]) field(id).addEventListener("change", reset);
    for (const id of ["log-x", "log-y"]) field(id).addEventListener("change", redraw);
    return reset();
  };
  start();
}
