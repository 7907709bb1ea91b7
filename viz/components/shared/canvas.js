// What all components draw with: colours, number formats, elements, canvases, the tooltip, PNG files.
Object.assign((window.unrolled ??= {}), {
  // "#rgb", "#rrggbb" or "rgb(r, g, b)" -> [r, g, b], 0..255
  rgb(colour) {
    const text = colour.trim();
    if (text.startsWith("#")) {
      const hex = text.length < 7 ? [...text.slice(1, 4)].map((c) => c + c).join("") : text.slice(1, 7);
      return [0, 2, 4].map((k) => parseInt(hex.slice(k, k + 2), 16));
    }
    return (text.match(/[\d.]+/g) ?? [255, 255, 255]).slice(0, 3).map(Number);
  },

  // Relative luminance of [r, g, b], 0..1 (WCAG 2.2).
  luminance(rgb) {
    const [r, g, b] = rgb.map((c) => (c <= 10.31475 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  },

  // Black or white, whichever contrasts more with the colour: the same rule as in viz/colours.py.
  contrastColour(colour) {
    const light = unrolled.luminance(unrolled.rgb(colour));
    return (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) ? "#000000" : "#ffffff";
  },

  // The index of a value among the 256 colours of a scale {low, high} (trace.scale()); -1 for NaN and infinity.
  colourIndex(value, scale) {
    if (!Number.isFinite(value)) return -1;
    const k = Math.round(((value - scale.low) / (scale.high - scale.low)) * 255);
    return k < 0 ? 0 : k > 255 ? 255 : k;
  },

  // A value's colour in the palette, NaN and infinity in a colour of their own; "transparent" for null, where no value is.
  colourOf(value, scale, palette) {
    if (value === null || value === undefined) return "transparent";
    const k = unrolled.colourIndex(value, scale);
    return k < 0 ? palette.not_finite : palette[scale.name][k];
  },

  // The 256 colours of a scale as a CSS background, for a colour bar.
  gradient: (colours) => `linear-gradient(to right, ${colours.filter((_, k) => k % 15 === 0).join(",")})`,

  // Four significant digits, a true minus sign, an exponent only for very small and very large numbers; "–" for null, where no value is.
  formatNumber(value, digits = 4) {
    if (value === null || value === undefined) return "–";
    if (value !== value) return "NaN";
    if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
    const size = Math.abs(value);
    const text = size !== 0 && (size < 1e-3 || size >= 1e5) ? size.toExponential(digits - 1)
      : size.toFixed(Math.max(0, Math.min(digits, digits - 1 - Math.floor(Math.log10(size || 1)))));
    return (value < 0 ? "−" : "") + text;
  },

  // The legend of NaN and infinity, for an array {data, missing} that contains any: a list of elements.
  notFiniteLegend({ data, shape, missing }, palette, words) {
    const width = shape[1] ?? 1;
    let k = 0;
    while (k < data.length && (Number.isFinite(data[k]) || missing?.(Math.floor(k / width)))) k++;
    if (k === data.length) return [];
    const swatch = unrolled.element("i", { className: "unrolled-swatch" });
    swatch.style.background = palette.not_finite;
    return [swatch, words.not_finite];
  },

  // 0.1234 -> "12.3%"
  formatPercent: (p) => (p === null || p === undefined ? "–" : p !== p ? "NaN" : p >= 0.9995 && p < 1 ? ">99.9%" : p > 0 && p < 0.0005 ? "<0.1%" : `${(p * 100).toFixed(1)}%`),

  // "{a} of {b}" with {a: 1, b: 2} -> "1 of 2"
  fillTemplate(template, values) {
    if (template === undefined) console.error(`No words for ${Object.keys(values)}`); // the component's Python sends none
    return (template ?? "").replace(/\{(\w+)(?::([가-힣]+))?\}/g, (all, name, particle) => {
      const value = values[name] ?? all;
      return particle ? unrolled.withParticle(String(value), particle) : value;
    });
  },

  // Base64 of float32, as float32_text in Python makes it -> Float32Array
  float32(text) {
    const letters = atob(text);
    const bytes = new Uint8Array(letters.length);
    for (let k = 0; k < letters.length; k++) bytes[k] = letters.charCodeAt(k); // Uint8Array.from takes ten times as long
    return new Float32Array(bytes.buffer);
  },

  // A token as it is displayed: white space made visible.
  displayToken: (text) => (text === " " ? "␣" : text === "\n" ? "⏎" : text === "\t" ? "⇥" : text === "" ? "∅" : text),

  // The names of the classes that the network predicts, in the language of the page.
  classNames({ store, data }) {
    const { classes } = store.trace.options;
    return classes[data.lang ?? "en"] ?? classes.en;
  },

  // Whether a token is one character; one that the vocabulary lacks is in brackets.
  isCharacter: (token) => [...token].length <= 1 || /^\[.\]$/su.test(token),

  // An SVG element with attributes and, if given, a text, added to `parent`.
  svgElement(name, attributes, parent, text) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    parent?.append(node);
    return node;
  },

  element(tag, { className, text, ...attributes } = {}, ...children) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  },

  // Resize a canvas to CSS pixels and clear it; returns its 2D context, which draws in CSS pixels, sharp on any screen.
  sizeCanvas(canvas, width, height) {
    const ratio = window.devicePixelRatio || 1;
    const [w, h] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
    if (canvas.width !== w) canvas.width = w;
    if (canvas.height !== h) canvas.height = h;
    if (canvas.style) {
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    return pen;
  },

  // Show the tooltip at the pointer, one for the page. lines: strings, the first one bold; null hides it. It takes the theme of
  // `element`.
  tooltip(lines, x = 0, y = 0, element = null) {
    let box = document.querySelector("body > .unrolled-tooltip");
    if (!lines) {
      if (box) box.hidden = true;
      return;
    }
    if (!box) {
      box = unrolled.element("div", { className: "unrolled-tooltip", "aria-hidden": "true" });
      document.body.append(box);
      // What was under the pointer moves away when the page scrolls.
      addEventListener("scroll", () => { box.hidden = true; }, { capture: true, passive: true });
    }
    if (element) {
      const style = getComputedStyle(element);
      for (const name of ["--unrolled-text", "--unrolled-background", "--unrolled-font"]) {
        box.style.setProperty(name, style.getPropertyValue(name));
      }
    }
    box.replaceChildren(...lines.map((text, k) => unrolled.element(k ? "span" : "b", { text })));
    box.hidden = false;
    const { width, height } = box.getBoundingClientRect();
    const left = x + 14 + width > innerWidth ? x - 14 - width : x + 14;
    const top = y + 16 + height > innerHeight ? y - 12 - height : y + 16;
    box.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, top)}px)`;
  },

  // The tooltip of one token: its step, and the value that colours it.
  tokenTooltip({ root, store, words }, step, event) {
    const { trace, quantity, unit } = store;
    unrolled.tooltip([
      unrolled.fillTemplate(words.step_token, { step: step + 1, token: unrolled.displayToken(trace.token(step)) }),
      unrolled.fillTemplate(words.unit_value, {
        quantity: words.quantities[quantity] ?? quantity, unit, value: unrolled.formatNumber(trace.shown(quantity, step, unit)),
      }),
    ], event.clientX, event.clientY, root);
  },

  // Download a canvas as a PNG file.
  savePng(canvas, name) {
    canvas.toBlob((blob) => {
      const link = unrolled.element("a", { href: URL.createObjectURL(blob), download: `${name}.png` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    }, "image/png");
  },
});
