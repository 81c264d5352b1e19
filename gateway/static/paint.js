export const $ = (id) => document.getElementById(id);

export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function show(element, isShown) {
  if (element.hidden === Boolean(isShown)) element.hidden = !isShown;
}

/** A text whose element is there only while it says something. */
export function post(id, text) {
  put($(id), text || "");
  show($(id), text);
}

/** A new element; of `properties`, `data` fills its dataset. */
export function make(tag, { data = {}, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  Object.assign(element.dataset, data);
  element.append(...children.filter(Boolean));
  return element;
}
