// Draws an answer. Places are percentages, so that drawings follow the width and letters do not;
// whatever is drawn is also told, in a table or a label.

import { element, svg } from "./elements.js";
import { plain } from "./wording.js";

const ROW = 30; // Pixels.

/** Where values are across a drawing, in percent, with room at both sides. */
function scale(values, room = 0) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const span = high - low || 1;
  return (value) => room + ((100 - 2 * room) * (value - low)) / span;
}

const percent = (value) => `${value.toFixed(3)}%`;

export function drawIntervals(figure, told, wording) {
  figure.hidden = told.intervals === null;
  if (figure.hidden) return;
  const levels = Object.entries(told.intervals);
  const at = scale(levels.flatMap(([, ends]) => ends), 24);
  const digits = Math.max(wording.digits - 1, 0);
  const height = ROW * levels.length;
  const here = percent(at(told.prediction));
  const parts = [svg("line", { class: "here", x1: here, x2: here, y1: 0, y2: height })];
  levels.forEach(([level, [low, high]], index) => {
    const y = ROW * (index + 0.5);
    const thickness = index === 0 ? 10 : 4;
    const text = { y: y + 4.5, class: "mark" };
    parts.push(
      svg("rect", {
        class: "interval",
        x: percent(at(low)),
        width: percent(at(high) - at(low)),
        y: y - thickness / 2,
        height: thickness,
        rx: thickness / 2,
      }),
      svg("text", { ...text, x: percent(at(low)), dx: -8, "text-anchor": "end" }, wording.number(low, digits)),
      svg("text", { ...text, x: percent(at(high)), dx: 8 }, wording.number(high, digits)),
      svg("text", { ...text, x: 0, class: "mark level" }, `${level}%`),
    );
  });
  parts.push(svg("circle", { class: "dot", cx: here, cy: ROW / 2, r: 6 }));
  const said = levels.map(
    ([level, ends]) =>
      `${level}% between ${ends.map((end) => wording.amount(end, digits)).join(" and ")}`,
  );
  show(figure, svg("svg", { role: "img", height, width: "100%", "aria-label": said.join("; ") }, parts));
}

export function drawAttributions(figure, reading, told, instance, wording) {
  figure.hidden = told.attributions === null;
  if (figure.hidden) return;
  const { reference, features } = told.attributions;
  reading.textContent =
    `From ${wording.amount(reference.prediction)}, the answer for a typical row, to this one: ` +
    "what each value adds, as a mean over all orders in which they could be put in (Shapley values).";
  const shares = wording.features
    .map((feature) => ({ feature, share: features[feature.name] }))
    .sort((a, b) => Math.abs(b.share) - Math.abs(a.share));
  let place = reference.prediction;
  const steps = shares.map((row) => ({ ...row, from: place, to: (place += row.share) }));
  const at = scale([reference.prediction, ...steps.map((step) => step.to)], 2);
  const rows = steps.map(({ feature, share, from, to }) => {
    const value = wording.value(feature, instance[feature.name]);
    const usual = wording.value(feature, reference.row[feature.name]);
    return element("tr", {}, [
      element("th", { scope: "row" }, [
        feature.title,
        element("small", {}, value === usual ? `${value}, as is typical` : `${value}, not ${usual}`),
      ]),
      element("td", { class: "n" }, wording.change(share)),
      element("td", { class: "bar" }, bar(at, from, to)),
    ]);
  });
  const head = ["What is known", wording.label.unit || "Change", ""].map((text) =>
    element(text ? "th" : "td", text ? { scope: "col" } : {}, text),
  );
  const sum = element("tr", { class: "sum" }, [
    element("th", { scope: "row" }, "Together"),
    element("td", { class: "n" }, wording.change(told.prediction - reference.prediction)),
    element("td", { class: "bar" }, bar(at, reference.prediction, told.prediction)),
  ]);
  show(
    figure,
    element("table", {}, [
      element("thead", {}, element("tr", {}, head)),
      element("tbody", {}, [...rows, sum]),
    ]),
  );
}

function bar(at, from, to) {
  const [low, high] = [at(Math.min(from, to)), at(Math.max(from, to))];
  return svg("svg", { "aria-hidden": "true", width: "100%", height: 22 }, [
    svg("line", { class: "from", x1: percent(at(from)), x2: percent(at(from)), y1: 0, y2: 22 }),
    svg("rect", {
      class: to < from ? "less" : "more",
      x: percent(low),
      width: percent(Math.max(high - low, 0.4)),
      y: 5,
      height: 12,
      rx: 2,
    }),
  ]);
}

export function drawCurves(place, told, instance, wording) {
  // Drawings of one kind have one scale, so that they compare.
  const [ofWords, ofNumbers] = [true, false].map((kind) =>
    wording.features
      .filter((feature) => "words" in feature === kind)
      .map((feature) => told.curves[feature.name])
      .flatMap((curve) => [...curve.predictions, ...(curve.lower ?? []), ...(curve.upper ?? [])]),
  );
  const open = new Set([...place.querySelectorAll("details[open]")].map((d) => d.dataset.feature));
  place.replaceChildren(
    ...wording.features.map((feature) => {
      const curve = told.curves[feature.name];
      const body =
        "words" in feature
          ? byWord(feature, curve, ofWords, instance, wording)
          : byNumber(feature, curve, ofNumbers, told, instance, wording, open.has(feature.name));
      return element("figure", { class: "curve" }, [
        element("figcaption", {}, element("h3", {}, feature.title)),
        ...body,
      ]);
    }),
  );
}

function byWord(feature, curve, all, instance, wording) {
  const at = scale(all, 2);
  const rows = curve.values.map((word, index) => {
    const chosen = word === instance[feature.name];
    const here = percent(at(curve.predictions[index]));
    const parts = [svg("circle", { class: "dot", cx: here, cy: 11, r: chosen ? 6 : 4 })];
    if (curve.lower) {
      const low = at(curve.lower[index]);
      const width = percent(at(curve.upper[index]) - low);
      parts.unshift(svg("rect", { class: "interval", x: percent(low), width, y: 8, height: 6, rx: 3 }));
    }
    return element("tr", chosen ? { class: "chosen" } : {}, [
      element("th", { scope: "row" }, chosen ? [word, element("small", {}, "chosen")] : word),
      element("td", { class: "n" }, wording.number(curve.predictions[index])),
      element("td", { class: "bar" }, svg("svg", { "aria-hidden": "true", width: "100%", height: 22 }, parts)),
    ]);
  });
  return [element("table", { "aria-label": `Answer by ${feature.title}` }, element("tbody", {}, rows))];
}

const WIDTH = 1000; // Of the plane that curves are drawn in before it is stretched.
const HEIGHT = 170; // Pixels.

function byNumber(feature, curve, all, told, instance, wording, isOpen) {
  const across = scale(curve.values);
  const up = scale(all, 4);
  const x = (value) => (across(value) * WIDTH) / 100;
  const y = (value) => HEIGHT - (up(value) * HEIGHT) / 100;
  const points = (values, order = values.map((_, i) => i)) =>
    order.map((i) => `${x(curve.values[i]).toFixed(1)},${y(values[i]).toFixed(1)}`);
  const parts = [];
  if (curve.lower) {
    const backwards = curve.values.map((_, i) => i).reverse();
    const outline = [...points(curve.upper), ...points(curve.lower, backwards)];
    parts.push(svg("polygon", { class: "band", points: outline.join(" ") }));
  }
  parts.push(svg("polyline", { class: "line", points: points(curve.predictions).join(" ") }));
  const plane = {
    "aria-hidden": "true",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    preserveAspectRatio: "none",
    width: "100%",
    height: HEIGHT,
  };
  const drawn = [svg("svg", plane, parts)];
  const value = instance[feature.name];
  if (typeof value === "number") {
    const here = percent(across(value));
    drawn.push(
      svg("line", { class: "here", x1: here, x2: here, y1: 0, y2: HEIGHT }),
      svg("circle", { class: "dot", cx: here, cy: y(told.prediction), r: 6 }),
    );
  }
  const [first, last] = [0, curve.values.length - 1];
  const ends = [Math.max(...all), Math.min(...all)].map((end) =>
    element("span", {}, wording.number(end, Math.max(wording.digits - 1, 0))),
  );
  const said = [first, last].map(
    (i) => `${wording.amount(curve.predictions[i])} at ${wording.value(feature, curve.values[i])}`,
  );
  const label = `The answer by ${feature.title}: from ${said.join(" to ")}`;
  const rows = curve.values.map((at, i) =>
    element("tr", {}, [
      element("th", { scope: "row" }, plain(at)),
      element("td", { class: "n" }, wording.number(curve.predictions[i])),
    ]),
  );
  const figures = element("details", { "data-feature": feature.name }, [
    element("summary", {}, `Figures by ${feature.title}`),
    element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": `Figures by ${feature.title}` }, [
      element("table", {}, element("tbody", {}, rows)),
    ]),
  ]);
  figures.open = isOpen;
  return [
    element("div", { class: "plot" }, [
      element("div", { class: "y", "aria-hidden": "true" }, ends),
      svg("svg", { role: "img", "aria-label": label, width: "100%", height: HEIGHT, class: "plane" }, drawn),
      element("div", { class: "x", "aria-hidden": "true" }, [
        element("span", {}, wording.value(feature, curve.values[first])),
        element("span", {}, wording.value(feature, curve.values[last])),
      ]),
    ]),
    figures,
  ];
}

function show(figure, drawing) {
  figure.querySelector(".drawing").replaceChildren(drawing);
}
