"use strict";
// What happens at every change: opening, coding, showing, settings.

const IDLE_MS = 350, SOON_MS = 50, ALIVE_MS = 3000;
let timer = 0, idle = 0;

// Opening -----------------------------------------------------------------------------------------------------------

async function openFile(file) {
  if (state.ended) return;
  if (file.size > state.limits.max_bytes) { notice(`${file.name}: ${bytes(file.size)} bytes, at most ${bytes(state.limits.max_bytes)} are taken here`, true); return; }
  const turn = ++state.turn;
  byId("busy").hidden = false;
  try {
    const { value } = await request(own(`open?name=${encodeURIComponent(file.name)}`), { method: "POST", body: file });
    if (turn !== state.turn) return;
    notice("");
    await take(value);
  } catch (error) { told(error); }
}

async function take(subject) {
  state.subject = subject;
  forget();
  original = null;
  clearMask(subject.width, subject.height);
  useTool(null);
  Object.assign(sides, { left: subject.is_file ? "decoded" : "original", right: "decoded" });
  byId("subject").textContent = `${subject.name} · ${subject.width} × ${subject.height} pixels`;
  byId("empty").hidden = true;
  document.body.classList.remove("empty");
  byId("divider").hidden = false;
  byId("controls").disabled = subject.is_file;
  byId("file-hint").hidden = !subject.is_file;
  fit();
  if (!subject.is_file) {
    const { value } = await request(own("original"));
    original = { url: URL.createObjectURL(value), facts: {} };
    showSides();
  }
  await code();
}

function forget() {
  for (const { url } of pictures.values()) if (url) URL.revokeObjectURL(url);
  pictures = new Map();
}

// Coding ------------------------------------------------------------------------------------------------------------

function wanted() {
  const shares = [ratios.fine, ratios.medium, 1 - ratios.fine - ratios.medium].map((share) => Math.max(0, share));
  const point = state.by === "rate" ? { bpp: Number(byId("bpp").value) } : { ratios: shares };
  return { model: byId("model").value, coding: byId("coding").value, mask: brush.png, ...point };
}

function codeSoon() {
  clearTimeout(timer);
  timer = setTimeout(() => void code(), SOON_MS);
}

async function code() {
  if (!state.subject || state.ended) return;
  const turn = ++state.turn;
  clearTimeout(idle);
  byId("busy").hidden = false;
  try {
    const body = JSON.stringify(state.subject.is_file ? { model: byId("model").value } : wanted());
    const { value: result } = await request(own("code"), { method: "POST", body });
    if (turn !== state.turn) return;
    const decoded = await request(own(`results/${result.number}/decoded`));
    if (turn !== state.turn) return;
    forget();
    pictures.set("decoded", { url: URL.createObjectURL(decoded.value), facts: {} });
    state.result = result;
    if (byId("notice").dataset.about === "rate" || result.clamped) notice(result.clamped);
    byId("notice").dataset.about = result.clamped ? "rate" : "";
    byId("busy").hidden = true;
    showResult();
    idle = setTimeout(() => void loadRest(turn), IDLE_MS);
  } catch (error) { if (turn === state.turn || error instanceof Ended) told(error); }
}

function showResult() {
  const { result } = state;
  showFigures(result);
  showParts(result);
  showShares(result);
  showModes(result);
  showRivals(result, state.colours);
  showStrips(result);
  showChoices();
  showSides();
  if (state.by === "rate") Object.assign(ratios, result.shares);
  for (const [id, name] of [["save-file", "file"], ["save-png", "png"]]) {
    byId(id).href = own(`results/${result.number}/${name}`);
    byId(id).setAttribute("aria-disabled", "false");
  }
}

// Everything that is not needed at once, in the order in which it is missed.
async function loadRest(turn) {
  const { result } = state;
  const path = (name) => own(`results/${result.number}/${name}`);
  const still = () => turn === state.turn;
  try {
    for (const key of [...new Set([sides.left, sides.right])]) await load(key);
    await loadOverlay();
    if (state.by === "rate" && !result.is_file) {
      const { value: range } = await request(path("range"));
      if (!still()) return;
      setRange(range.bpp);
    }
    if (!result.is_file) {
      const { value } = await request(path("quality"));
      if (!still()) return;
      Object.assign(result, { metrics: value.metrics, why: value.why });
      showFigures(result);
      showRivals(result, state.colours);
    }
    const { value: modes } = await request(path("modes"));
    if (!still()) return;
    result.sizes = modes.sizes;
    showFigures(result);
    showModes(result);
    for (const rival of result.rivals) { await load(`rival/${rival.name}`); if (!still()) return; showRivals(result, state.colours); }
    await loadStrips();
  } catch (error) { if (still()) told(error); }
}

async function loadStrips() {
  const { result, turn } = state;
  const keys = [
    ...(byId("passes").open ? Array.from({ length: result.passes }, (_, i) => `pass/${i + 1}`) : []),
    ...(byId("steps").open ? result.steps.map((steps) => `steps/${steps}`) : []),
  ];
  for (const key of keys) { await load(key); if (turn !== state.turn) return; showStrips(result); }
}

async function load(key) {
  if (loaded(key) || key === "original" || !state.result) return;
  const { turn } = state;
  const { value, facts } = await request(own(`results/${state.result.number}/${key}`));
  if (turn !== state.turn) throw new Replaced();
  pictures.set(key, { url: URL.createObjectURL(value), facts });
  if (Object.values(sides).includes(key) || key === view.overlay) showSides();
}

const loadOverlay = async () => { if (view.overlay !== "none") await load(view.overlay); };

// Showing -----------------------------------------------------------------------------------------------------------

function nameOf(key) {
  const [kind, which] = key.split("/");
  const rival = state.result?.rivals.find((each) => each.name === which)?.label;
  return { original: "original", decoded: "this file", pass: `after pass ${which}`, steps: `reverse path, ${which} step${which === "1" ? "" : "s"}`, rival: `${rival} at the same bytes` }[kind];
}

function showChoices() {
  const { result, subject } = state;
  const keys = [...(subject.is_file ? [] : ["original"]), "decoded", ...result.rivals.map(({ name }) => `rival/${name}`),
    ...Array.from({ length: Math.max(0, result.passes - 1) }, (_, i) => `pass/${i + 1}`), ...result.steps.filter(Boolean).map((steps) => `steps/${steps}`)];
  for (const side of ["left", "right"]) {
    if (!keys.includes(sides[side])) sides[side] = "decoded";
    options(byId(side), keys, sides[side], nameOf);
  }
}

function showOn(side, key) {
  // The last pass and no step are the file itself.
  sides[side] = key === `pass/${state.result?.passes}` || key === "steps/0" ? "decoded" : key;
  showChoices();
  showSides();
  if (!state.result) return;
  showRivals(state.result, state.colours);
  showStrips(state.result);
  load(sides[side]).catch(told);
}

function showSides() {
  if (view.overlay !== "none" && state.result && !loaded(view.overlay)) loadOverlay().catch(told);
  for (const side of ["left", "right"]) showLayer(side);
  place();
  showRing();
}

function showLayer(side) {
  const key = sides[side], found = loaded(key), layer = byId(`layer-${side}`);
  if (found) {
    const images = [element("img", { src: found.url, alt: nameOf(key) })];
    const overlay = /^(decoded|steps)/.test(key) ? pictures.get(view.overlay) : null;
    if (overlay) images.push(element("img", { src: overlay.url, alt: "", class: "overlay", style: `opacity:${view.opacity}` }));
    layer.replaceChildren(...images);
  } else if (key === "original") layer.replaceChildren();
  const size = { decoded: state.result?.bytes }[key] ?? found?.facts.bytes;
  byId(`tag-${side}`).textContent = state.subject ? `${nameOf(key)}${size ? ` · ${bytes(size)} bytes` : ""}${found ? "" : " …"}` : "";
}

// Settings ----------------------------------------------------------------------------------------------------------

const bppAt = (share) => state.range[0] * (state.range[1] / state.range[0]) ** share;
const shareOf = (bpp) => Math.log(bpp / state.range[0]) / Math.log(state.range[1] / state.range[0]);

function setBpp(bpp, fromSlider = false) {
  byId("bpp").value = bpp.toFixed(3);
  if (!fromSlider) byId("rate").value = String(1000 * Math.min(1, Math.max(0, shareOf(bpp))));
  byId("rate").setAttribute("aria-valuetext", `${bpp.toFixed(3)} bits per pixel`);
}

function setRange([low, high]) {
  state.range = [Math.max(low, 0.001), Math.max(high, low * 1.01)];
  byId("rate-low").textContent = low.toFixed(3);
  byId("rate-high").textContent = high.toFixed(3);
  setBpp(Number(byId("bpp").value));
}

function setBy(by) {
  state.by = by;
  byId("by-rate").setAttribute("aria-pressed", String(by === "rate"));
  byId("by-ratios").setAttribute("aria-pressed", String(by === "ratios"));
  byId("rate-box").hidden = by !== "rate";
  byId("ratios-box").hidden = by === "rate";
  if (by === "rate" && state.result) setBpp(state.result.bpp);
  showRatios();
}

function showRatios() {
  for (const size of Object.keys(ratios)) {
    byId(size).value = String(Math.round(100 * ratios[size]));
    byId(`${size}-is`).textContent = `${Math.round(100 * ratios[size])} %`;
  }
}

// One share is moved, the others keep their proportion.
function setRatio(size, share) {
  const others = Object.keys(ratios).filter((other) => other !== size);
  const rest = others.reduce((sum, other) => sum + ratios[other], 0);
  for (const other of others) ratios[other] = rest > 1e-6 ? (1 - share) * ratios[other] / rest : (1 - share) / 2;
  ratios[size] = share;
  showRatios();
  codeSoon();
}

async function useModel(name) {
  const { value } = await request(own(`models/${encodeURIComponent(name)}`));
  byId("presets").replaceChildren(...value.presets.map((preset) => element("button", { on: { click: () => {
    [ratios.fine, ratios.medium, ratios.coarse] = preset;
    showRatios();
    codeSoon();
  } } }, preset.join(" · "))));
  setRange(value.bpp);
}

function startSettings() {
  options(byId("model"), state.models.map(({ name }) => name), state.models[0].name, (name) => state.models.find((model) => model.name === name).label);
  options(byId("coding"), state.modes, state.modes[0]);
  byId("by-rate").addEventListener("click", () => { setBy("rate"); codeSoon(); });
  byId("by-ratios").addEventListener("click", () => { setBy("ratios"); codeSoon(); });
  byId("rate").addEventListener("input", (event) => { setBpp(bppAt(event.target.value / 1000), true); codeSoon(); });
  byId("bpp").addEventListener("change", (event) => {
    const bpp = Number(event.target.value);
    if (bpp > 0 && bpp <= 24) { setBpp(bpp); codeSoon(); } else { notice("give a bit rate above 0 and at most 24 bits per pixel", true); if (state.result) setBpp(state.result.bpp); }
  });
  for (const size of Object.keys(ratios)) byId(size).addEventListener("input", (event) => setRatio(size, event.target.value / 100));
  byId("model").addEventListener("change", (event) => useModel(event.target.value).then(codeSoon, told));
  byId("coding").addEventListener("change", codeSoon);
  for (const side of ["left", "right"]) byId(side).addEventListener("change", (event) => showOn(side, event.target.value));
  for (const id of ["passes", "steps"]) byId(id).addEventListener("toggle", () => { if (state.result) loadStrips().catch(told); });
}

function startFiles() {
  for (const id of ["open", "open-here"]) byId(id).addEventListener("click", () => byId("file").click());
  byId("file").addEventListener("change", (event) => { if (event.target.files[0]) void openFile(event.target.files[0]); event.target.value = ""; });
  document.addEventListener("dragover", (event) => { event.preventDefault(); byId("drop").hidden = false; });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) byId("drop").hidden = true; });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    byId("drop").hidden = true;
    const [file, more] = event.dataTransfer.files;
    if (more) notice("one file at a time: the first one is opened");
    if (file) void openFile(file);
  });
  byId("notice-close").addEventListener("click", () => { byId("notice").hidden = true; });
}

async function start() {
  try {
    const { value } = await request("pages", { method: "POST" });
    Object.assign(state, value);
    startStage();
    startBrush(codeSoon);
    startSettings();
    startFiles();
    await useModel(state.models[0].name);
    setBpp(Math.sqrt(state.range[0] * state.range[1]));
    showRatios();
    setInterval(() => { if (!state.ended) request(`pages/${state.page}`).catch(told); }, ALIVE_MS);
    addEventListener("pagehide", () => navigator.sendBeacon(own("end")));
    if (value.subject) await take(value.subject);
  } catch (error) { told(error); }
}

void start();
