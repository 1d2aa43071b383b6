// Added to a copy of a report by launch/check-report: looks for what a reader would stumble over, and says it in <pre id="check-report">.
'use strict';
const faults = [];
let checked = 0;
window.addEventListener('error', event => faults.push('script error: ' + event.message));
function words(element) { return JSON.stringify((element.textContent || element.tagName).slice(0, 60)); }
function boxOf(element) { return element.getBoundingClientRect(); }
window.addEventListener('load', () => {
  const page = document.documentElement;
  const theme = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  if (page.scrollWidth > page.clientWidth + 1) { faults.push('the page is wider than its window: ' + page.scrollWidth + ' > ' + page.clientWidth); }
  for (const element of document.querySelectorAll('main *')) {
    if (element.closest('svg')) { continue; }
    checked += 1;
    const style = getComputedStyle(element);
    if (style.overflowX === 'visible' && element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1 && style.display !== 'inline') {
      faults.push(element.tagName + ' is wider than its box: ' + words(element));
    }
  }
  for (const figure of document.querySelectorAll('figure')) {
    if (figure.scrollHeight > figure.clientHeight + 1) { faults.push('a figure is cut at its lower end: ' + words(figure)); }
  }
  for (const drawing of document.querySelectorAll('figure > svg')) {
    const outer = boxOf(drawing);
    if (outer.width < 50 || outer.height < 50) { faults.push('a drawing has no room: ' + words(drawing)); }
    const texts = [...drawing.querySelectorAll('text')].filter(text => text.textContent !== '');
    const boxes = texts.map(boxOf);
    for (const element of drawing.querySelectorAll('text, rect, circle, polyline, line')) {
      if (element.closest('.timed')) { continue; }
      checked += 1;
      const box = boxOf(element);
      if (box.left < outer.left - 1 || box.right > outer.right + 1 || box.top < outer.top - 1 || box.bottom > outer.bottom + 1) {
        faults.push(element.tagName + ' lies outside of its drawing: ' + words(element) + ' of ' + words(drawing));
      }
    }
    boxes.forEach((one, i) => boxes.slice(i + 1).forEach((other, j) => {
      const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
      const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
      if (across > 1.5 && down > 3.5) { faults.push('text lies on text: ' + words(texts[i]) + ' and ' + words(texts[i + 1 + j]) + ' of ' + words(drawing)); }
    }));
  }
  // Names of the data became no elements.
  for (const element of document.querySelectorAll('main script, main img, main iframe, main object')) { faults.push('an element that no report has: ' + element.tagName); }
  // Every zoom button answers.
  for (const button of document.querySelectorAll('[data-zoom]')) { button.click(); }
  for (const chart of document.querySelectorAll('svg[data-kind=timeline]')) {
    const tools = chart.parentNode.querySelectorAll('[data-zoom]');
    const inner = chart.querySelector('.timed');
    const before = inner.getAttribute('viewBox');
    tools[0].click();
    if (inner.getAttribute('viewBox') === before) { faults.push('a timeline does not zoom: ' + words(chart)); }
  }
  // Every curve answers to the pointer.
  for (const chart of document.querySelectorAll('svg[data-kind=lines]')) {
    if (!chart.querySelector('polyline')) { continue; }
    const box = boxOf(chart);
    const [left, right, top, bottom] = chart.querySelector('.plot').dataset.frame.split(' ').map(Number);
    const scale = box.width / chart.viewBox.baseVal.width;
    const init = { bubbles: true, clientX: box.left + scale * (left + right) / 2, clientY: box.top + scale * (top + bottom) / 2 };
    chart.dispatchEvent(new PointerEvent('pointermove', init));
    const tip = document.getElementById('tip');
    if (tip.hidden || tip.textContent.split('\n').length < 2) { faults.push('a curve says no values: ' + words(chart)); }
  }
  if (window.accessibility) { checked += window.accessibility(faults); } else { faults.push('the checks of accessibility are missing'); }
  const result = document.createElement('pre');
  result.id = 'check-report';
  result.textContent = ['theme ' + theme, ...new Set(faults.map(fault => 'fault: ' + fault.replaceAll('\n', ' '))), 'checked ' + checked].join('\n');
  document.body.append(result);
});
