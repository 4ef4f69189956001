// BD-rates, all points, and how everything was measured.

function startTables() {
  options(byId("anchor"), codecs, DATA.bd.anchor);
  byId("anchor").addEventListener("change", drawRates);
  drawRates();
  drawPoints();
  drawMethod();
}

function name(codec) {
  return element("span", {}, element("span", { class: "swatch", style: `background:${colour(codec)}` }), codec);
}

function drawRates() {
  const anchor = byId("anchor").value;
  const entries = DATA.bd.entries.filter((entry) => entry.anchor === anchor);
  const metrics = DATA.metrics.filter((metric) => entries.some((entry) => entry.metric === metric.name));
  const tests = codecs.filter((codec) => entries.some((entry) => entry.test === codec));
  const head = element("tr", {}, element("th", {}, "codec"), ...metrics.map((metric) => element("th", { scope: "col" }, metric.label)));
  const lines = tests.map((test) => element("tr", {}, element("td", {}, name(test)), ...metrics.map((metric) =>
    rateCell(entries.find((entry) => entry.test === test && entry.metric === metric.name), metric))));
  byId("bd").replaceChildren(element("thead", {}, head), element("tbody", {}, ...lines));
  const interval = anchor === DATA.bd.anchor
    ? `In brackets, the 95 % interval of a bootstrap over pictures (${DATA.bd.draws} draws).`
    : `Intervals are given against ${DATA.bd.anchor}.`;
  byId("bd-note").textContent = `Mean difference in file size at equal quality (Akima interpolation); below 0 the codec needs fewer bits than ${anchor}. `
    + `${interval} Below it, the range of quality that the curves share, and its share of what both span. `
    + "Where curves cannot be compared, point at the cell for the reason.";
}

function rateCell(entry, metric) {
  if (!entry) return element("td", { class: "none" }, "");
  if (entry.reason) return element("td", { class: "none", title: entry.reason }, entry.reason.includes("no common") ? "no overlap" : "–");
  const kind = entry.value < 0 ? "less" : "more";
  const range = `${number(entry.low, metric.name)} – ${number(entry.high, metric.name)}, ${(100 * entry.share).toFixed(0)} %`;
  const interval = entry.interval ? `[${percent(entry.interval[0])}, ${percent(entry.interval[1])}]` : null;
  const notes = entry.notes.length ? entry.notes.join("; ") : null;
  return element("td", { title: notes },
    element("span", { class: kind }, percent(entry.value)), interval && element("small", {}, interval), element("small", {}, range + (notes ? " *" : "")));
}

function drawPoints() {
  const head = ["codec", "point", "bpp", ...DATA.metrics.map((metric) => [metric.label, countOf(metric)].filter(Boolean).join("; "))];
  const lines = DATA.curves.flatMap((curve) => curve.points.map((point, i) => element("tr", {},
    element("td", {}, name(curve.codec)), element("td", {}, point), element("td", {}, number(curve.bpp[i])),
    ...DATA.metrics.map((metric) => element("td", {}, valueAt(curve, metric, i))))));
  byId("all-points").replaceChildren(
    element("thead", {}, element("tr", {}, ...head.map((text) => element("th", {}, text)))), element("tbody", {}, ...lines));
}

// A mean, with the rate of its pictures where they are not those of the column of rates.
function valueAt(curve, metric, i) {
  const text = number(curve.metrics[metric.name]?.[i], metric.name);
  return metric.name in DATA.counts && metric.name in curve.metrics && !curve.published ? `${text} at ${number(curve.rates[metric.name][i])} bpp` : text;
}

function drawMethod() {
  const run = DATA.run;
  const facts = [["codecs", run.specs.join(" ")]];
  const failed = DATA.rows.filter((row) => row.status !== "ok");
  for (const row of failed) facts.push([`${row.codec}, ${row.point}, ${row.picture}`, row.status]);
  for (const [metric, why] of Object.entries(run.missing)) facts.push([metricOf.get(metric)?.label ?? metric, why]);
  for (const [key, value] of Object.entries(run.settings)) facts.push([key, typeof value === "object" ? JSON.stringify(value) : String(value)]);
  facts.push(["versions", Object.entries(run.versions).map((pair) => pair.join(" ")).join(", ")]);
  for (const curve of DATA.curves.filter((curve) => curve.published)) {
    const { source, dataset, notes, read_from } = curve.published;
    facts.push([curve.codec, `${dataset}; read from ${read_from}; ${source}. ${notes}`]);
  }
  facts.push(["pictures", DATA.embedded === "all" ? "all inside this file" :
    `beside this file in the folder pictures${DATA.embedded.length ? `; inside it: ${DATA.embedded.join(", ")}` : ""}`]);
  byId("method-body").replaceChildren(element("dl", {}, ...facts.flatMap(([term, text]) => [element("dt", {}, term), element("dd", {}, text)])));
  byId("notes").replaceChildren(...DATA.notes.map((note) => element("div", {}, note)));
  const pixels = DATA.pictures.length === 1 ? "1 picture" : `${DATA.pictures.length} pictures`;
  byId("summary").textContent = `${pixels}, ${measured.length} codecs, ${DATA.rows.length} files${failed.length ? `, ${failed.length} failed` : ""}`;
}
