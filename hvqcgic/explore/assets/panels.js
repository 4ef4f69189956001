"use strict";
// What stands around the stage: figures, where the bytes go, coding modes, rivals, previews and steps.

const LABELS = { psnr_db: "PSNR, dB", lpips_alex: "LPIPS" };
const LOWER_IS_BETTER = new Set(["lpips_alex"]);
const CELLS = { fine: "4 px", medium: "8 px", coarse: "16 px" };
const PART_NAMES = { map: "granularity map", z: "hyper-latents", coarse: "coarse cells", medium: "medium cells", fine: "fine cells", container: "container" };

function showFigures(result) {
  const figure = (value, label, title) => element("div", { class: "figure", title }, element("b", {}, value), element("span", {}, label));
  const saved = result.sizes?.["static-arithmetic"];
  byId("figures").replaceChildren(...[
    figure(bytes(result.bytes), "bytes"),
    figure(result.bpp.toFixed(4), "bits per pixel"),
    ...Object.entries(result.metrics).map(([name, value]) => figure(number(value, name), LABELS[name])),
    saved && result.coding === "adaptive" ? figure(percent(100 * (result.bytes / saved - 1)), "against static coding", "the same indices with one fixed table for each cell size") : null,
    figure(`${result.seconds.toFixed(2)} s`, result.is_file ? "to decode" : "to code and decode"),
  ].filter(Boolean));
}

function showParts(result) {
  const total = Object.values(result.parts).reduce((sum, bits) => sum + bits, 0);
  const shown = Object.entries(result.parts).filter(([, bits]) => bits > 0).sort((a, b) => b[1] - a[1]);
  const share = (bits) => `${(100 * bits / total).toFixed(1)} %`;
  byId("parts").replaceChildren(...shown.map(([part, bits]) =>
    element("span", { style: `width:${100 * bits / total}%;background:${PART_COLOURS[part]}`, title: `${PART_NAMES[part]}: ${share(bits)}` })));
  byId("parts").setAttribute("aria-label", shown.map(([part, bits]) => `${PART_NAMES[part]} ${share(bits)}`).join(", "));
  byId("parts-legend").replaceChildren(...shown.flatMap(([part, bits]) => [
    element("dt", {}, element("span", { class: "swatch", style: `background:${PART_COLOURS[part]}` }), PART_NAMES[part]),
    element("dd", { class: "none" }, result.counts[part] ? `${bytes(result.counts[part])} × ${(bits / result.counts[part]).toFixed(2)} bits` : ""),
    element("dd", {}, share(bits)),
  ]));
}

function showShares(result) {
  byId("shares").replaceChildren(...Object.keys(CELLS).map((size) =>
    element("span", { style: `width:${100 * result.shares[size]}%;background:${PART_COLOURS[size]}` })));
  const text = Object.entries(CELLS).map(([size, px]) => `${size} (${px}) ${Math.round(100 * result.shares[size])} %`).join(", ");
  byId("shares").setAttribute("aria-label", text);
  byId("shares-text").textContent = text;
}

function showModes(result) {
  const sizes = Object.entries(result.sizes ?? { [result.coding]: result.bytes });
  const most = Math.max(...sizes.map(([, size]) => size));
  byId("modes").replaceChildren(...sizes.map(([mode, size]) => {
    const more = mode === result.coding ? "" : ` (${percent(100 * (size / result.bytes - 1))})`;
    return element("div", { class: mode === result.coding ? "mode own" : "mode" }, element("span", {}, mode),
      element("div", { class: "track" }, element("span", { style: `width:${100 * size / most}%` })),
      element("span", {}, bytes(size), element("small", { class: "none" }, more)));
  }));
}

function showRivals(result, colours) {
  const rows = [{ key: "decoded", label: "hvqcgic", bytes: result.bytes, metrics: result.metrics }];
  for (const rival of result.rivals) rows.push({ key: `rival/${rival.name}`, label: rival.label, ...loaded(`rival/${rival.name}`)?.facts });
  const metrics = Object.keys(LABELS).filter((name) => rows.some((row) => row.metrics?.[name] !== undefined));
  const best = Object.fromEntries(metrics.map((name) => {
    const values = rows.map((row) => row.metrics?.[name]).filter((value) => value !== undefined);
    return [name, LOWER_IS_BETTER.has(name) ? Math.min(...values) : Math.max(...values)];
  }));
  const cell = (row, name) => element("td", { class: row.metrics?.[name] === best[name] ? "best better" : null }, number(row.metrics?.[name], name));
  byId("rivals").replaceChildren(
    element("thead", {}, element("tr", {}, ...["", "bytes", ...metrics.map((name) => LABELS[name]), ""].map((text) => element("th", {}, text)))),
    element("tbody", {}, ...rows.map((row, i) => element("tr", { class: sides.right === row.key ? "shown" : null },
      element("td", {}, element("span", { class: "swatch", style: `background:${colours[i]}` }), row.label),
      element("td", {}, row.bytes ? bytes(row.bytes) : "…", row.fits === false ? element("small", {}, "smallest possible") : null),
      ...metrics.map((name) => cell(row, name)),
      element("td", {}, element("button", { on: { click: () => showOn("right", row.key) }, "aria-label": `show ${row.label}` }, "show"))))));
  byId("rivals-card").hidden = !result.rivals.length;
  byId("rivals-hint").textContent = `The largest JPEG and AVIF that take no more bytes. ● is the better figure. ${result.why ?? ""}`;
}

function showStrip(id, keys, name, note) {
  byId(`${id}-card`).hidden = !keys.length;
  byId(`${id}-strip`).replaceChildren(...keys.map((key) => {
    const found = loaded(key);
    return element("button", { "data-key": key, "aria-pressed": String(sides.right === key), on: { click: () => showOn("right", key) } },
      found?.url ? element("img", { src: found.url, alt: "" }) : element("span", { class: "blank" }),
      element("b", {}, name(key, found?.facts)), element("small", {}, found ? note(found.facts) : "…"));
  }));
}

function showStrips(result) {
  const passes = Array.from({ length: result.passes }, (_, i) => `pass/${i + 1}`);
  showStrip("passes", passes, (key, facts) => `${key.slice(5)}${facts?.name ? ` · ${facts.name}` : ""}`,
    (facts) => `${bytes(facts.bytes)} bytes, ${Math.round(100 * facts.share)} % of cells`);
  const figure = (name, value) => name === "psnr_db" ? `${number(value, name)} dB` : `${LABELS[name]} ${number(value, name)}`;
  const figures = (facts) => Object.entries(facts.metrics ?? {}).map(([name, value]) => figure(name, value)).join(", ");
  showStrip("steps", result.steps.map((steps) => `steps/${steps}`),
    (key) => key === "steps/0" ? "plain decoder" : `${key.slice(6)} step${key === "steps/1" ? "" : "s"}`, figures);
}
