"use strict";
const byId = (id) => document.getElementById(id);
const facts = JSON.parse(byId("facts").textContent);
const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue(name).trim();
const words = (code) => String(code).replaceAll("_", " ").replaceAll(".", ": ");
const known = (value) => typeof value === "number";
const shown = (value, digits = 0) =>
  known(value) ? value.toFixed(digits).replace(/^-0$/, "0").replace("-", "−") : "–";
let source;
let silence;
let bests = {};
let measured = null;
let recent = [];
let picture = null;
let current = null;
let kept = {};
let trend = null;

function say(id, text, state = "") {
  const node = byId(id);
  if (node.textContent !== text) node.textContent = text;
  node.classList.toggle("good", state === "good");
  node.classList.toggle("bad", state === "bad");
}

function element(name, kind, text = "") {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.textContent = text;
  return made;
}

// A canvas as large as it is shown, in CSS pixels.
function sheet(canvas) {
  const scale = window.devicePixelRatio || 1;
  const box = canvas.getBoundingClientRect();
  const width = Math.max(1, Math.round(box.width * scale));
  const height = Math.max(1, Math.round(box.height * scale));
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, box.width, box.height);
  pen.font = "12px system-ui, sans-serif";
  return [pen, box.width, box.height];
}

function drawAim() {
  const [pen, width, height] = sheet(byId("aim"));
  if (!current || !current.size) return;
  // The picture keeps its proportions.
  const scale = Math.min(width / current.size[0], height / current.size[1]);
  const w = current.size[0] * scale;
  const h = current.size[1] * scale;
  pen.save();
  pen.translate((width - w) / 2, (height - h) / 2);
  pen.fillStyle = "#131a22";
  pen.fillRect(0, 0, w, h);
  if (picture) pen.drawImage(picture, 0, 0, w, h);
  drawThirds(pen, w, h);
  if (current.face) drawFace(pen, w, h);
  pen.restore();
}

function drawThirds(pen, w, h) {
  pen.strokeStyle = "rgba(255,255,255,0.45)";
  pen.lineWidth = 1;
  pen.setLineDash([5, 6]);
  pen.strokeRect(w / 3, h / 3, w / 3, h / 3);
  pen.setLineDash([]);
  pen.beginPath();
  pen.moveTo(w / 2 - 9, h / 2);
  pen.lineTo(w / 2 + 9, h / 2);
  pen.moveTo(w / 2, h / 2 - 9);
  pen.lineTo(w / 2, h / 2 + 9);
  pen.stroke();
  // How wide a face must be at least, to scale.
  const near = (facts.near_px / current.size[0]) * w;
  pen.strokeStyle = "#fff";
  pen.lineWidth = 3;
  pen.beginPath();
  pen.moveTo(12, h - 14);
  pen.lineTo(12 + near, h - 14);
  pen.stroke();
  pen.fillStyle = "#fff";
  pen.fillText(`${facts.near_px} px: smallest face`, 12, h - 22);
}

function drawFace(pen, w, h) {
  const [left, top, right, bottom] = current.face.box;
  if (![left, top, right, bottom].every(known)) return;
  const usable = known(current.view && current.view.quality) && current.view.quality >= facts.floor;
  pen.strokeStyle = usable ? "#4ccf85" : "#f2c14e";
  pen.lineWidth = 3;
  pen.setLineDash(usable ? [] : [10, 6]);
  pen.strokeRect(left * w, top * h, (right - left) * w, (bottom - top) * h);
  pen.setLineDash([]);
  pen.fillStyle = "#6db3ff";
  for (const [x, y] of current.face.marks) {
    if (!known(x) || !known(y)) continue;
    pen.beginPath();
    pen.arc(x * w, y * h, 4, 0, 7);
    pen.fill();
  }
}

function axes(pen, width, height, marks, digits) {
  pen.strokeStyle = colour("--line");
  pen.fillStyle = colour("--quiet");
  pen.lineWidth = 1;
  for (const [share, text] of marks) {
    const y = Math.round(height - 18 - share * (height - 26)) + 0.5;
    pen.beginPath();
    pen.moveTo(30, y);
    pen.lineTo(width, y);
    pen.stroke();
    pen.fillText(typeof text === "number" ? text.toFixed(digits) : text, 0, y + 4);
  }
}

function line(pen, width, height, values, top, name) {
  pen.strokeStyle = colour(name);
  pen.lineWidth = 2;
  pen.lineJoin = "round";
  let last = null;
  pen.beginPath();
  values.forEach((value, n) => {
    if (!known(value)) return;
    const x = 30 + (n / (values.length - 1)) * (width - 32);
    const y = height - 18 - Math.min(1, value / top) * (height - 26);
    if (last !== null && n - last <= 4) pen.lineTo(x, y);
    else {
      pen.moveTo(x - 1, y);
      pen.lineTo(x, y);
    }
    last = n;
  });
  pen.stroke();
}

function ages(pen, width, height) {
  pen.fillStyle = colour("--quiet");
  pen.fillText("2 min ago", 30, height - 2);
  pen.textAlign = "right";
  pen.fillText("now", width, height - 2);
  pen.textAlign = "left";
}

function drawTrend() {
  if (!trend) return;
  let [pen, width, height] = sheet(byId("chart-quality"));
  axes(pen, width, height, [[0, 0], [0.5, 0.5], [1, 1]], 1);
  need(pen, width, height, facts.floor);
  line(pen, width, height, trend.history.quality, 1, "--a");
  ages(pen, width, height);
  [pen, width, height] = sheet(byId("chart-light"));
  axes(pen, width, height, [[0, 0], [0.5, 128], [1, 255]], 0);
  line(pen, width, height, trend.history.level, 255, "--a");
  const sharpest = Math.max(1e-6, ...trend.history.sharpness.filter(known));
  line(pen, width, height, trend.history.sharpness, sharpest * 1.05, "--b");
  ages(pen, width, height);
  drawHistogram();
}

function need(pen, width, height, value) {
  const y = height - 18 - value * (height - 26);
  pen.strokeStyle = colour("--bad");
  pen.setLineDash([4, 4]);
  pen.beginPath();
  pen.moveTo(30, y);
  pen.lineTo(width, y);
  pen.stroke();
  pen.setLineDash([]);
}

function drawHistogram() {
  const counts = trend.histogram;
  const total = counts.reduce((sum, count) => sum + count, 0);
  say("counted", total ? `last ${total}` : "none yet");
  const [pen, width, height] = sheet(byId("chart-histogram"));
  const most = Math.max(1, ...counts);
  const room = (width - 2) / counts.length;
  counts.forEach((count, n) => {
    const tall = (count / most) * (height - 26);
    pen.fillStyle = colour((n + 0.5) / counts.length < facts.floor ? "--b" : "--good");
    pen.fillRect(1 + n * room + 1, height - 18 - tall, Math.max(1, room - 2), tall);
  });
  pen.fillStyle = colour("--quiet");
  pen.fillText("0", 1, height - 3);
  pen.textAlign = "right";
  pen.fillText("1", width - 1, height - 3);
  pen.textAlign = "center";
  pen.fillText(`needs ${facts.floor.toFixed(2)}`, facts.floor * width, height - 3);
  pen.textAlign = "left";
  pen.strokeStyle = colour("--bad");
  pen.setLineDash([4, 4]);
  pen.beginPath();
  pen.moveTo(facts.floor * width, 0);
  pen.lineTo(facts.floor * width, height - 18);
  pen.stroke();
  pen.setLineDash([]);
}

// While a decision holds, only some views are scored: a number stays for a second.
function keep(name, value) {
  if (known(value)) kept[name] = [value, Date.now()];
  else if (!current.face || !kept[name] || Date.now() - kept[name][1] > 1000) delete kept[name];
  return kept[name] ? kept[name][0] : null;
}

function showNumbers(now) {
  const view = now.view || {};
  view.quality = keep("quality", view.quality);
  const rates = now.rates;
  const judge = (value, fine) => (known(value) ? (fine ? "good" : "bad") : "");
  say("quality", shown(view.quality, 2), judge(view.quality, view.quality >= facts.floor));
  say("width", shown(view.width_px), judge(view.width_px, view.width_px >= facts.near_px));
  const lit = view.level >= facts.dark && view.level <= facts.bright;
  say("level", shown(view.level), judge(view.level, lit));
  const slow = known(rates.wanted_hz) && rates.seen_hz < 0.85 * rates.wanted_hz;
  say("rate", shown(rates.seen_hz, 1), judge(rates.seen_hz, !slow));
  say("rate-need", known(rates.wanted_hz) ? ` · wanted ${rates.wanted_hz}` : "");
  const angles = [view.yaw_deg, view.pitch_deg, view.roll_deg];
  say("pose", angles.some(known) ? angles.map((angle) => shown(angle)).join(" / ") : "–");
  say("similarity", shown(keep("similarity", now.similarity), 2));
}

// A nearer face has broader edges: only what is as near is compared.
function place(now) {
  const width = now.face && now.view && now.view.width_px;
  return known(width) && width > 0 ? `face ${Math.round(Math.log(width) / Math.log(1.3))}` : "middle";
}

function showFocus(now) {
  if (!known(now.sharpness)) return;
  if (place(now) !== measured) {
    measured = place(now);
    recent = [];
  }
  recent = [...recent, now.sharpness].slice(-5);
  // One picture says little: the middle of five.
  const value = [...recent].sort((a, b) => a - b)[recent.length >> 1];
  const best = Math.max(value, bests[measured] || 0);
  bests[measured] = best;
  const share = best > 0 ? value / best : 0;
  byId("focus-bar").setAttribute("width", (share * 95).toFixed(1));
  byId("focus-bar").classList.toggle("good", share >= 0.95);
  say("focus", `${Math.round(100 * share)} %`);
  const where = measured === "middle" ? "the middle of the picture" : "the face";
  say("focus-said", `Of the best so far, measured on ${where}.`);
}

function showHints(now) {
  const list = byId("hints");
  const hints = now.hints.map((hint) => [hint.weight, hint.text]);
  if (!hints.length) {
    hints.push(
      now.visitors
        ? ["well", `Nothing to improve, judged on ${now.visitors} visitor${now.visitors > 1 ? "s" : ""}.`]
        : ["", "Stand where people will stand, and look at the camera."],
    );
  }
  const text = hints.map((hint) => hint.join()).join("\n");
  if (list.dataset.text === text) return;
  list.dataset.text = text;
  list.replaceChildren(...hints.map(([weight, said]) => element("li", weight, said)));
}

function showNow(now) {
  current = now;
  showNumbers(now);
  showFocus(now);
  showHints(now);
  const faces = now.faces === 1 ? "1 face" : `${now.faces || 0} faces`;
  say("faces", now.size ? `${faces} · ${now.size[0]} × ${now.size[1]} px` : "no picture yet");
  const phase = words(now.phase || "idle");
  say("shown", now.instruction ? `${phase}: “${words(now.instruction)}”` : phase);
  const defects = now.view ? now.defects : [];
  const chips = defects.map((code) => element("li", "bad", words(code)));
  if (now.view && !defects.length) chips.push(element("li", "good", "nothing wrong with this view"));
  byId("defects").replaceChildren(...chips);
  if (now.jpeg) {
    const next = new Image();
    next.onload = () => {
      picture = next;
      drawAim();
    };
    next.src = `data:image/jpeg;base64,${now.jpeg}`;
  } else drawAim();
}

const SIGNS = {
  "access.granted": ["✓", "granted", "granted"],
  "access.denied": ["✕", "denied", "denied"],
  "access.review": ["?", "doubt", "review"],
  "access.second_factor": ["+", "doubt", "second factor"],
  "capture.retake": ["↻", "doubt", "asked to try again"],
  left: ["–", "", "left"],
};

function showLast(last) {
  const list = byId("last");
  list.replaceChildren(...last.map(presentation));
  if (!last.length) list.append(element("li", "quiet", "None since the terminal was started."));
}

function presentation(told) {
  const [sign, kind, text] = SIGNS[told.kind] || ["·", "", words(told.kind)];
  const item = document.createElement("li");
  if (told.face) {
    const image = element("img");
    image.src = `face/${told.number}`;
    image.alt = "";
    item.append(image);
  } else item.append(element("span", `mark ${kind}`, sign));
  const what = told.person_id ? `${text}: ${told.person_id}` : text;
  item.append(element("span", `kind ${kind}`, told.face ? `${sign} ${what}` : what));
  const when = new Date(told.at_s * 1000).toLocaleTimeString();
  item.append(element("span", "when", `${when} · ${shown(told.duration_s, 1)} s`));
  item.append(element("span", "rule", told.rule));
  const said = told.instructions.length ? ` · said: ${told.instructions.map(words).join(", ")}` : "";
  const numbers = `${told.views} views · quality ${shown(told.quality, 2)}`;
  item.append(element("span", "facts", numbers + said));
  return item;
}

function alive() {
  clearTimeout(silence);
  silence = setTimeout(lost, 6000);
  byId("link").dataset.state = "live";
  say("link", "live");
}

function lost() {
  clearTimeout(silence);
  source.close();
  byId("link").dataset.state = "lost";
  say("link", "no connection");
  // Logged out, or the terminal is away: ask which.
  setTimeout(async () => {
    try {
      const answer = await fetch("stay");
      if (answer.status === 401) location.reload();
      else connect();
    } catch {
      connect();
    }
  }, 1500);
}

function connect() {
  source = new EventSource("events");
  source.onerror = lost;
  const on = (name, show) =>
    source.addEventListener(name, (event) => {
      alive();
      show(JSON.parse(event.data));
    });
  on("now", showNow);
  on("last", (told) => showLast(told.last));
  on("trend", (told) => {
    trend = told;
    drawTrend();
  });
  source.addEventListener("over", () => location.reload());
}

let stayed = Date.now();
function stay() {
  // Whoever still works with the page stays logged in.
  if (facts.password && Date.now() - stayed > 60000) {
    stayed = Date.now();
    fetch("stay").catch(() => {});
  }
}

byId("again").addEventListener("click", () => {
  bests = {};
  recent = [];
});
for (const name of ["pointerdown", "keydown", "scroll"]) addEventListener(name, stay, { passive: true });
addEventListener("resize", () => {
  drawAim();
  drawTrend();
});
say("quality-need", ` · needs ${facts.floor.toFixed(2)}`);
say("width-need", ` · needs ${facts.near_px}`);
say("level-need", ` · ${facts.dark} to ${facts.bright}`);
showLast([]);
connect();
