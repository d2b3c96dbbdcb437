"""What a page looks like, as scripts that a browser runs: focus, texts over texts or cut, the smallest text, the palest one."""

FOCUSED = """
const at = document.activeElement;
return {
  tag: at.tagName.toLowerCase(), id: at.id, name: at.getAttribute('name'), href: at.getAttribute('href'),
  label: at.getAttribute('aria-label') || at.textContent.trim(),
  seen: at.getBoundingClientRect().width > 0,
};
"""

OVERLAPS = """
const shown = [...document.querySelectorAll('svg.picture text')].filter(each => each.getClientRects().length);
const boxes = shown.map(each => [each.textContent, each.getBoundingClientRect()]);
const lie = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3;
return boxes.flatMap(([one, a], number) =>
  boxes.slice(number + 1).filter(([_, b]) => lie(a, b)).map(([two]) => [one, two]));
"""

CUT = """
const inside = (a, b) => a.left >= b.left - 1 && a.right <= b.right + 1 && a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
return [...document.querySelectorAll('svg.picture text')].filter(each => each.getClientRects().length)
  .filter(each => !inside(each.getBoundingClientRect(), each.ownerSVGElement.getBoundingClientRect()))
  .map(each => each.textContent);
"""

SMALLEST = """
const size = each => {
  const own = parseFloat(getComputedStyle(each).fontSize), svg = each.ownerSVGElement;
  return svg ? own * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : own;
};
const read = each => each.textContent.trim() && each.getClientRects().length && !each.closest('.skip, thead');
return Math.min(...[...document.querySelectorAll('main *')].filter(read).map(size));
"""

CONTRAST = """
const parse = text => text.match(/[\\d.]+/g).map(Number);
const linear = v => v / 255 <= .03928 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4;
const light = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
const behind = each => {
  for (let at = each; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const has = each => [...each.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
const told = each => {
  const a = light(parse(getComputedStyle(each).color)), b = light(behind(each));
  return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), each.tagName, each.textContent.trim().slice(0, 40)];
};
return [...document.querySelectorAll('main *')]
  .filter(each => !each.closest('svg') && each.getClientRects().length && has(each))
  .map(told).sort((x, y) => x[0] - y[0])[0];
"""
