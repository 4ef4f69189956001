"use strict";
// The brush for regions of interest: a canvas over the stage, of the picture's size; its opacity is the weight.

const PAINT = "#ff2d87";
const brush = { tool: null, x: 0, y: 0, last: null, png: null, changed: () => {} };
const canvas = byId("mask");

function startBrush(changed) {
  brush.changed = changed;
  for (const tool of ["paint", "erase"]) byId(tool).addEventListener("click", () => useTool(brush.tool === tool ? null : tool));
  byId("clear").addEventListener("click", () => { clearMask(); brush.changed(); });
  byId("brush-size").addEventListener("input", showRing);
  // In the capturing phase, so that the divider and the picture stay where they are.
  const on = (name, action) => stage.addEventListener(name, (event) => { if (brush.tool) action(event); }, true);
  on("pointerdown", (event) => {
    if (event.button > 0) return;
    event.stopImmediatePropagation();
    stage.setPointerCapture(event.pointerId);
    brush.last = null;
    stroke(event, brush.tool);
  });
  on("pointermove", (event) => {
    event.stopImmediatePropagation();
    if (event.buttons & 1) stroke(event, brush.tool); else moveBrush(...pictureAt(event));
  });
  on("pointerup", (event) => { event.stopImmediatePropagation(); void endStroke(); });
  on("pointercancel", () => void endStroke());
  on("keydown", paintByKey);
  showRing();
}

function useTool(tool) {
  brush.tool = tool;
  for (const name of ["paint", "erase"]) byId(name).setAttribute("aria-pressed", String(name === tool));
  stage.classList.toggle("painting", tool !== null);
  byId("ring").hidden = tool === null;
  if (tool) { moveBrush(canvas.width / 2, canvas.height / 2); stage.focus({ preventScroll: true }); }
}

function clearMask(width = canvas.width, height = canvas.height) {
  canvas.width = width;
  canvas.height = height;
  brush.png = null;
  brush.last = null;
  byId("clear").disabled = true;
}

function pictureAt(event) {
  const box = stage.getBoundingClientRect();
  return [(event.clientX - box.left - view.x) / view.scale, (event.clientY - box.top - view.y) / view.scale];
}

function moveBrush(x, y) {
  brush.x = Math.min(canvas.width, Math.max(0, x));
  brush.y = Math.min(canvas.height, Math.max(0, y));
  showRing();
}

const brushWidth = () => Number(byId("brush-size").value) * Math.max(canvas.width, canvas.height) / 768;

function showRing() {
  byId("brush-is").textContent = `${Math.round(brushWidth())} px`;
  const size = `${brushWidth() * view.scale}px`;
  byId("ring").style.cssText = `width:${size};height:${size};left:${view.x + brush.x * view.scale}px;top:${view.y + brush.y * view.scale}px`;
}

function stroke(event, tool) {
  const [x, y] = pictureAt(event);
  moveBrush(x, y);
  draw(x, y, tool);
}

function draw(x, y, tool) {
  const pen = canvas.getContext("2d");
  pen.globalCompositeOperation = tool === "erase" ? "destination-out" : "source-over";
  pen.strokeStyle = pen.fillStyle = PAINT;
  pen.lineWidth = brushWidth();
  pen.lineCap = pen.lineJoin = "round";
  const [fromX, fromY] = brush.last ?? [x, y];
  pen.beginPath();
  pen.moveTo(fromX, fromY);
  pen.lineTo(x, y);
  pen.stroke();
  // A line of no length draws nothing.
  pen.beginPath();
  pen.arc(x, y, brushWidth() / 2, 0, 2 * Math.PI);
  pen.fill();
  brush.last = [x, y];
}

async function endStroke() {
  if (!brush.last) return;
  brush.last = null;
  brush.png = await maskPng();
  byId("clear").disabled = brush.png === null;
  brush.changed();
}

// The mask as a grey PNG in base64, white where it is painted; null where nothing is.
async function maskPng() {
  const { width, height } = canvas;
  const area = canvas.getContext("2d").getImageData(0, 0, width, height);
  let painted = false;
  for (let i = 0; i < area.data.length; i += 4) {
    const weight = area.data[i + 3];
    painted ||= weight > 0;
    area.data[i] = area.data[i + 1] = area.data[i + 2] = weight;
    area.data[i + 3] = 255;
  }
  if (!painted) return null;
  const grey = element("canvas", { width, height });
  grey.getContext("2d").putImageData(area, 0, 0);
  return grey.toDataURL("image/png").split(",")[1];
}

function paintByKey(event) {
  const by = brushWidth() * (event.shiftKey ? 1 : 0.25);
  const moves = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] };
  const tools = { " ": brush.tool, Enter: brush.tool, Delete: "erase", Backspace: "erase" };
  if (moves[event.key]) moveBrush(brush.x + moves[event.key][0], brush.y + moves[event.key][1]);
  else if (tools[event.key]) { draw(brush.x, brush.y, tools[event.key]); void endStroke(); }
  else if (event.key === "Escape") useTool(null);
  else return;
  event.preventDefault();
  event.stopImmediatePropagation();
}
