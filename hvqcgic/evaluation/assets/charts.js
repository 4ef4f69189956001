// Rate-distortion curves as small charts, one for each metric, with the values of the nearest mark.

const PLOT = { width: 560, height: 340, left: 58, right: 14, top: 12, bottom: 42 };
const FIRST_METRICS = ["lpips_alex", "lpips_squeeze", "lpips_vgg", "dists", "psnr_db"];
const chartState = { scope: "", log: false, hidden: new Set(), metrics: new Set() };

function startCharts() {
  const wanted = FIRST_METRICS.filter((name) => metricOf.has(name)).slice(0, 4);
  for (const name of [...wanted, ...metricOf.keys()].slice(0, Math.max(wanted.length, 2))) chartState.metrics.add(name);
  const scopes = ["", ...DATA.pictures.map((picture) => picture.name)];
  options(byId("curve-scope"), scopes, "", (name) => name || `the mean of ${DATA.averaged.length} pictures`);
  byId("curve-scope").addEventListener("change", (event) => { chartState.scope = event.target.value; drawCharts(); });
  byId("log-rate").addEventListener("change", (event) => { chartState.log = event.target.checked; drawCharts(); });
  byId("legend").replaceChildren(...codecs.map((codec) => chip(sample(codec), codec, chartState.hidden, codec, false)));
  byId("metric-chips").replaceChildren(
    ...DATA.metrics.map((metric) => chip(null, metric.label, chartState.metrics, metric.name, true)));
  drawCharts();
}

// A button that puts a key into a set or takes it out; pressed where what it names is shown.
function chip(picture, text, set, key, pressedIn) {
  const button = element("button", { class: "chip" }, picture, text);
  const show = () => button.setAttribute("aria-pressed", String(set.has(key) === pressedIn));
  button.addEventListener("click", () => {
    if (!set.delete(key)) set.add(key);
    show();
    drawCharts();
  });
  show();
  return button;
}

function sample(codec) {
  const svg = drawing("svg", { viewBox: "0 0 26 12" });
  const line = drawing("line", { x1: 0, x2: 26, y1: 6, y2: 6, stroke: colour(codec), "stroke-width": 2 });
  if (isPublished(codec)) line.setAttribute("stroke-dasharray", "5 3");
  const point = shape(mark(codec), 13, 6, 4);
  point.setAttribute("fill", colour(codec));
  svg.append(line, point);
  return svg;
}

// Bits per pixel of a point, over the pictures that a metric's mean is over.
const rate = (point, metric) => point.rates?.[metric.name] ?? point.bpp;

// How many pictures a metric's mean is over, where not all have it.
const countOf = (metric) => metric.name in DATA.counts ? `${DATA.counts[metric.name]} of ${DATA.averaged.length} pictures have it` : "";

// The points of each codec in the scope chosen: {codec, point, bpp, rates, bytes, metrics}.
function curvesInScope() {
  const scope = chartState.scope;
  const shown = DATA.curves.filter((curve) => !chartState.hidden.has(curve.codec));
  return shown.map((curve) => {
    if (!scope || curve.published) {
      const points = curve.points.map((point, i) => ({
        codec: curve.codec, point, bpp: curve.bpp[i], rates: Object.fromEntries(Object.entries(curve.rates).map(([name, values]) => [name, values[i]])),
        metrics: Object.fromEntries(Object.entries(curve.metrics).map(([name, values]) => [name, values[i]])),
      }));
      // What was published far beyond the rates measured here would only press our curves together.
      return { curve, points: points.filter((point) => DATA.drawn_bpp === null || point.bpp <= DATA.drawn_bpp) };
    }
    const rows = DATA.rows.filter((row) => row.codec === curve.codec && row.picture === scope && row.status === "ok");
    return { curve, points: rows.sort((a, b) => a.bpp - b.bpp) };
  });
}

function drawCharts() {
  const curves = curvesInScope();
  const figures = DATA.metrics.filter((metric) => chartState.metrics.has(metric.name)).map((metric) => {
    const having = curves.map(({ curve, points }) => ({
      curve, points: points.filter((point) => typeof point.metrics[metric.name] === "number"),
    })).filter(({ points }) => points.length);
    const caption = element("figcaption", {}, `${metric.label} `, element("small", {}, [metric.lower ? "lower is better" : "higher is better", chartState.scope ? "" : countOf(metric)].filter(Boolean).join("; ")));
    return element("figure", {}, caption, chart(metric, having));
  });
  byId("charts").replaceChildren(...figures);
}

function chart(metric, curves) {
  const svg = drawing("svg", { viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, class: "chart", role: "img", "aria-label": `${metric.label} against bits per pixel` });
  const points = curves.flatMap(({ points }) => points);
  if (!points.length) {
    svg.append(drawing("text", { x: PLOT.width / 2, y: PLOT.height / 2, class: "axis", "text-anchor": "middle" }, "no values in this selection"));
    return svg;
  }
  const x = axis(points.map((point) => rate(point, metric)), PLOT.left, PLOT.width - PLOT.right, chartState.log);
  const y = axis(points.map((point) => point.metrics[metric.name]), PLOT.height - PLOT.bottom, PLOT.top, false);
  drawAxes(svg, x, y);
  const marks = [];
  for (const { curve, points } of curves) {
    const places = points.map((point) => [x.place(rate(point, metric)), y.place(point.metrics[metric.name])]);
    const line = drawing("polyline", { points: places.map((at) => at.map((v) => v.toFixed(1)).join(",")).join(" "), class: "curve", stroke: colour(curve.codec) });
    if (curve.published) line.setAttribute("stroke-dasharray", "6 4");
    svg.append(line);
    points.forEach((point, i) => {
      const made = shape(mark(curve.codec), ...places[i], 4.5);
      made.setAttribute("fill", colour(curve.codec));
      made.setAttribute("class", "mark");
      marks.push({ made, point, at: places[i] });
    });
  }
  svg.append(...marks.map(({ made }) => made));
  watch(svg, marks);
  return svg;
}

// A scale from values to places, with ticks at round numbers.
function axis(values, from, to, logarithmic) {
  let low = Math.min(...values), high = Math.max(...values);
  if (low === high) { low -= Math.abs(low) * 0.05 || 1; high += Math.abs(high) * 0.05 || 1; }
  if (logarithmic) {
    low /= 1.12; high *= 1.12;
    const ratio = Math.log(high / low);
    return { place: (value) => from + (to - from) * Math.log(value / low) / ratio, ticks: roundInLog(low, high) };
  }
  const margin = 0.05 * (high - low);
  [low, high] = [low >= 0 ? Math.max(0, low - margin) : low - margin, high + margin];
  const step = roundStep((high - low) / 5);
  const ticks = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) ticks.push(k * step);
  return { place: (value) => from + (to - from) * (value - low) / (high - low), ticks, step };
}

function roundStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999);
}

function roundInLog(low, high) {
  const ticks = [];
  const factors = high / low > 30 ? [1, 3] : [1, 2, 5];
  for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10) {
    ticks.push(...factors.map((factor) => factor * power).filter((value) => value >= low && value <= high));
  }
  return ticks;
}

// Decimals that a step needs, so that ticks in steps of 2.5 are no whole numbers.
function decimals(step) {
  let count = 0;
  while (count < 6 && Math.abs(step * 10 ** count - Math.round(step * 10 ** count)) > 1e-6 * step * 10 ** count) count++;
  return count;
}

function drawAxes(svg, x, y) {
  const bottom = PLOT.height - PLOT.bottom;
  for (const tick of x.ticks) {
    const at = x.place(tick);
    svg.append(drawing("line", { x1: at, x2: at, y1: PLOT.top, y2: bottom, class: "grid" }));
    svg.append(drawing("text", { x: at, y: bottom + 17, class: "axis", "text-anchor": "middle" }, x.step ? tick.toFixed(decimals(x.step)) : `${+tick.toPrecision(2)}`));
  }
  for (const tick of y.ticks) {
    const at = y.place(tick);
    svg.append(drawing("line", { x1: PLOT.left, x2: PLOT.width - PLOT.right, y1: at, y2: at, class: "grid" }));
    svg.append(drawing("text", { x: PLOT.left - 7, y: at + 4, class: "axis", "text-anchor": "end" }, tick.toFixed(decimals(y.step))));
  }
  svg.append(drawing("text", { x: (PLOT.left + PLOT.width - PLOT.right) / 2, y: PLOT.height - 6, class: "axis", "text-anchor": "middle" }, "bits per pixel"));
}

function watch(svg, marks) {
  let last = null;
  const nearest = (event) => {
    const box = svg.getBoundingClientRect();
    const scale = PLOT.width / box.width;
    const [px, py] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    const distance = ({ at }) => Math.hypot(at[0] - px, at[1] - py);
    const best = marks.reduce((a, b) => (distance(b) < distance(a) ? b : a));
    return distance(best) < 36 * scale ? best : null;
  };
  const show = (best, event) => {
    if (last) last.made.classList.remove("on");
    last = best;
    if (best) best.made.classList.add("on");
    showTooltip(best && best.point, event);
  };
  svg.addEventListener("pointermove", (event) => show(nearest(event), event));
  svg.addEventListener("pointerleave", (event) => show(null, event));
  svg.addEventListener("click", (event) => {
    const best = nearest(event);
    if (best && !isPublished(best.point.codec)) showInViewer(best.point.codec, best.point.point, chartState.scope);
  });
}

function showTooltip(point, event) {
  const box = byId("tooltip");
  box.hidden = !point;
  if (!point) return;
  const values = [["bpp", point.bpp.toFixed(4)]];
  if (point.bytes) values.push(["bytes", bytes(point.bytes)]);
  for (const metric of DATA.metrics) {
    if (typeof point.metrics[metric.name] === "number") values.push([metric.label, number(point.metrics[metric.name], metric.name)]);
  }
  box.replaceChildren(
    element("b", {}, point.codec), point.point,
    element("dl", {}, ...values.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])));
  const size = box.getBoundingClientRect();
  box.style.left = `${Math.max(8, Math.min(event.clientX + 16, innerWidth - size.width - 8))}px`;
  box.style.top = `${Math.max(8, Math.min(event.clientY + 16, innerHeight - size.height - 8))}px`;
}
