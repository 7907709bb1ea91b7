// Saves the sections of a lesson as one HTML file without scripts. A section is copied when the reader leaves it and when the file is
// saved: canvases become images, formulas MathML, and controls are left out.
unrolled.copiedSections ??= { lesson: null, html: new Map(), rules: new Set() };

function build(context) {
  const { root } = context;
  const button = unrolled.element("button", { type: "button" });
  root.append(button);

  // Of any page, beside what the host names in data.left_out.
  const LEFT_OUT = "button, input, select, textarea, label, style, script, iframe, audio, video, .unrolled-player, .unrolled-hidden, "
    + ".unrolled-theme-probe, .unrolled-save, .modebar-container, .modebar";

  // An image of each canvas in the copy, at the size that it has on the page.
  function replaceCanvases(original, copy) {
    const [from, to] = [original, copy].map((part) => [...part.querySelectorAll("canvas")]);
    from.forEach((canvas, k) => {
      const { width, height } = canvas.getBoundingClientRect();
      if (!width || !height || !canvas.width || !canvas.height) { to[k].remove(); return; }
      const image = unrolled.element("img", { src: canvas.toDataURL("image/png"), alt: "", className: canvas.className });
      image.setAttribute("style", canvas.getAttribute("style") ?? "");
      Object.assign(image.style, { width: `${width}px`, height: `${height}px` });
      to[k].replaceWith(image);
    });
  }

  function copySection() {
    const original = document.querySelector(context.data.selector);
    if (!original) return;
    const copy = original.cloneNode(true);
    replaceCanvases(original, copy);
    for (const formula of copy.querySelectorAll(".katex")) {
      const math = formula.querySelector("math");
      math?.querySelector("annotation")?.remove();
      if (math) formula.replaceWith(math);
    }
    for (const part of copy.querySelectorAll(`${LEFT_OUT}, ${context.data.left_out}`)) part.remove();
    for (const link of copy.querySelectorAll("a")) link.setAttribute("href", link.href);
    const { lesson, section } = context.data;
    if (unrolled.copiedSections.lesson !== lesson) unrolled.copiedSections = { lesson, html: new Map(), rules: new Set() };
    unrolled.copiedSections.html.set(section, copy.outerHTML);
    for (const rule of rulesFor(copy)) unrolled.copiedSections.rules.add(rule); // the style of a component goes with it
  }

  // The rules of the page's style sheets that apply to an element of the copy.
  function rulesFor(copy) {
    const applies = (rule) => {
      if (!rule.selectorText) return !(rule instanceof CSSFontFaceRule || rule instanceof CSSImportRule || rule instanceof CSSKeyframesRule);
      const selector = rule.selectorText.replace(/::[\w-]+(\([^)]*\))?|:(hover|focus|focus-visible|active|focus-within)/g, "");
      try { return /:root|^html|^body|^\*/.test(selector) || copy.matches(selector) || Boolean(copy.querySelector(selector)); } catch { return false; }
    };
    return [...document.styleSheets].flatMap((sheet) => {
      try { return [...sheet.cssRules].filter(applies).map((rule) => rule.cssText); } catch { return []; } // of another site
    });
  }

  function page() {
    const { title, language, selector } = context.data;
    const sections = [...unrolled.copiedSections.html].sort(([one], [other]) => one - other).map(([, html]) => html);
    const copy = document.implementation.createHTMLDocument(title);
    copy.documentElement.lang = language;
    copy.head.prepend(unrolled.element("meta", { charset: "utf-8" }));
    copy.body.innerHTML = sections.join("\n<hr>\n");
    const look = getComputedStyle(document.querySelector(selector));
    const background = getComputedStyle(root).getPropertyValue("--unrolled-background");
    const rules = [...unrolled.copiedSections.rules];
    rules.push(
      "html, body { position: static; overflow: visible; height: auto; }",
      `html { color-scheme: ${unrolled.luminance(unrolled.rgb(background)) < 0.18 ? "dark" : "light"}; }`,
      `body { max-width: 1400px; margin: 2rem auto; padding: 0 1.5rem; background: ${background}; color: ${look.color}; font-family: ${look.fontFamily}; font-size: ${look.fontSize}; }`,
      "hr { margin: 3rem 0; } math { font-size: 1.1em; } img, svg { break-inside: avoid; }",
    );
    copy.head.append(unrolled.element("style", { text: rules.join("\n") }));
    return `<!doctype html>\n${copy.documentElement.outerHTML}`;
  }

  context.on(button, "click", () => {
    copySection();
    const address = URL.createObjectURL(new Blob([page()], { type: "text/html" }));
    unrolled.element("a", { href: address, download: `${context.data.file}.html` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  });
  // Before another section replaces this one.
  context.on(window, "click", ({ target }) => {
    if (target instanceof Element && target.closest(context.data.leaving)) copySection();
  }, { capture: true });

  return {
    relabel() {
      button.textContent = context.words.save;
      button.title = context.words.hint;
    },
  };
}

unrolled.define("save_lesson", build);
