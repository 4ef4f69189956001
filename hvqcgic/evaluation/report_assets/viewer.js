// Two coded pictures under a divider, with zoom, overlays, and a search for the rival's file nearest in size.

const ORIGINAL = "original";
const ZOOMS = [1, 2, 4, 8, 16];
const view = {
  picture: 0, left: { codec: ORIGINAL, point: "" }, right: { codec: "", point: "" },
  split: 0.5, scale: 1, x: 0, y: 0, fit: true, overlay: "none", opacity: 0.6, equal: false,
};
const stage = byId("stage");
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
  startZooms();
  startOverlays();
  startPointers();
  stage.addEventListener("keydown", moveByKey);
  new ResizeObserver(() => (view.fit ? fit() : place())).observe(stage);
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

function fit() {
  const { width, height } = picture();
  view.fit = true;
  view.scale = Math.min(stage.clientWidth / width, stage.clientHeight / height);
  place();
}

// Puts the pictures and the divider where the state says; keeps the picture within the stage.
function place() {
  const { width, height } = picture();
  const inside = (at, size, room) => (size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, at)));
  view.x = inside(view.x, width * view.scale, stage.clientWidth);
  view.y = inside(view.y, height * view.scale, stage.clientHeight);
  for (const image of stage.querySelectorAll("img")) {
    image.style.width = `${width}px`;
    image.style.height = `${height}px`;
    image.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
    image.classList.toggle("pixels", view.scale >= 1);
  }
  const at = view.split * stage.clientWidth;
  byId("layer-left").style.clipPath = `inset(0 ${stage.clientWidth - at}px 0 0)`;
  byId("layer-right").style.clipPath = `inset(0 0 0 ${at}px)`;
  byId("divider").style.left = `${at}px`;
  stage.setAttribute("aria-valuenow", String(Math.round(100 * view.split)));
  stage.classList.toggle("fits", view.fit);
  for (const button of byId("zooms").children) {
    button.setAttribute("aria-pressed", String(button.dataset.zoom === (view.fit ? "fit" : String(view.scale))));
  }
}

function moveDivider(clientX) {
  const box = stage.getBoundingClientRect();
  view.split = Math.min(1, Math.max(0, (clientX - box.left) / box.width));
  place();
}

// Changes the zoom and keeps the point of the picture under (x, y) of the stage where it is.
function zoomAt(scale, x, y) {
  const limited = Math.min(32, Math.max(0.1, scale));
  view.x = x - (x - view.x) * limited / view.scale;
  view.y = y - (y - view.y) * limited / view.scale;
  view.scale = limited;
  view.fit = false;
  place();
}

function startZooms() {
  const button = (zoom, text, action) => element("button", { "data-zoom": zoom, on: { click: action } }, text);
  byId("zooms").replaceChildren(button("fit", "fit", fit), ...ZOOMS.map((zoom) =>
    button(String(zoom), `${zoom}×`, () => zoomAt(zoom, stage.clientWidth / 2, stage.clientHeight / 2))));
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = stage.getBoundingClientRect();
    zoomAt(view.scale * 2 ** (-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
}

function startOverlays() {
  const buttons = byId("overlays").querySelectorAll("button");
  for (const button of buttons) {
    button.addEventListener("click", () => {
      view.overlay = button.dataset.overlay;
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      byId("opacity-label").hidden = view.overlay === "none";
      showLegend();
      showSides();
    });
  }
  byId("opacity").addEventListener("input", (event) => { view.opacity = event.target.value / 100; showSides(); });
}

function showLegend() {
  const cell = (rgb, text) => element("span", {}, element("span", { class: "swatch", style: `background:${rgb}` }), text);
  const legends = {
    none: [],
    map: [cell("#2166ab", "coarse, 16 px"), cell("#f7f7f7;outline:1px solid #98a3b3", "medium, 8 px"), cell("#e6731a", "fine, 4 px")],
    bits: ["few bits", element("span", { class: "ramp" }), "many bits per cell"],
  };
  byId("overlay-legend").replaceChildren(...legends[view.overlay]);
}

function startPointers() {
  const held = new Map();
  let dividing = false, pinch = null;
  const middle = () => {
    const [a, b] = [...held.values()], box = stage.getBoundingClientRect();
    return { x: (a.x + b.x) / 2 - box.left, y: (a.y + b.y) / 2 - box.top, apart: Math.hypot(a.x - b.x, a.y - b.y) };
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    held.set(event.pointerId, { x: event.clientX, y: event.clientY });
    stage.setPointerCapture(event.pointerId);
    if (held.size === 2) { pinch = { ...middle(), scale: view.scale }; dividing = false; return; }
    // With the whole picture in sight there is nowhere to move it: dragging anywhere moves the divider.
    dividing = view.fit || byId("divider").contains(event.target);
    if (dividing) moveDivider(event.clientX);
    stage.classList.toggle("panning", !dividing);
  });
  stage.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) return;
    held.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (held.size === 2) { const now = middle(); zoomAt(pinch.scale * now.apart / pinch.apart, now.x, now.y); return; }
    if (dividing) { moveDivider(event.clientX); return; }
    view.x += event.clientX - before.x;
    view.y += event.clientY - before.y;
    place();
  });
  const release = (event) => { held.delete(event.pointerId); stage.classList.remove("panning"); };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
}

function moveByKey(event) {
  const by = event.shiftKey ? 0.1 : 0.01;
  const moved = { ArrowLeft: view.split - by, ArrowRight: view.split + by, Home: 0, End: 1 }[event.key];
  if (moved === undefined) return;
  event.preventDefault();
  view.split = Math.min(1, Math.max(0, moved));
  place();
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

function partsBar(parts) {
  const total = Object.values(parts).reduce((sum, bits) => sum + bits, 0);
  if (!total) return "";
  const text = Object.entries(parts).map(([part, bits]) => `${part} ${(100 * bits / total).toFixed(1)} %`).join(", ");
  return element("div", { class: "parts", title: text, role: "img", "aria-label": text }, ...Object.entries(parts).map(([part, bits]) =>
    element("span", { style: `width:${100 * bits / total}%;background:${PART_COLOURS[part] ?? "#98a3b3"}` })));
}
