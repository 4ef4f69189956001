// The numbers of the report, and the colour and mark of each codec.

const DATA = JSON.parse(document.getElementById("data").textContent);

const MARKS = ["circle", "square", "triangle", "diamond"];

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
