"use strict";
// The state of the page, its requests, and what it says when one fails.

const state = { page: null, models: [], modes: [], colours: [], limits: {}, subject: null, by: "rate", range: [0.05, 0.5], result: null, turn: 0, ended: false };
const sides = { left: "original", right: "decoded" };
const ratios = { fine: 0.5, medium: 0.4, coarse: 0.1 };
let pictures = new Map(); // of the last coded picture, by view: {url, facts}
let original = null;

class Ended extends Error {}
class Replaced extends Error {}

const picture = () => state.subject ?? { width: 3, height: 2 };
const loaded = (key) => (key === "original" ? original : pictures.get(key));

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Ended("the server has ended: start hvqcgic explore again, and open the address that it prints");
  }
  if (!response.ok) {
    const said = await response.json().catch(() => ({}));
    throw new (said.gone ? Ended : Error)(said.error ?? `the server answered ${response.status}`);
  }
  const kind = response.headers.get("content-type") ?? "";
  const value = kind.startsWith("application/json") ? await response.json() : await response.blob();
  if (value.replaced) throw new Replaced();
  return { value, facts: JSON.parse(response.headers.get("x-facts") ?? "{}") };
}

const own = (path) => `pages/${state.page}/${path}`;

function told(error) {
  if (error instanceof Replaced) return;
  if (error instanceof Ended) {
    state.ended = true;
    byId("controls").disabled = byId("open").disabled = true;
    for (const id of ["save-file", "save-png"]) byId(id).setAttribute("aria-disabled", "true");
  }
  byId("busy").hidden = true;
  notice(error.message, true);
}

function notice(text, bad = false) {
  if (state.ended && !byId("notice").hidden) return;
  byId("notice-text").textContent = text;
  byId("notice").classList.toggle("bad", bad);
  byId("notice").hidden = !text;
}
