"use strict";
const byId = (id) => document.getElementById(id);
const texts = JSON.parse(byId("texts").textContent);
let source;
let silence;

function set(id, text) {
  // Unchanged text is left alone, so that it is not read aloud again.
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

function paint(phase, above, headline, below) {
  document.body.dataset.phase = phase;
  set("above", above);
  set("headline", headline);
  set("below", below);
}

function show(view) {
  const phase = texts.phases[view.phase] || "";
  const asked = texts.instructions[view.instruction];
  paint(
    view.phase,
    view.enrolling ? texts.enrolling : "",
    asked || phase,
    view.enrolling ? texts.views.replace("{views}", view.views) : "",
  );
}

function alive() {
  clearTimeout(silence);
  silence = setTimeout(lost, 12000);
}

function lost() {
  clearTimeout(silence);
  source.close();
  paint("lost", "", texts.lost, texts.lost_detail);
  setTimeout(connect, 1000);
}

function connect() {
  source = new EventSource("events");
  source.onerror = lost;
  source.addEventListener("alive", alive);
  source.onmessage = (event) => {
    alive();
    show(JSON.parse(event.data));
  };
  alive();
}

connect();
