// Numbers, names, colours and elements: what every other part uses.

const DATA = JSON.parse(document.getElementById("data").textContent);

const MARKS = ["circle", "square", "triangle", "diamond"];
const PART_COLOURS = { map: "#8a6d00", z: "#b5368c", coarse: "#2166ab", medium: "#9fb4c9", fine: "#e6731a", container: "#5d6a78" };

const byId = (id) => document.getElementById(id);
const metricOf = new Map(DATA.metrics.map((metric) => [metric.name, metric]));
const codecs = DATA.curves.map((curve) => curve.codec);
// Codecs whose points were all left out of the curves can still be looked at.
const measured = [...new Set(DATA.rows.filter((row) => row.status === "ok").map((row) => row.codec))];

function colour(codec) {
  const place = codecs.indexOf(codec);
  return place < 0 ? "#5d6a78" : DATA.colours[place % DATA.colours.length];
}

function mark(codec) {
  return MARKS[Math.max(0, codecs.indexOf(codec)) % MARKS.length];
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") for (const [event, action] of Object.entries(value)) made.addEventListener(event, action);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function drawing(name, attributes = {}, text = null) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  return made;
}

function number(value, metric) {
  if (value === null || value === undefined) return "–";
  if (metric === "psnr_db" || metric === "fid" || metric === "inception_score") return value.toFixed(2);
  if (metric === "niqe") return value.toFixed(3);
  return value.toFixed(4);
}

function percent(value) {
  return `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(1)} %`;
}

function bytes(value) {
  return value.toLocaleString("en").replaceAll(",", " ");
}

function options(select, values, chosen, label = (value) => value) {
  select.replaceChildren(...values.map((value) => element("option", { value, selected: value === chosen }, label(value))));
}

// A mark of 2 r across around (x, y).
function shape(kind, x, y, r) {
  if (kind === "square") return drawing("rect", { x: x - r * 0.9, y: y - r * 0.9, width: 1.8 * r, height: 1.8 * r });
  if (kind === "triangle") return drawing("path", { d: `M${x} ${y - 1.2 * r}L${x + 1.1 * r} ${y + 0.8 * r}L${x - 1.1 * r} ${y + 0.8 * r}Z` });
  if (kind === "diamond") return drawing("path", { d: `M${x} ${y - 1.25 * r}L${x + 1.25 * r} ${y}L${x} ${y + 1.25 * r}L${x - 1.25 * r} ${y}Z` });
  return drawing("circle", { cx: x, cy: y, r });
}

function isPublished(codec) {
  return DATA.curves.some((curve) => curve.codec === codec && curve.published);
}
