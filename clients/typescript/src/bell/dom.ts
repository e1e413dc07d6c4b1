type Attributes = Record<string, string | boolean>;

/** Makes an element. No markup is parsed, so that every policy of a page allows it. */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) set(made, attribute, value);
  made.append(...children);
  return made;
}

/** Makes an icon of one path on a square of 24. */
export function icon(path: string): SVGElement {
  const [svg, line] = ['svg', 'path'].map((name) => document.createElementNS('http://www.w3.org/2000/svg', name));
  for (const [name, value] of Object.entries({ viewBox: '0 0 24 24', 'aria-hidden': 'true', fill: 'none' })) {
    svg!.setAttribute(name, value);
  }
  const ends = { 'stroke-linecap': 'round', 'stroke-linejoin': 'round' };
  const pen = { d: path, stroke: 'currentColor', 'stroke-width': '1.8', ...ends };
  for (const [name, value] of Object.entries(pen)) line!.setAttribute(name, value);
  svg!.append(line!);
  return svg as SVGElement;
}

/** Sets an attribute if it is another one. A screen reader may speak whenever one is set. */
export function set(target: Element, name: string, value: string | boolean): void {
  if (value === false) target.removeAttribute(name);
  else if (target.getAttribute(name) !== String(value)) target.setAttribute(name, value === true ? '' : value);
}

export function say(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

/** Makes `parent` hold these children. Those that stay are not moved, so that they keep the focus. */
export function arrange(parent: Element, children: readonly Element[]): void {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  children.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
}
