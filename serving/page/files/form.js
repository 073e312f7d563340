// A form made from the declaration: words as choices, ranges as sliders with their unit.

import { element } from "./elements.js";

const MOST_CHOICES = 6; // Words that are shown side by side; more are a list to choose from.

export function makeForm(form, features) {
  form.replaceChildren(...features.map((f) => ("words" in f ? words(f) : number(f))));
}

/** The value of each feature; null for a number that is unknown or not given. */
export function valuesOf(form, features) {
  const values = new FormData(form);
  return Object.fromEntries(
    features.map((feature) => {
      const value = values.get(feature.name);
      if ("words" in feature) return [feature.name, value];
      return [feature.name, value === null || value === "" ? null : Number(value)];
    }),
  );
}

function words(feature) {
  const help = element("p", { id: `help-${feature.name}`, class: "help" }, feature.help);
  if (feature.words.length > MOST_CHOICES) {
    const options = feature.words.map((word) => {
      const option = element("option", { value: word }, word);
      option.selected = word === feature.value;
      return option;
    });
    const id = `field-${feature.name}`;
    const described = { name: feature.name, id, "aria-describedby": help.id };
    return element("div", { class: "field" }, [
      element("label", { class: "name", for: id }, feature.title),
      help,
      element("select", described, options),
    ]);
  }
  const choices = feature.words.map((word) => {
    const input = element("input", { type: "radio", name: feature.name, value: word });
    input.defaultChecked = word === feature.value;
    return element("label", { class: "choice" }, [input, element("span", {}, word)]);
  });
  return element("fieldset", { class: "field", "aria-describedby": help.id }, [
    element("legend", { class: "name" }, feature.title),
    help,
    element("div", { class: "choices" }, choices),
  ]);
}

function number(feature) {
  const { name, title, unit, minimum, maximum } = feature;
  const start = feature.value ?? (minimum + maximum) / 2;
  const said = unit ? `${title}, ${unit}` : title;
  const help = element("p", { id: `help-${name}`, class: "help" }, feature.help);
  const range = { min: minimum, max: maximum, value: start, "aria-describedby": help.id };
  const slider = element("input", {
    ...range,
    type: "range",
    step: feature.step,
    "aria-label": `${said}, slider`,
  });
  const exact = element("input", { ...range, type: "number", step: "any", name, "aria-label": said });
  slider.addEventListener("input", () => {
    exact.value = slider.value;
  });
  exact.addEventListener("input", () => {
    if (exact.value !== "") slider.value = exact.value;
  });
  const row = element("div", { class: "number" }, [
    slider,
    exact,
    element("span", { class: "unit", "aria-hidden": "true" }, unit),
  ]);
  const parts = [element("span", { class: "name", "aria-hidden": "true" }, title), help, row];
  if (feature.optional) {
    const unknown = element("input", { type: "checkbox", "aria-label": `${title} is unknown` });
    const follow = () => {
      slider.disabled = exact.disabled = unknown.checked;
    };
    unknown.defaultChecked = feature.value === null;
    unknown.addEventListener("input", follow);
    follow();
    parts.push(element("label", { class: "unknown" }, [unknown, element("span", {}, "unknown")]));
  }
  return element("div", { class: "field", role: "group", "aria-label": title }, parts);
}
