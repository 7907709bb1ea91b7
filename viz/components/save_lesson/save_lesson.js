// Saves a lesson as one HTML file without scripts. The host shows its sections one after another, each is copied once it is drawn:
// canvases become images, formulas MathML, and controls are left out.
const POLL = 150; // milliseconds
const DRAWN_POLLS = 3; // polls in a row at which nothing was left to draw
const MAX_POLLS = 1200; // then the saving ends without a file

// What was copied. A host may mount the button anew with each section.
unrolled.copiedSections ??= { lesson: null, html: new Map(), rules: new Set() };

function build(context) {
  const { root } = context;
  const button = unrolled.element("button", { type: "button", "aria-live": "polite" });
  root.append(button);
  let waiting = { section: 0, timer: 0 };
  let failed = false;

  // Of any page, beside what the host names in data.left_out. A drawing's own buttons are tokens, names and tiles: they stay, inert.
  const LEFT_OUT = "button:not(.unrolled *), .unrolled-icon, .unrolled-choice, .unrolled-sketch button, .unrolled-folded-network button, "
    + ".unrolled-word-window .move, input, select, textarea, label, style, script, iframe, audio, video, .unrolled-player, .unrolled-hidden, "
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
    for (const button of copy.querySelectorAll("button")) button.inert = true;
    if (context.data.section > 1) for (const part of copy.querySelectorAll(context.data.once)) part.remove();
    for (const link of copy.querySelectorAll("a")) link.setAttribute("href", link.href);
    const { lesson, section } = context.data;
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
      `body { max-width: ${Math.round(document.querySelector(selector).clientWidth)}px; margin: 2rem auto; padding: 0 1.5rem; box-sizing: content-box; background: ${background}; color: ${look.color}; font-family: ${look.fontFamily}; font-size: ${look.fontSize}; }`,
      "hr { margin: 3rem 0; } math { font-size: 1.1em; } img, svg { break-inside: avoid; }",
    );
    copy.head.append(unrolled.element("style", { text: rules.join("\n") }));
    return `<!doctype html>\n${copy.documentElement.outerHTML}`;
  }

  function save() {
    const address = URL.createObjectURL(new Blob([page()], { type: "text/html" }));
    unrolled.element("a", { href: address, download: `${context.data.file}.html` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }

  // The host shows this section next; 0 ends the saving. The time makes each report another one.
  const show = (section) => context.report("section", { section, at: Date.now() });

  function copyNext() {
    const { section, count } = context.data;
    copySection();
    if (section < count) { show(section + 1); return; }
    save();
    show(0);
  }

  function waitFor(section) {
    let polls = 0, drawn = 0;
    const look = () => {
      const { settled, unfinished } = context.data;
      const isDrawn = document.querySelector(settled) && !document.querySelector(unfinished) && document.fonts.status === "loaded";
      drawn = isDrawn ? drawn + 1 : 0;
      polls += 1;
      if (drawn >= DRAWN_POLLS) { copyNext(); return; }
      if (polls >= MAX_POLLS) { failed = true; show(0); return; }
      waiting.timer = setTimeout(look, POLL);
    };
    waiting = { section, timer: setTimeout(look, POLL) };
  }

  function stopWaiting() {
    clearTimeout(waiting.timer);
    waiting = { section: 0, timer: 0 };
  }

  function label() {
    const { copying, section, count } = context.data;
    const text = copying ? context.words.copying.replace("{section}", section).replace("{count}", count)
      : failed ? context.words.failed : context.words.save;
    if (button.textContent !== text) button.textContent = text;
    button.title = copying ? context.words.stop : context.words.hint;
  }

  context.on(button, "click", () => {
    failed = false;
    stopWaiting();
    if (context.data.copying) { show(0); return; }
    unrolled.copiedSections = { lesson: context.data.lesson, html: new Map(), rules: new Set() };
    show(1);
  });

  return {
    update() {
      const { copying, section, lesson } = context.data;
      if (!copying) stopWaiting();
      else if (lesson !== unrolled.copiedSections.lesson) show(0); // in another language now
      else if (section !== waiting.section) { stopWaiting(); waitFor(section); }
      label();
    },
    relabel: label,
    destroy: stopWaiting,
  };
}

unrolled.define("save_lesson", build);
