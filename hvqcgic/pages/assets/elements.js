// Numbers, names, colours and elements: what every page uses.

const PART_COLOURS = { map: "#8a6d00", z: "#b5368c", coarse: "#2166ab", medium: "#9fb4c9", fine: "#e6731a", container: "#5d6a78" };

const byId = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") for (const [event, action] of Object.entries(value)) made.addEventListener(event, action);
    else if (key === "style") made.style.cssText = value;
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

function partsBar(parts) {
  const total = Object.values(parts).reduce((sum, bits) => sum + bits, 0);
  if (!total) return "";
  const text = Object.entries(parts).map(([part, bits]) => `${part} ${(100 * bits / total).toFixed(1)} %`).join(", ");
  return element("div", { class: "parts", title: text, role: "img", "aria-label": text }, ...Object.entries(parts).map(([part, bits]) =>
    element("span", { style: `width:${100 * bits / total}%;background:${PART_COLOURS[part] ?? "#98a3b3"}` })));
}
