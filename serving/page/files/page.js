// Asks the model whenever the form changes, and shows what it answers.

import { makeForm, valuesOf } from "./form.js";
import { drawAttributions, drawCurves, drawIntervals } from "./drawing.js";
import { Wording } from "./wording.js";

const WAIT_MS = 120; // From the last change to the question, so that a slider asks once.
const RETRY_MS = 2000;

const byId = (id) => document.getElementById(id);
let latest = 0;
let timer = 0;

start();

async function start() {
  const declaration = await (await fetch("/page/declaration")).json();
  const wording = new Wording(declaration);
  const form = byId("form");
  document.title = `${declaration.label.noun} · ${declaration.model}`;
  byId("title").textContent = `Predict ${declaration.label.help}`;
  byId("model").textContent = declaration.model;
  showVersion(declaration);
  makeForm(form, declaration.features);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => askSoon(form, wording, WAIT_MS));
  ask(form, wording);
}

function askSoon(form, wording, milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(() => ask(form, wording), milliseconds);
}

async function ask(form, wording) {
  const number = ++latest;
  const instance = valuesOf(form, wording.features);
  let response;
  let told;
  try {
    response = await fetch("/page/answer", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ instance }),
    });
    told = await response.json();
  } catch {
    told = { error: "The server does not answer. It is asked again." };
  }
  if (number !== latest) return; // A later question is under way.
  if (response?.ok) {
    showAnswer(told, instance, wording);
    return;
  }
  showProblem(told.error);
  if (!response || response.status === 503) askSoon(form, wording, RETRY_MS);
}

function showVersion({ version, report }) {
  if (version === null) return;
  byId("version").textContent = `version ${version} answers`;
  byId("report").hidden = report === null;
  if (report !== null) byId("report").href = report;
}

function showProblem(message) {
  byId("problem").textContent = message;
  byId("problem").hidden = false;
  document.body.dataset.state = "problem";
}

function showAnswer(told, instance, wording) {
  byId("problem").hidden = true;
  document.body.dataset.state = "answered";
  showVersion(told);
  byId("prediction").textContent = wording.amount(told.prediction);
  byId("range").textContent = wording.range(told.intervals);
  byId("details").hidden = told.intervals === null && told.attributions === null;
  drawIntervals(byId("intervals"), told, wording);
  drawAttributions(byId("attributions"), byId("reading"), told, instance, wording);
  byId("curves").hidden = false;
  if (told.intervals !== null) {
    const level = Object.keys(told.intervals)[0];
    byId("curves-reading").textContent =
      `One thing changes, all else stays as it is. The band holds ${level}%.`;
  }
  drawCurves(byId("all-curves"), told, instance, wording);
}
