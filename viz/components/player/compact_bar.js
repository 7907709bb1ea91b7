// While the page is scrolled past the player, its playback controls and the current line of its token strip stay below the list of
// panels (or an element with the attribute data-unrolled-top), so that the steps can be changed beside the panel in view. They are the same elements, taken out of the page's flow;
// the player keeps its height, so that nothing moves. A page with neither has no such bar.
unrolled.compactBar = (context, playback, strip) => {
  const { root, store } = context;
  const ROW = 46, SCRUBBER = 14, MIN_BESIDE = 640; // pixels; narrower, the strip is below the buttons
  const MARGIN_PROPERTY = "--unrolled-compact-bar"; // the height of the bar, for what is scrolled to below it
  const backdrop = unrolled.element("div", { className: "unrolled-compact-backdrop", "aria-hidden": "true" });
  root.prepend(backdrop);
  let shown = false;
  let frame = 0;

  const isBeside = () => context.width >= MIN_BESIDE;
  const height = () => (isBeside() ? ROW : 2 * ROW) + SCRUBBER;

  function place(top, { left, width }) {
    const set = (name, value) => root.style.setProperty(`--bar-${name}`, `${Math.round(value)}px`);
    for (const [name, value] of Object.entries({ top, left, width, height: height() })) set(name, value);
    const used = isBeside() ? playback.offsetWidth + 12 : 0;
    set("strip-top", isBeside() ? top : top + ROW);
    set("strip-left", left + used);
    set("strip-width", width - used);
    return width - used;
  }

  function show(wanted, top, box) {
    shown = wanted;
    root.style.height = wanted ? `${box.height}px` : "";
    root.toggleAttribute("data-compact", wanted);
    strip.setLine(wanted ? place(top, box) : null);
  }

  function update() {
    frame = 0;
    if (!store.trace || !context.width) return;
    const list = document.querySelector(".unrolled-panel-list:not([data-projector]), [data-unrolled-top]");
    const top = list ? list.getBoundingClientRect().bottom : 0;
    const box = root.getBoundingClientRect();
    const wanted = Boolean(list) && box.bottom < top + height();
    if (wanted !== shown) show(wanted, top, box);
    else if (shown) place(top, box);
  }

  context.on(document, "scroll", () => { frame ||= requestAnimationFrame(update); }, { capture: true, passive: true });

  // The wheel over an element that is fixed to the window does not scroll the page below it.
  context.on(root, "wheel", (event) => {
    if (!shown) return;
    let page = root.parentNode;
    while (page instanceof Element && !/auto|scroll/.test(getComputedStyle(page).overflowY)) page = page.parentNode;
    if (page instanceof Element) page.scrollBy(0, event.deltaY);
  }, { passive: true });

  return {
    // The player is laid out anew: out of the bar, so that its height is measured, and back into it.
    layout() {
      if (shown) show(false);
      document.documentElement.style.setProperty(MARGIN_PROPERTY, `${height()}px`);
      update();
    },
    destroy() {
      cancelAnimationFrame(frame);
      document.documentElement.style.removeProperty(MARGIN_PROPERTY);
    },
  };
};
