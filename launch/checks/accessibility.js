// Added to a copy of a report by launch/check-report, before report.js: what WCAG 2.2 (levels A and AA) asks of a page and a program can see.
'use strict';
// accessibility(FAULTS): adds what is wrong, a sentence each; returns how many elements were looked at.
window.accessibility = faults => {
  let checked = 0;
  const all = (selector, root = document) => [...root.querySelectorAll(selector)].filter(element => element.id !== 'check-report');
  const named = element => element.tagName.toLowerCase() + ' ' + JSON.stringify((element.textContent || element.id || '').trim().slice(0, 40));
  for (const details of all('details')) { details.open = true; }

  // Colours: [red, green, blue, opacity], each 0 to 1.
  function color(text) {
    if (text === 'transparent' || text === 'none') { return [0, 0, 0, 0]; }
    const parts = text.match(/-?[0-9.]+(e-?[0-9]+)?/g).map(Number);
    const most = text.startsWith('rgb') ? 255 : 1;
    return [parts[0] / most, parts[1] / most, parts[2] / most, parts.length > 3 ? parts[3] : 1];
  }
  function over(top, bottom) { return [0, 1, 2].map(i => top[i] * top[3] + bottom[i] * (1 - top[3])).concat(1); }
  function luminance(c) {
    const [r, g, b] = c.slice(0, 3).map(v => v <= 0.04045 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }
  function contrast(one, other) {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  }
  // What lies behind an element of HTML: the backgrounds of it and of those that it is in.
  function ground(element) {
    const layers = [];
    for (let e = element; e; e = e.parentElement) { layers.push(color(getComputedStyle(e).backgroundColor)); }
    const page = matchMedia('(prefers-color-scheme: dark)').matches ? [0, 0, 0, 1] : [1, 1, 1, 1];
    return layers.reverse().reduce((below, layer) => over(layer, below), page);
  }
  const opacity = text => text.endsWith('%') ? Number(text.slice(0, -1)) / 100 : Number(text);
  function paint(style, kind) {
    const c = color(style[kind]);
    return [c[0], c[1], c[2], c[3] * opacity(style[kind + 'Opacity']) * opacity(style.opacity)];
  }
  // Lines of a grid, frames and fillings behind text tell nothing by themselves.
  const isDecoration = shape => ['grid', 'frame', 'cell', 'band', 'back'].some(name => shape.classList.contains(name));
  // What lies behind a point of a drawing: the filled rectangles before the element that cover the point. Bars may lie on bars.
  function groundInDrawing(drawing, element, x, y) {
    let below = ground(drawing.parentElement);
    for (const rect of drawing.querySelectorAll('rect')) {
      if (rect === element || element.tagName !== 'text' && !isDecoration(rect)) { continue; }
      if ( !(rect.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING)) { continue; }
      const box = rect.getBoundingClientRect();
      if (x < box.left || x > box.right || y < box.top || y > box.bottom) { continue; }
      below = over(paint(getComputedStyle(rect), 'fill'), below);
    }
    return below;
  }
  const least = style => {
    const size = parseFloat(style.fontSize);
    return size >= 24 || size >= 18.66 && Number(style.fontWeight) >= 700 ? 3 : 4.5;
  };
  const short = value => (Math.floor(value * 10) / 10).toFixed(1);
  function require(found, wanted, what) { if (found < wanted - 1e-6) { faults.push(what + ' has the contrast ' + short(found) + ' to 1, ' + wanted + ' is the least'); } }

  // 1.4.3: text.
  const tip = document.getElementById('tip');
  if (tip) { tip.hidden = false; tip.textContent = tip.textContent || 'a tip'; }
  for (const element of all('body *')) {
    if (element.closest('svg, script, style') || ![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim() !== '')) { continue; }
    checked += 1;
    const style = getComputedStyle(element), below = ground(element);
    require(contrast(over(paintOfText(element, style), below), below), least(style), 'text ' + named(element));
  }
  function paintOfText(element, style) {
    let seen = 1;
    for (let e = element; e; e = e.parentElement) { seen *= opacity(getComputedStyle(e).opacity); }
    const c = color(style.color);
    return [c[0], c[1], c[2], c[3] * seen];
  }
  // 1.4.3 and 1.4.11: text and shapes of drawings.
  for (const drawing of all('figure svg')) {
    if (drawing.parentElement.closest('svg')) { continue; }
    const middle = box => [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
    for (const text of drawing.querySelectorAll('text')) {
      if (text.textContent.trim() === '') { continue; }
      checked += 1;
      const style = getComputedStyle(text), below = groundInDrawing(drawing, text, ...middle(text.getBoundingClientRect()));
      require(contrast(over(paint(style, 'fill'), below), below), least(style), 'in a drawing, ' + named(text));
    }
    for (const shape of drawing.querySelectorAll('rect, circle, line, polyline, path')) {
      if (isDecoration(shape)) { continue; }
      const box = shape.getBoundingClientRect();
      if (box.width === 0 && box.height === 0) { continue; }
      checked += 1;
      const style = getComputedStyle(shape), below = groundInDrawing(drawing, shape, ...middle(box));
      const isOpen = ['line', 'polyline'].includes(shape.tagName);
      const kinds = (isOpen ? ['stroke'] : ['fill', 'stroke']).filter(kind => style[kind] !== 'none');
      if (kinds.length === 0) { continue; }
      const best = Math.max(...kinds.map(kind => contrast(over(paint(style, kind), below), below)));
      require(best, 3, 'in a drawing, a ' + shape.tagName + ' of the class ' + JSON.stringify(shape.getAttribute('class') || ''));
    }
  }
  // 1.4.11: the edges of controls.
  for (const control of all('button, input, select, textarea')) {
    const style = getComputedStyle(control), around = ground(control.parentElement);
    const edge = parseFloat(style.borderTopWidth) > 0 ? contrast(over(color(style.borderTopColor), around), around) : 1;
    require(Math.max(edge, contrast(ground(control), around)), 3, 'the edge of ' + named(control));
  }

  // 4.1.2 and 1.1.1: names, as assistive technology computes them from attributes, labels and text.
  function nameOf(element) {
    const ids = (element.getAttribute('aria-labelledby') || '').split(/\s+/).filter(Boolean);
    if (ids.length > 0) { return ids.map(id => (document.getElementById(id) || {}).textContent || '').join(' ').trim(); }
    const label = (element.getAttribute('aria-label') || '').trim();
    if (label !== '') { return label; }
    if (element.labels && element.labels.length > 0) { return [...element.labels].map(l => l.textContent).join(' ').trim(); }
    if (element.tagName === 'IMG') { return (element.getAttribute('alt') || '').trim(); }
    if (element.tagName === 'svg') { return ((element.querySelector(':scope > title') || {}).textContent || '').trim(); }
    if (['BUTTON', 'A', 'SUMMARY', 'TH', 'TD'].includes(element.tagName)) { return element.textContent.trim(); }
    return (element.getAttribute('title') || '').trim();
  }
  const controls = 'button, a[href], input, select, textarea, summary, [tabindex], [role=region], [role=group], [role=img], figure > svg';
  for (const element of all(controls)) {
    checked += 1;
    if (nameOf(element) === '') { faults.push('no name for assistive technology: ' + named(element)); }
  }
  for (const image of all('img')) { if (!image.hasAttribute('alt')) { faults.push('an image has no alt: ' + image.outerHTML.slice(0, 60)); } }
  for (const drawing of all('figure > svg')) {
    if (drawing.getAttribute('role') !== 'img') { faults.push('a drawing has not the role img: ' + named(drawing)); }
    if (!drawing.querySelector(':scope > desc') || drawing.querySelector(':scope > desc').textContent.trim() === '') { faults.push('a drawing has no description: ' + named(drawing)); }
  }
  // 2.5.3: words on a button are part of its name. 2.4.6: buttons of equal names are told apart by the named parts that they are in.
  const places = new Set();
  for (const button of all('button')) {
    const words = button.textContent.trim();
    if (/[a-z]/i.test(words) && !nameOf(button).toLowerCase().includes(words.toLowerCase())) { faults.push('the name of a button lacks its words: ' + named(button)); }
    let place = nameOf(button);
    for (let part = button.parentElement; part; part = part.parentElement) { if (part.matches('[aria-label], [aria-labelledby]')) { place += '\n' + nameOf(part); } }
    if (places.has(place)) { faults.push('two buttons cannot be told apart: ' + JSON.stringify(nameOf(button))); }
    places.add(place);
  }

  // 1.3.1: tables.
  for (const table of all('table')) {
    checked += 1;
    if (!table.caption || table.caption.textContent.trim() === '') { faults.push('a table has no caption: ' + named(table)); }
    for (const head of table.querySelectorAll('th')) {
      if (!['col', 'row'].includes(head.scope)) { faults.push('a header of a table has no scope: ' + named(head)); }
    }
    if (!table.tHead || [...table.tHead.rows[0].cells].some(cell => cell.tagName !== 'TH')) { faults.push('a table has columns without headers: ' + named(table)); }
    for (const row of table.querySelectorAll('tbody tr')) { if (!row.querySelector('th[scope=row]')) { faults.push('a row of a table has no header: ' + named(row)); } }
  }

  // 3.1.1, 2.4.2, 1.3.1, 2.4.1: language, title, headings, landmarks, identifiers, links.
  if (!/^[a-z]{2}/.test(document.documentElement.lang)) { faults.push('the page has no language'); }
  if (document.title.trim() === '') { faults.push('the page has no title'); }
  let level = 0;
  for (const heading of all('h1, h2, h3, h4, h5, h6')) {
    const own = Number(heading.tagName[1]);
    if (heading.textContent.trim() === '') { faults.push('a heading is empty'); }
    if (own > level + 1) { faults.push('a heading leaves a level out: ' + named(heading) + ' after h' + level); }
    level = own;
  }
  for (const [name, selector] of [['h1', 'h1'], ['main', 'main, [role=main]']]) {
    const count = all(selector).length;
    if (count !== 1) { faults.push('the page has ' + count + ' elements ' + name + ', not one'); }
  }
  const ids = new Set();
  for (const element of all('[id]')) {
    if (ids.has(element.id)) { faults.push('an id stands twice: ' + element.id); }
    ids.add(element.id);
  }
  for (const element of all('[aria-labelledby], [aria-describedby]')) {
    for (const id of ((element.getAttribute('aria-labelledby') || '') + ' ' + (element.getAttribute('aria-describedby') || '')).split(/\s+/).filter(Boolean)) {
      if (!ids.has(id)) { faults.push('a reference to an id that is not there: ' + id); }
    }
  }
  for (const link of all('a[href^="#"]')) { if (!ids.has(decodeURIComponent(link.getAttribute('href').slice(1)))) { faults.push('a link leads nowhere: ' + named(link)); } }
  const viewport = all('meta[name=viewport]').map(meta => meta.content).join(', ');
  if (/user-scalable *= *no|maximum-scale/.test(viewport)) { faults.push('the page forbids to zoom'); }

  // 2.1.1, 2.4.3, 2.4.7, 2.5.8: the keyboard reaches what can be used or scrolled, in order, and is seen there; targets are large enough.
  for (const element of all('body *')) {
    const style = getComputedStyle(element);
    if (element.closest('svg') || !['auto', 'scroll'].includes(style.overflowX) && !['auto', 'scroll'].includes(style.overflowY)) { continue; }
    if (element.scrollWidth <= element.clientWidth + 1 && element.scrollHeight <= element.clientHeight + 1) { continue; }
    if (element.getAttribute('tabindex') !== '0') { faults.push('the keyboard cannot scroll ' + named(element)); }
  }
  for (const element of all('button, a[href], input, select, textarea, summary, [tabindex]')) {
    checked += 1;
    if (element.tabIndex > 0) { faults.push('an order of its own for the keyboard: ' + named(element)); }
    if (element.tabIndex < 0) { continue; }
    const box = element.getBoundingClientRect(), resting = getComputedStyle(element);
    if (box.width < 1 || box.height < 1 || resting.visibility !== 'visible' || opacity(resting.opacity) === 0) { faults.push('the keyboard reaches what is not seen: ' + named(element)); }
    if (element.tagName === 'BUTTON' && (box.width < 24 || box.height < 24)) { faults.push('a target of less than 24 by 24 pixels: ' + named(element)); }
    element.focus({ focusVisible: true, preventScroll: true });
    if (document.activeElement !== element) { faults.push('the keyboard does not reach ' + named(element)); continue; }
    const focused = getComputedStyle(element);
    if (focused.outlineStyle === 'none' || parseFloat(focused.outlineWidth) < 1) { faults.push('the focus of the keyboard is not seen: ' + named(element)); continue; }
    const around = ground(element.parentElement);
    require(contrast(over(color(focused.outlineColor), around), around), 3, 'the mark of the focus around ' + named(element));
    element.blur();
  }
  return checked;
};
