import Digests
import Foundation

/// What a page can do beyond being read: tooltips at once, values of curves under the pointer, zoom in timelines. The page says all it has to say
/// without it.
enum PageScript {
    /// Allows this script, the page's style and nothing else: no other script, nothing from a network.
    static let policy: String = {
        let digest = Data(SHA256("\(source)".utf8).bytes()).base64EncodedString()
        return "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-\(digest)'; base-uri 'none'; form-action 'none'"
    }()

    /// Between the marks, so that HTML and XML read it alike.
    static let source: StaticString = """
        /*<![CDATA[*/
        'use strict';
        document.documentElement.classList.add('scripted');
        const tip = document.createElement('div');
        tip.id = 'tip';
        tip.hidden = true;
        document.body.append(tip);
        function say(text, event) {
          tip.textContent = text;
          tip.hidden = text === '';
          const box = tip.getBoundingClientRect();
          const room = document.documentElement.clientWidth - box.width - 8;
          tip.style.left = Math.max(4, Math.min(event.clientX + 14, room)) + 'px';
          const below = event.clientY + 16;
          tip.style.top = (below + box.height < window.innerHeight ? below : Math.max(4, event.clientY - box.height - 10)) + 'px';
        }
        function short(value) { return Number(value.toPrecision(4)).toString(); }
        // The tooltips of the drawing become the page's own.
        for (const title of document.querySelectorAll('svg * > title')) {
          title.parentNode.dataset.tip = title.textContent;
          title.remove();
        }
        document.addEventListener('pointermove', event => {
          const owner = event.target.closest ? event.target.closest('[data-tip]') : null;
          if (owner) { say(owner.dataset.tip, event); return; }
          const chart = event.target.closest ? event.target.closest('svg[data-kind=lines]') : null;
          say(chart ? valuesUnder(chart, event) : '', event);
        });
        document.addEventListener('pointerleave', () => { tip.hidden = true; });
        function valuesUnder(chart, event) {
          const plot = chart.querySelector('.plot');
          const [left, right, top, bottom, x0, x1, y0, y1] = plot.dataset.frame.split(' ').map(Number);
          const box = chart.getBoundingClientRect();
          const x = (event.clientX - box.left) / box.width * chart.viewBox.baseVal.width;
          const y = (event.clientY - box.top) / box.height * chart.viewBox.baseVal.height;
          if (x < left - 4 || x > right + 4 || y < top || y > bottom) { return ''; }
          const names = plot.dataset.names.split('\\n');
          const nearest = new Map();
          for (const line of plot.querySelectorAll('polyline')) {
            for (const pair of line.getAttribute('points').split(' ')) {
              const [px, py] = pair.split(',').map(Number);
              const known = nearest.get(line.dataset.name);
              if (!known || Math.abs(px - x) < Math.abs(known.px - x)) { nearest.set(line.dataset.name, { px, py }); }
            }
          }
          if (nearest.size === 0) { return ''; }
          const lines = [names[0] + ': ' + short(x0 + (Math.min(Math.max(x, left), right) - left) / (right - left) * (x1 - x0))];
          for (const [name, point] of nearest) {
            if (lines.length === 13) { lines.push('…'); break; }
            lines.push(name + ': ' + short(y0 + (bottom - point.py) / (bottom - top) * (y1 - y0)));
          }
          return lines.join('\\n');
        }
        // Timelines: the horizontal unit of the inner drawing is a second.
        for (const chart of document.querySelectorAll('svg[data-kind=timeline]')) {
          const inner = chart.querySelector('.timed');
          const axis = chart.querySelector('.times');
          const [left, right, bottom, whole] = axis.dataset.axis.split(' ').map(Number);
          const height = inner.viewBox.baseVal.height;
          let from = 0;
          let span = whole;
          const show = () => {
            span = Math.min(Math.max(span, whole / 500), whole);
            from = Math.min(Math.max(from, 0), whole - span);
            inner.setAttribute('viewBox', from + ' 0 ' + span + ' ' + height);
            const raw = span / 8;
            const power = Math.pow(10, Math.floor(Math.log10(raw)));
            const step = [1, 2, 5, 10].map(f => f * power).find(s => s >= raw * 0.999);
            axis.replaceChildren();
            for (let n = Math.ceil(from / step - 1e-9); n * step <= from + span * 1.0001; n += 1) {
              const at = left + (n * step - from) / span * (right - left);
              const mark = document.createElementNS(chart.namespaceURI, 'line');
              for (const [key, value] of [['class', 'axis'], ['x1', at], ['x2', at], ['y1', bottom], ['y2', bottom + 4]]) { mark.setAttribute(key, value); }
              const text = document.createElementNS(chart.namespaceURI, 'text');
              for (const [key, value] of [['class', 'tick'], ['x', at], ['y', bottom + 18], ['text-anchor', 'middle']]) { text.setAttribute(key, value); }
              text.textContent = short(n * step) + ' s';
              axis.append(mark, text);
            }
          };
          const zoom = (factor, at) => {
            from = at - (at - from) * factor;
            span *= factor;
            show();
          };
          const timeAt = event => {
            const box = inner.getBoundingClientRect();
            const scale = chart.getBoundingClientRect().width / chart.viewBox.baseVal.width;
            return from + (event.clientX - chart.getBoundingClientRect().left - left * scale) / ((right - left) * scale) * span;
          };
          for (const button of chart.parentNode.querySelectorAll('[data-zoom]')) {
            button.addEventListener('click', () => {
              const middle = from + span / 2;
              switch (button.dataset.zoom) {
                case 'in': zoom(0.5, middle); break;
                case 'out': zoom(2, middle); break;
                case 'left': from -= span / 3; show(); break;
                case 'right': from += span / 3; show(); break;
                default: from = 0; span = whole; show();
              }
            });
          }
          chart.addEventListener('wheel', event => {
            if (!event.ctrlKey && !event.shiftKey) { return; }
            event.preventDefault();
            zoom((event.deltaY || event.deltaX) > 0 ? 1.25 : 0.8, timeAt(event));
          }, { passive: false });
          let held = null;
          inner.addEventListener('pointerdown', event => { held = timeAt(event); });
          window.addEventListener('pointerup', () => { held = null; });
          inner.addEventListener('pointermove', event => {
            if (held === null || span === whole) { return; }
            from += held - timeAt(event);
            show();
          });
        }
        /*]]>*/
        """
}
