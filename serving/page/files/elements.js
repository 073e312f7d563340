// Elements made without markup, so that no word of the data can become any.

const SVG = "http://www.w3.org/2000/svg";

export function element(tag, attributes = {}, content = []) {
  return filled(document.createElement(tag), attributes, content);
}

export function svg(tag, attributes = {}, content = []) {
  return filled(document.createElementNS(SVG, tag), attributes, content);
}

function filled(made, attributes, content) {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...[content].flat());
  return made;
}
