// What the stage shows: two codecs at their points, and a search for the rival's file nearest in size.

const ORIGINAL = "original";
Object.assign(view, { picture: 0, left: { codec: ORIGINAL, point: "" }, right: { codec: "", point: "" }, equal: false });
const rowPlace = new Map(DATA.rows.map((row, i) => [JSON.stringify([row.picture, row.codec, row.point]), i]));

function startViewer() {
  if (!DATA.pictures.length || !measured.length) { byId("viewer").hidden = true; return; }
  view.left = { codec: measured[0], point: middlePoint(measured[0]) };
  const rival = measured[1] ?? ORIGINAL;
  view.right = { codec: rival, point: middlePoint(rival) };
  options(byId("picture"), DATA.pictures.map((_, i) => String(i)), "0", (i) => DATA.pictures[i].name);
  byId("picture").addEventListener("change", (event) => { view.picture = Number(event.target.value); refit(); });
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  for (const side of ["left", "right"]) {
    byId(`${side}-codec`).addEventListener("change", (event) => {
      view[side] = { codec: event.target.value, point: middlePoint(event.target.value) };
      showSides();
    });
    byId(`${side}-point`).addEventListener("change", (event) => { view[side].point = event.target.value; showSides(); });
  }
  byId("equal-bytes").addEventListener("change", (event) => { view.equal = event.target.checked; showSides(); });
  startStage();
  refit();
}

const picture = () => DATA.pictures[view.picture];
const rowOf = (codec, point) => rowPlace.get(JSON.stringify([picture().name, codec, point]));

function pointsOf(codec) {
  const bpp = new Map();
  for (const row of DATA.rows) if (row.codec === codec && row.status === "ok") bpp.set(row.point, Math.max(bpp.get(row.point) ?? 0, row.bpp));
  return [...bpp.keys()].sort((a, b) => bpp.get(a) - bpp.get(b));
}

function middlePoint(codec) {
  const points = pointsOf(codec);
  return points[Math.floor(points.length / 2)] ?? "";
}

function step(by) {
  view.picture = (view.picture + by + DATA.pictures.length) % DATA.pictures.length;
  byId("picture").value = String(view.picture);
  refit();
}

function showInViewer(codec, point, name) {
  const found = DATA.pictures.findIndex((item) => item.name === name);
  if (found >= 0) { view.picture = found; byId("picture").value = String(found); }
  view.equal = byId("equal-bytes").checked = false;
  view.right = { codec, point };
  refit();
  byId("viewer").scrollIntoView();
}

// The point of the right codec whose file of this picture is nearest in size to the left one's.
function nearestInSize() {
  const place = rowOf(view.left.codec, view.left.point);
  if (place === undefined || view.right.codec === ORIGINAL) return;
  const wanted = DATA.rows[place].bytes;
  const having = pointsOf(view.right.codec).filter((point) => DATA.rows[rowOf(view.right.codec, point)]?.status === "ok");
  const distance = (point) => Math.abs(Math.log(DATA.rows[rowOf(view.right.codec, point)].bytes / wanted));
  if (having.length) view.right.point = having.reduce((a, b) => (distance(b) < distance(a) ? b : a));
}

function refit() {
  view.fit = true;
  showSides();
  fit();
}

function showSides() {
  if (view.equal) nearestInSize();
  byId("right-point").disabled = view.equal;
  for (const side of ["left", "right"]) {
    const { codec, point } = view[side];
    options(byId(`${side}-codec`), [ORIGINAL, ...measured], codec);
    options(byId(`${side}-point`), pointsOf(codec), point);
    byId(`${side}-point`).hidden = codec === ORIGINAL;
    showLayer(side);
  }
  byId("stage-message").hidden = !view.equal || view.left.codec !== ORIGINAL;
  byId("stage-message").textContent = "At equal bytes: choose a codec on the left; the original has no size to match.";
  showFacts();
  place();
}

function showLayer(side) {
  const { codec, point } = view[side];
  const found = codec === ORIGINAL ? undefined : rowOf(codec, point);
  const [decoded, map, bits] = codec === ORIGINAL ? [picture().image] : DATA.images[found] ?? [];
  const overlay = { map, bits }[view.overlay];
  const row = found === undefined ? null : DATA.rows[found];
  const images = [decoded && element("img", { src: decoded, alt: `${picture().name}, ${codec} ${point}` })];
  if (overlay) images.push(element("img", { src: overlay, alt: "", class: "overlay", style: `opacity:${view.opacity}` }));
  byId(`layer-${side}`).replaceChildren(...images.filter(Boolean));
  let text = codec === ORIGINAL ? "original" : `${codec} · ${point}`;
  if (row) text += row.status === "ok" ? ` · ${bytes(row.bytes)} bytes` : ` · ${row.status}`;
  else if (codec !== ORIGINAL) text += " · not coded";
  if (!decoded) text += " · no picture file";
  byId(`tag-${side}`).textContent = text;
}

function showFacts() {
  const rows = ["left", "right"].map((side) => DATA.rows[rowOf(view[side].codec, view[side].point)]);
  const good = rows.map((row) => row?.status === "ok" ? row : null);
  const metrics = DATA.metrics.filter((metric) => good.some((row) => typeof row?.metrics[metric.name] === "number"));
  const head = ["", "bytes", "bpp", "encode", "decode", ...metrics.map((metric) => metric.label), "bits by part"];
  const lines = good.map((row, i) => element("tr", {}, element("td", {}, ["left: ", "right: "][i],
    view[["left", "right"][i]].codec), ...factCells(row, good[1 - i], metrics)));
  byId("facts").replaceChildren(
    element("thead", {}, element("tr", {}, ...head.map((text) => element("th", {}, text)))),
    element("tbody", {}, ...lines));
}

function factCells(row, other, metrics) {
  if (!row) return [element("td", { class: "none", colspan: metrics.length + 5 }, "")];
  const more = other ? ` (${percent(100 * (row.bytes / other.bytes - 1))})` : "";
  const seconds = (value) => `${value.toFixed(2)} s`;
  return [
    element("td", {}, bytes(row.bytes), element("small", {}, more)), element("td", {}, number(row.bpp)),
    element("td", {}, seconds(row.encode_s)), element("td", {}, seconds(row.decode_s)),
    ...metrics.map((metric) => {
      const [own, theirs] = [row.metrics[metric.name], other?.metrics[metric.name]];
      const better = typeof own === "number" && typeof theirs === "number" && (metric.lower ? own < theirs : own > theirs);
      return element("td", { class: better ? "better" : null }, number(own, metric.name));
    }),
    element("td", {}, partsBar(row.parts)),
  ];
}
