// Two pictures under a divider, with zoom and overlays. A page gives `picture()`, its size, and `showSides()`.

const ZOOMS = [1, 2, 4, 8, 16];
const view = { split: 0.5, scale: 1, x: 0, y: 0, fit: true, overlay: "none", opacity: 0.6 };
const stage = byId("stage");

function startStage() {
  startZooms();
  startOverlays();
  startPointers();
  stage.addEventListener("keydown", moveByKey);
  new ResizeObserver(() => (view.fit ? fit() : place())).observe(stage);
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
  for (const image of stage.querySelectorAll("img, canvas")) {
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
