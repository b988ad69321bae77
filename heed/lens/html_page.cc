#include "heed/lens/html_page.h"

namespace heed {

const char* const kHtmlPage = R"page(<!doctype html>
<html lang="en" data-theme="@THEME@">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="Heed">
<title>@TITLE@</title>
<style>
:root { --page: #fff; --panel: #f6f5f8; --ink: #1a1822; --faint: #62606c; --line: #d3d1d9; --mark: #006ec8; }
[data-theme=dark] { --page: #121118; --panel: #1c1b24; --ink: #eceaf0; --faint: #a4a1ae; --line: #413f4a; --mark: #6ebeff; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1280px; padding: 20px 24px 40px; background: var(--page); color: var(--ink);
  font: 15px/1.5 "DejaVu Sans", Verdana, system-ui, sans-serif; }
header { display: flex; gap: 16px; align-items: flex-start; justify-content: space-between; }
h1 { font-size: 20px; line-height: 1.3; margin: 0 0 8px; }
h2 { font-size: 15px; margin: 0 0 6px; }
#caption, #keys { color: var(--faint); font-size: 13px; margin: 6px 0; max-width: 75ch; }
nav { display: flex; flex-wrap: wrap; gap: 8px 18px; margin: 12px 0; }
label { color: var(--faint); font-size: 13px; }
select, button { font: inherit; font-size: 14px; color: var(--ink); background: var(--panel); border: 1px solid var(--line);
  border-radius: 6px; padding: 4px 8px; cursor: pointer; }
select { margin-left: 6px; max-width: 46ch; }
:focus-visible { outline: 2px solid var(--mark); outline-offset: 2px; }
main { display: flex; flex-wrap: wrap; gap: 24px; align-items: flex-start; }
#figure { flex: 0 1 auto; min-width: 0; overflow-x: auto; }
#side { flex: 0 1 300px; background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; }
#say { min-height: 3em; font-size: 15px; overflow-wrap: anywhere; }
#say b { color: var(--mark); }
#top { list-style: none; margin: 8px 0 0; padding: 0; font-size: 13px; }
#top li { display: grid; grid-template-columns: minmax(0, 1fr) 90px 5.5ch; gap: 8px; align-items: center; padding: 2px 0; }
#top span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
#top i { display: block; height: 9px; border-radius: 2px; background: var(--mark); }
#top output { text-align: right; font-variant-numeric: tabular-nums; }
#legend { display: flex; align-items: center; gap: 8px; margin-top: 12px; font-size: 12px; color: var(--faint); }
#legend canvas { width: 150px; height: 11px; border: 1px solid var(--line); }
#overview { margin-top: 26px; }
#grid { display: grid; gap: 5px; justify-content: start; align-items: center; font-size: 12px; color: var(--faint); overflow-x: auto; padding: 3px; }
#grid button { padding: 0; line-height: 0; border-radius: 3px; overflow: hidden; }
#grid button[aria-pressed=true] { outline: 3px solid var(--mark); }
#grid canvas { width: 100%; image-rendering: pixelated; }
canvas { max-width: none; }
</style>
</head>
<body>
<header><h1 id="title"></h1><button id="theme" type="button">Light / dark</button></header>
<p id="caption"></p>
<nav id="nav" aria-label="Which map"></nav>
<main id="main">
<section id="figure" aria-labelledby="name"><h2 id="name"></h2>
<canvas id="map" tabindex="0" role="application" aria-describedby="keys"></canvas></section>
<aside id="side"><div id="say" aria-live="polite"></div><ul id="top"></ul>
<div id="legend"><span id="low"></span><canvas id="bar" width="150" height="1"></canvas><span id="high"></span></div>
<p id="keys">Point at a square, or focus the map and use the arrow keys (Home and End for a row's ends).</p></aside>
</main>
<section id="overview" hidden><h2>All maps</h2><div id="grid"></div></section>
<noscript>This page draws its maps with a script, which this browser does not run.</noscript>
<script type="application/json" id="data">@DATA@</script>
<script>
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const colorsOf = table => table.match(/.{6}/g).map(c => [0, 2, 4].map(i => parseInt(c.slice(i, i + 2), 16)));
const colors = colorsOf("@COLORS@");  // dark to light
const signed = { light: colorsOf("@SIGNED_LIGHT@"), dark: colorsOf("@SIGNED_DARK@") };  // from the lowest on
const $ = id => document.getElementById(id);
const root = document.documentElement;
const dark = () => root.dataset.theme === "dark";
const css = name => getComputedStyle(root).getPropertyValue(name).trim();
let at = 0, cell = null, box = null;

function values(map) {
  if (!map.decoded) {
    const bytes = Uint8Array.from(atob(map.values), c => c.charCodeAt(0));
    if (map.kind === "f32") map.decoded = new Float32Array(bytes.buffer);
    else map.decoded = Float32Array.from(new Uint16Array(bytes.buffer),
      q => q === 65535 ? NaN : map.from + (map.to - map.from) * q / 65534);
  }
  return map.decoded;
}
function rgb(map, v) {
  if (Number.isNaN(v)) return dark() ? [58, 58, 62] : [214, 214, 218];
  const t = Math.min(1, Math.max(0, (v - map.lowest) / (map.highest - map.lowest)));
  if (map.lowest < 0) { const table = signed[dark() ? "dark" : "light"]; return table[Math.round(t * (table.length - 1))]; }
  return colors[Math.round((dark() ? t : 1 - t) * 255)];
}
const ink = c => 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2] > 140 ? "#181620" : "#faf8f4";
const number = v => Number.isNaN(v) ? "-" : Math.abs(v) >= 1000 ? v.toFixed(0) : Math.abs(v) < 0.00095 && v ? v.toPrecision(2) : v.toFixed(3);
const fixed = v => v.toFixed(2).replace(/^-(0\.00)$/, "$1");  // no "-0.00"
const strength = v => Math.abs(v);  // a difference counts by how far it is from 0
const word = (labels, i) => labels.length ? labels[i] : String(i);

function picture(map) {  // one pixel a cell
  const c = document.createElement("canvas");
  c.width = Math.max(1, map.columnCount); c.height = Math.max(1, map.rowCount);
  const g = c.getContext("2d"), image = g.createImageData(c.width, c.height), v = values(map);
  for (let i = 0; i < v.length; i++) { image.data.set(rgb(map, v[i]), 4 * i); image.data[4 * i + 3] = 255; }
  g.putImageData(image, 0, 0);
  return c;
}

function draw() {
  const map = data.maps[at], R = map.rowCount, C = map.columnCount, canvas = $("map");
  const g = canvas.getContext("2d"), all = $("main").clientWidth,
    room = Math.max(280, all > 820 ? all - 330 : all - 4);
  const measure = (labels, size) => { g.font = size + "px " + getComputedStyle(document.body).fontFamily;
    return Math.min(130, labels.reduce((w, s) => Math.max(w, g.measureText(s).width), 0)); };
  let size = 12;
  const left = map.rows.length ? measure(map.rows, size) + 8 : 4;
  let side = Math.min(46, (room - left - 40) / Math.max(1, C), 640 / Math.max(1, R));
  side = side >= 4 ? Math.floor(side) : Math.max(1, Math.floor(side * 2) / 2);
  size = Math.max(9, Math.min(12, side * 0.6));
  const step = Math.max(1, Math.ceil(size * 1.15 / side)), wide = measure(map.columns, size);
  const flat = wide <= side * step - 4, tilt = flat ? 0 : side * step >= size * 1.4 ? Math.PI / 4 : Math.PI / 2;
  const above = map.columns.length ? (flat ? size : wide * Math.sin(tilt) + size) + 4 : 4;
  const after = tilt === Math.PI / 4 ? wide * Math.SQRT1_2 + 6 : 6;
  const width = left + side * C + after, height = above + side * R + 6, scale = window.devicePixelRatio || 1;
  canvas.width = Math.ceil(width * scale); canvas.height = Math.ceil(height * scale);
  canvas.style.width = width + "px"; canvas.style.height = height + "px";
  g.setTransform(scale, 0, 0, scale, 0, 0);
  g.imageSmoothingEnabled = false;
  g.drawImage(picture(map), left, above, side * C, side * R);
  if (side >= 8) {
    g.fillStyle = css("--page");
    for (let c = 1; c < C; c++) g.fillRect(left + c * side - 0.5, above, 0.75, side * R);
    for (let r = 1; r < R; r++) g.fillRect(left, above + r * side - 0.5, side * C, 0.75);
  }
  const font = bold => g.font = (bold ? "bold " : "") + size + "px " + getComputedStyle(document.body).fontFamily;
  const cut = s => { if (g.measureText(s).width <= 130) return s;
    const parts = Array.from(s); while (parts.length && g.measureText(parts.join("") + "…").width > 130) parts.pop();
    return parts.join("") + "…"; };
  g.textBaseline = "middle"; g.textAlign = "right";
  map.rows.forEach((s, r) => {
    const here = cell && cell[0] === r, marked = map.marked.includes(r);
    if (r % step && !here && !marked) return;
    font(here || marked); g.fillStyle = css(here || marked ? "--mark" : "--ink");
    g.fillText(cut(s), left - 5, above + (r + 0.5) * side);
  });
  g.textAlign = flat ? "center" : "left";
  map.columns.forEach((s, c) => {
    const here = cell && cell[1] === c;
    if (c % step && !here) return;
    font(here); g.fillStyle = css(here ? "--mark" : "--ink");
    g.save(); g.translate(left + (c + 0.5) * side, above - 5 - (flat ? size / 3 : 0)); g.rotate(-tilt);
    g.fillText(cut(s), 0, 0); g.restore();
  });
  g.strokeStyle = css("--mark"); g.lineWidth = 2;
  for (const r of map.marked) g.strokeRect(left, above + r * side, side * C, side);
  if (side >= 30) {
    g.textAlign = "center"; g.font = Math.floor(side * 0.3) + "px " + getComputedStyle(document.body).fontFamily;
    const v = values(map);
    for (let i = 0; i < v.length; i++) {
      g.fillStyle = ink(rgb(map, v[i]));
      const said = map.cells ? map.cells[i] : Number.isNaN(v[i]) ? "-" : fixed(v[i]);
      if (g.measureText(said).width < side) g.fillText(said, left + (i % C + 0.5) * side, above + (Math.floor(i / C) + 0.5) * side);
    }
  }
  if (cell) { g.strokeStyle = css("--ink"); g.strokeRect(left + cell[1] * side, above + cell[0] * side, side, side); }
  box = { left, above, side, R, C };
}

function say() {
  const map = data.maps[at], v = values(map);
  if (!cell) {
    $("say").textContent = map.rowCount ? "Point at a square to read its value." : "This map is empty.";
    $("top").replaceChildren(); return;
  }
  const [r, c] = cell, row = word(map.rows, r);
  $("say").replaceChildren(bold(row), " → ", bold(word(map.columns, c)), ": ",
    ...(map.cells ? [bold(map.cells[r * map.columnCount + c]), " "] : []), number(v[r * map.columnCount + c]));
  const order = Array.from({ length: map.columnCount }, (_, j) => j).filter(j => !Number.isNaN(v[r * map.columnCount + j]))
    .sort((a, b) => strength(v[r * map.columnCount + b]) - strength(v[r * map.columnCount + a])).slice(0, 8);
  $("top").replaceChildren(...order.map(j => {
    const value = v[r * map.columnCount + j], li = document.createElement("li"), name = document.createElement("span");
    const bar = document.createElement("i"), out = document.createElement("output");
    name.textContent = word(map.columns, j) + (map.cells ? ": " + map.cells[r * map.columnCount + j] : ""); out.textContent = number(value);
    bar.style.width = 90 * Math.min(1, strength(value) / map.highest) + "px";
    li.append(name, bar, out); return li;
  }));
}
function bold(s) { const b = document.createElement("b"); b.textContent = s; return b; }

function show(index) {
  const before = data.maps[at];
  at = index;
  const map = data.maps[at];
  if (!map) return;
  if (cell && (map.rowCount !== before.rowCount || map.columnCount !== before.columnCount)) cell = null;
  if (!cell && map.marked.length && map.columnCount) {
    const r = map.marked[0], row = Array.from(values(map).subarray(r * map.columnCount, (r + 1) * map.columnCount), x => strength(x) || 0);
    cell = [r, row.indexOf(Math.max(...row))];
  }
  $("name").textContent = map.title;
  $("map").setAttribute("aria-label", "Heat map " + map.title + ", " + map.rowCount + " by " + map.columnCount);
  $("low").textContent = number(map.lowest); $("high").textContent = number(map.highest) + (map.lowest < 0 ? ", 0 in the middle" : "");
  const g = $("bar").getContext("2d");
  for (let i = 0; i < 150; i++) { g.fillStyle = "rgb(" + rgb(map, map.lowest + (map.highest - map.lowest) * i / 149) + ")"; g.fillRect(i, 0, 1, 1); }
  for (const b of document.querySelectorAll("#grid button")) b.setAttribute("aria-pressed", b.dataset.map === String(at));
  for (const [key, select] of selects) select.value = String(map[key]);
  draw(); say();
}

// Selectors for what the maps differ in: text, layer, head, or else their titles.
const names = { text: "Text", layer: "Layer", head: "Head" };
const selects = new Map();
const show_key = (key, v) => v !== "" ? v : key === "head" ? "mean of the heads" : key === "layer" ? "mean of the layers" : "-";
for (const map of data.maps) for (const key in names) map[key] = map[key] === undefined ? "" : String(map[key]);
let keys = Object.keys(names).filter(key => new Set(data.maps.map(m => m[key])).size > 1);
const told_apart = new Set(data.maps.map(m => keys.map(k => m[k]).join("\u0000"))).size === data.maps.length;
if (!told_apart) { keys = ["index"]; data.maps.forEach((m, i) => m.index = String(i)); names.index = "Map"; }
for (const key of keys) {
  const label = document.createElement("label"), select = document.createElement("select");
  for (const v of new Set(data.maps.map(m => m[key])))
    select.add(new Option(key === "index" ? data.maps[v].title : show_key(key, v), v));
  select.onchange = () => {  // the map that agrees in the new key and in as many others as can be
    const wanted = Object.fromEntries([...selects].map(([k, s]) => [k, s.value]));
    const score = m => m[key] !== wanted[key] ? -1 : keys.filter(k => m[k] === wanted[k]).length;
    show(data.maps.reduce((best, m, i) => score(m) > score(data.maps[best]) ? i : best, 0));
  };
  label.append(names[key], select); $("nav").append(label); selects.set(key, select);
}

function overview() {
  if (data.maps.length < 2) return;
  $("overview").hidden = false;
  const side = data.maps.length > 60 ? 64 : data.maps.length > 12 ? 84 : 130;
  const grid = $("grid"), children = [];
  const layers = keys.includes("layer") && keys.includes("head");
  const heads = layers ? [...new Set(data.maps.map(m => m.head))] : [];
  grid.style.gridTemplateColumns = layers ? "auto repeat(" + heads.length + ", " + side + "px)" : "repeat(auto-fill, " + side + "px)";
  let last = null;
  data.maps.forEach((map, i) => {
    const line = map.text + "\u0000" + map.layer;
    if (layers && line !== last) {
      if (last === null || map.text !== data.maps[i - 1].text) {
        const name = document.createElement("div"); name.style.gridColumn = "1 / -1"; name.textContent = map.text; children.push(name);
      }
      const name = document.createElement("div"); name.textContent = map.layer === "" ? "mean" : "layer " + map.layer; name.style.gridColumn = "1"; children.push(name);
      last = line;
    }
    const button = document.createElement("button"), c = picture(map);
    button.type = "button"; button.dataset.map = i; button.title = map.title; button.setAttribute("aria-label", map.title);
    if (layers) button.style.gridColumn = String(heads.indexOf(map.head) + 2);
    button.onclick = () => { show(i); $("figure").scrollIntoView({ block: "nearest" }); };
    button.append(c); children.push(button);
  });
  grid.replaceChildren(...children);
}

$("title").textContent = data.title;
$("caption").textContent = data.caption;
$("map").onmousemove = e => {
  const p = $("map").getBoundingClientRect();
  const c = Math.floor((e.clientX - p.left - box.left) / box.side), r = Math.floor((e.clientY - p.top - box.above) / box.side);
  if (r < 0 || c < 0 || r >= box.R || c >= box.C || (cell && cell[0] === r && cell[1] === c)) return;
  cell = [r, c]; draw(); say();
};
$("map").onkeydown = e => {
  const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -1e9], End: [0, 1e9] }[e.key];
  if (!move || !box.R || !box.C) return;
  e.preventDefault();
  const clamp = (x, n) => Math.min(n - 1, Math.max(0, x));
  cell = cell ? [clamp(cell[0] + move[0], box.R), clamp(cell[1] + move[1], box.C)] : [0, 0];
  draw(); say();
};
$("theme").onclick = () => { root.dataset.theme = dark() ? "light" : "dark"; overview(); show(at); };
window.onresize = () => data.maps.length && draw();
overview();
show(0);
</script>
</body>
</html>
)page";

}  // namespace heed
