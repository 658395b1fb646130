"use strict";
const byId = (id) => document.getElementById(id);
const body = document.body;
const texts = JSON.parse(byId("texts").textContent);
const SILENT_MS = 12000; // the daemon gives a sign of life every 5 s
const AGAIN_MS = 1000;
const KEPT_MS = 700; // a face that is lost for some frames keeps its ring
const EARLY_MS = 700;
const OLD_MS = 3000; // a picture that stands still is not shown as if it were now
const RINGS = ["gathering", "granted"]; // the others have a pattern of their own

// The words.

function set(id, text) {
  // Unchanged text is left alone, so that it is not read aloud again.
  if (byId(id).textContent === text) return;
  byId(id).textContent = text;
  fit();
}

function fit() {
  const main = document.querySelector("main");
  const words = byId("words");
  const wide = body.dataset.picture === "off" ? innerWidth : main.clientWidth;
  const largest = Math.round(Math.min(wide * 0.13, Math.max(96, innerHeight * 0.1)));
  const tooLarge = () => main.scrollHeight > main.clientHeight
    || words.scrollWidth > words.clientWidth;
  // A long word is made smaller, down to about half, rather than broken in its middle.
  for (const [wrap, smallest] of [["normal", largest * 0.45], ["anywhere", 10]]) {
    words.style.overflowWrap = wrap;
    let size = largest;
    do words.style.setProperty("--size", `${size}px`);
    while (tooLarge() && (size -= 2) >= smallest);
    if (!tooLarge()) return;
  }
}

function paint(phase, icon, above, headline, below) {
  body.dataset.phase = phase;
  byId("icon").setAttribute("href", `#${icon}`);
  byId("badge").setAttribute("href", `#${icon}`);
  set("above", above);
  set("headline", headline);
  set("below", below);
}

// What is asked for beside the face, and its sign.
const SIGNS = {
  card: "second_factor", pin: "pin", qr: "qr", face: "face_camera", factor: "second_factor",
  second_person: "people", escort: "people",
};

function show(view) {
  question(view.blind ? null : view.question);
  offer(view);
  const asked = texts.instructions[view.instruction];
  const phase = view.blind || !(view.phase in texts.phases) ? "blind" : view.phase;
  if (asked) body.dataset.asked = view.instruction;
  else delete body.dataset.asked;
  if (phase === "blind") {
    paint(phase, "blind", "", texts.blind, texts.blind_detail);
  } else if (view.enrolling && view.question) {
    const { person, how } = view.question;
    const words = texts.enrolment;
    const who = words.ask.replace("{person}", () => short(person));
    paint(phase, asked ? view.instruction : how, who, asked || words[how], words.why);
  } else if (view.enrolling) {
    const views = texts.views.replace("{views}", view.views);
    paint(phase, asked ? view.instruction : phase, texts.enrolling, asked || texts.phases[phase], views);
  } else if (phase === "granted" && view.name) {
    const welcome = texts.welcome.replace("{name}", () => short(view.name));
    paint(phase, phase, "", welcome, texts.punches[view.punched] || texts.phases[phase]);
  } else if (phase === "granted" && texts.punches[view.punched]) {
    paint(phase, phase, "", texts.punches[view.punched], texts.phases[phase]);
  } else if (texts.asks[view.asks] && !asked) {
    paint(phase, SIGNS[view.asks] || phase, "", texts.asks[view.asks], "");
  } else if (phase === "denied" && texts.whys[view.why]) {
    paint(phase, phase, "", texts.phases[phase], texts.whys[view.why]);
  } else if (phase === "held" && view.ended) {
    paint(phase, view.ended, "", texts.enrolment[view.ended], texts.phases[phase]);
  } else {
    paint(phase, asked ? view.instruction : phase, "", asked || texts.phases[phase], "");
  }
  cue(phase);
  const done = phase === "granted" ? 1 : view.progress;
  for (const arc of document.querySelectorAll(".done")) {
    arc.style.strokeDasharray = "100";
    arc.style.strokeDashoffset = 100 * (1 - done);
    arc.style.visibility = done > 0 && !asked && RINGS.includes(phase) ? "visible" : "hidden";
  }
  follow(view.face);
}

const short = (name) => name.length > 60 ? `${name.slice(0, 59)}…` : name;

// The buttons of somebody who is asked.

let asking = null;
let since = 0;

function question(one) {
  if (one) body.dataset.question = one.how;
  else delete body.dataset.question;
  const token = one ? one.token : null;
  if (token === asking) return;
  [asking, since] = [token, performance.now()];
  for (const id of ["agree", "decline"]) {
    byId(id).textContent = texts.enrolment[id];
    byId(id).disabled = false;
  }
}

async function answer(agreed) {
  // A finger that was on its way before the buttons came has answered nothing.
  if (!asking || performance.now() - since < EARLY_MS) return;
  const token = asking;
  const able = (on) => { for (const id of ["agree", "decline"]) byId(id).disabled = !on; };
  able(false);
  try {
    const told = await fetch("enrolment", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token, agreed }),
    });
    if (!told.ok) able(true);
  } catch {
    able(true); // no connection: said by the events, which are lost too
  }
}

byId("agree").addEventListener("click", () => answer(true));
byId("decline").addEventListener("click", () => answer(false));

// The pad for a PIN, and the keys that say what a punch is.

const PINS = ["pin", "factor"];
const OFFERED = ["idle", "gathering"];
const LONGEST_PIN = 16;
const UNTOUCHED_MS = 15000;
let digits = "";
let untouched;
let chosen;

async function tell(kind, value) {
  try {
    const told = await fetch("reading", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ kind, value }),
    });
    return told.ok;
  } catch {
    return false; // no connection: said by the events, which are lost too
  }
}

function typed(text) {
  digits = text.slice(0, LONGEST_PIN);
  byId("digits").textContent = "\u25cf".repeat(digits.length);
  clearTimeout(untouched);
  if (digits) untouched = setTimeout(() => typed(""), UNTOUCHED_MS); // whoever comes next
}

function enter() {
  const pin = digits;
  typed("");
  if (pin) tell("pin", pin);
}

function button(into, label, name, press) {
  const one = document.createElement("button");
  one.type = "button";
  one.dir = "auto";
  one.textContent = label;
  one.dataset.name = name;
  one.addEventListener("click", () => press(one));
  byId(into).append(one);
}

function choose(one) {
  clearTimeout(chosen);
  const again = one && one.ariaPressed === "true";
  for (const key of byId("keys").children) key.ariaPressed = "false";
  if (!one || again) return;
  one.ariaPressed = "true";
  tell("key", one.dataset.name).then((taken) => { if (!taken) choose(null); });
  chosen = setTimeout(() => choose(null), UNTOUCHED_MS);
}

function offer(view) {
  const seen = !view.blind || PINS.includes(view.asks); // a card and a PIN need no camera
  const pad = body.dataset.pad === "on" && seen && PINS.includes(view.asks);
  if ((body.dataset.typing === "on") !== pad) typed("");
  body.dataset.typing = pad ? "on" : "off";
  const keys = body.dataset.keys && !view.enrolling && OFFERED.includes(view.phase) && !pad;
  body.dataset.choosing = keys && !view.blind ? "on" : "off";
  if (view.punched) choose(null);
}

if (body.dataset.pad === "on") {
  for (const digit of "123456789") button("pad", digit, digit, () => typed(digits + digit));
  button("pad", texts.pad.clear, "clear", () => typed(""));
  button("pad", "0", "0", () => typed(`${digits}0`));
  button("pad", texts.pad.enter, "enter", enter);
}
for (const key of body.dataset.keys.split(" ").filter(Boolean))
  button("keys", texts.punches[key], key, choose);

// The ring.

let face = null;
let gone;

function follow(seen) {
  clearTimeout(gone);
  if (seen) face = seen;
  else gone = setTimeout(() => { face = null; place(); }, KEPT_MS);
  place();
}

function place() {
  const { clientWidth: wide, clientHeight: high } = byId("stage");
  const { width, height } = byId("picture");
  let [x, y, radius] = [wide / 2, high * 0.47, Math.min(wide, high) * 0.33];
  if (face) {
    const [left, top, across, down] = face;
    const scale = Math.max(wide / width, high / height); // the picture covers the stage
    x = wide / 2 + (0.5 - left - across / 2) * width * scale; // as in a mirror
    y = high / 2 + (top + down * 0.42 - 0.5) * height * scale;
    radius = Math.max(70, 0.9 * Math.max(across * width, down * height) * scale);
  }
  body.dataset.ring = face ? "face" : "guide";
  byId("place").style.transform = `translate(${x}px, ${y}px) scale(${radius / 100})`;
}

// The picture: one stream, before each JPEG its length in four bytes.

let drawing = false;
let waiting = null;
let still;

async function draw(jpeg) {
  if (drawing) {
    waiting = jpeg; // over one that still waits: only the newest is drawn
    return;
  }
  drawing = true;
  for (let next = jpeg; next; next = waiting) {
    waiting = null;
    try {
      const bitmap = await createImageBitmap(new Blob([next], { type: "image/jpeg" }));
      const canvas = byId("picture");
      if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
        [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
        place();
      }
      canvas.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0);
      bitmap.close();
      body.dataset.live = "on";
      clearTimeout(still);
      still = setTimeout(() => { body.dataset.live = "off"; }, OLD_MS);
    } catch {
      // A picture that cannot be decoded: the next is on its way.
    }
  }
  drawing = false;
}

async function read(reader) {
  let rest = new Uint8Array(0);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const joined = new Uint8Array(rest.length + value.length);
    joined.set(rest);
    joined.set(value, rest.length);
    rest = joined;
    let newest = null;
    while (rest.length >= 4) {
      const end = 4 + new DataView(rest.buffer, rest.byteOffset).getUint32(0);
      if (rest.length < end) break;
      newest = rest.subarray(4, end);
      rest = rest.subarray(end);
    }
    if (newest) draw(newest);
  }
}

async function watch() {
  try {
    const answer = await fetch("picture", { cache: "no-store" });
    if (answer.ok) await read(answer.body.getReader());
  } catch {
    // No connection: said by the events, which are lost too.
  }
  setTimeout(watch, AGAIN_MS);
}

// The sounds.

const CUES = { // Hz, start and length in s
  granted: [[660, 0, 0.13], [990, 0.13, 0.24]],
  denied: [[240, 0, 0.2], [180, 0.22, 0.34]],
  review: [[440, 0, 0.18], [440, 0.26, 0.18]],
  second_factor: [[520, 0, 0.12], [520, 0.18, 0.12], [660, 0.36, 0.16]],
};
const audio = body.dataset.sound === "on" ? new AudioContext() : null;
let heard = null; // the phase before; an answer that was there when the page came is old

function cue(phase) {
  const news = heard !== null && heard !== phase;
  heard = phase;
  if (!audio || !news || !CUES[phase]) return;
  if (audio.state !== "running") audio.resume(); // the browser may want a finger first
  body.dataset.cue = audio.state === "running" ? phase : "muted";
  for (const [hz, start, length] of CUES[phase]) {
    const tone = new OscillatorNode(audio, { type: "triangle", frequency: hz });
    const volume = new GainNode(audio, { gain: 0 });
    const from = audio.currentTime + start;
    volume.gain.setValueAtTime(0, from);
    volume.gain.linearRampToValueAtTime(0.5, from + 0.02);
    volume.gain.linearRampToValueAtTime(0, from + length);
    tone.connect(volume).connect(audio.destination);
    tone.start(from);
    tone.stop(from + length);
  }
}

// The connection.

let source;
let silence;
let version = null;

function alive() {
  clearTimeout(silence);
  silence = setTimeout(lost, SILENT_MS);
}

function lost() {
  clearTimeout(silence);
  source.close();
  heard = null;
  delete body.dataset.asked;
  question(null);
  offer({ phase: "lost", blind: true });
  paint("lost", "lost", "", texts.lost, texts.lost_detail);
  setTimeout(connect, AGAIN_MS);
}

function connect() {
  source = new EventSource("events");
  source.onerror = lost;
  source.addEventListener("alive", alive);
  source.addEventListener("page", (event) => {
    if (version !== null && version !== event.data) location.reload(); // edged was updated
    version = event.data;
  });
  source.onmessage = (event) => {
    alive();
    show(JSON.parse(event.data));
  };
  alive();
}

// A finger that rests on the screen opens no menu of the browser.
addEventListener("contextmenu", (event) => event.preventDefault());
addEventListener("resize", () => { place(); fit(); });
place();
fit();
connect();
if (body.dataset.picture === "on") watch();
