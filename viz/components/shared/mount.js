// The lifecycle of a component that draws: built once in an element, drawn at most once a frame (out of sight just after it), and
// laid out anew when its trace, data, theme or width changes. A host mounts a component by
//   const mounted = unrolled.components[name].mount(element, data, report);
//   mounted.update(data); mounted.destroy();
// report(event, value) is called for each action of the reader that a host may handle. The element inherits the theme's custom
// properties (shared.css).
window.unrolled ??= {};
unrolled.components ??= {};
unrolled.define ??= (() => {
  // The theme, which all elements of a page have in common: read once a frame, as the browser computes all styles anew for it.
  let known = { at: null, theme: null };
  function readTheme(element) {
    const at = document.timeline.currentTime; // of the frame
    if (known.at !== at || at === null) known = { at, theme: computeTheme(element) };
    return known.theme;
  }

  function computeTheme(element) {
    const style = getComputedStyle(element);
    const property = (name) => style.getPropertyValue(`--unrolled-${name}`).trim();
    const background = property("background");
    return {
      background,
      dark: unrolled.luminance(unrolled.rgb(background)) < 0.18,
      text: property("text"),
      accent: property("accent"),
      font: property("font"),
      code: property("code-font"),
    };
  }

  function create(name, build, element, data, report) {
    const root = document.createElement("div");
    root.className = `unrolled unrolled-${name.replaceAll("_", "-")}`;
    // A transition on the theme's colours: its event reports any change of them, whatever the cause.
    const probe = document.createElement("i");
    probe.className = "unrolled-theme-probe";
    element.append(root, probe);

    const lifetime = new AbortController();
    const store = unrolled.store(data.view_id);
    const context = {
      root, store, data, report,
      words: data.words ?? {},
      theme: null, palette: null, width: 0,
      on: (target, type, listener, options) => target.addEventListener(type, listener, { ...options, signal: lifetime.signal }),
    };

    let part = null;
    let frame = 0, timer = 0;
    let inSight = true;
    let stale = true; // the layout, and with it what changes with each step
    let changes = new Set();

    // The page's colours, and those of the quantities of a cell of the user's own (viz/payloads/cell_description.py).
    const paletteOf = (palettes, theme) => {
      const palette = palettes?.[theme] ?? null;
      const own = store.trace.options?.colours?.[theme];
      return palette && own ? { ...palette, quantity: { ...palette.quantity, ...own } } : palette;
    };

    const draw = () => {
      frame = timer = 0;
      delete root.dataset.later;
      if (!part || !store.trace || !context.width) return;
      root.toggleAttribute("data-waiting", Boolean(part.needsStep) && !store.trace.hasStep(store.step));
      if (root.hasAttribute("data-waiting")) return; // drawn when the step's values arrive
      const changed = changes;
      changes = new Set();
      if (stale) {
        stale = false;
        context.theme = readTheme(root);
        context.palette = paletteOf(context.data.palette, context.theme.dark ? "dark" : "light");
        root.dataset.theme = context.theme.dark ? "dark" : "light";
        root.style.setProperty("--unrolled-on-accent", unrolled.contrastColour(context.theme.accent));
        part.layout?.();
        for (const what of ["trace", "step", "unit", "quantity"]) changed.add(what);
      }
      part.frame?.(changed);
    };
    // Draw in the next frame; what is out of sight after that frame has been painted, so that it does not delay what is in sight.
    const schedule = () => {
      if (frame || timer) return;
      const isShown = inSight || root.hasAttribute("data-compact"); // in that form it is fixed to the window
      if (!isShown) root.dataset.later = ""; // until it is drawn
      frame = requestAnimationFrame(isShown ? draw : () => { frame = 0; timer = setTimeout(draw, 0); });
    };
    // changed: a Set from the store, or null for a new layout. Drawn once, however many calls there are before.
    const invalidate = (changed) => {
      if (!changed || changed.has("trace")) stale = true;
      for (const what of changed ?? []) changes.add(what);
      schedule();
    };

    part = build(context) ?? {};
    part.relabel?.();
    context.on(probe, "transitionrun", () => invalidate(null));
    const observer = new ResizeObserver(([entry]) => {
      const width = Math.floor(entry.contentRect.width);
      if (width && width !== context.width) { context.width = width; invalidate(null); }
    });
    observer.observe(root);
    const sight = new IntersectionObserver((entries) => { inSight = entries.at(-1).isIntersecting; });
    sight.observe(root);
    const unsubscribe = store.subscribe(invalidate);
    // Text measured before its font was loaded has the wrong width.
    if (document.fonts?.status === "loading") document.fonts.ready.then(() => part && invalidate(null));

    return {
      viewId: data.view_id,
      update(next) {
        const wordsBefore = JSON.stringify(context.words);
        const before = JSON.stringify({ ...context.data, view: null });
        context.data = next;
        context.words = next.words ?? {};
        if (JSON.stringify(context.words) !== wordsBefore) part.relabel?.();
        part.update?.();
        // A change of the view alone must not cost a new layout. To read the theme takes the browser a layout of the page.
        const isNew = JSON.stringify({ ...context.data, view: null }) !== before;
        if (isNew || JSON.stringify(readTheme(root)) !== JSON.stringify(context.theme)) invalidate(null);
      },
      destroy() {
        cancelAnimationFrame(frame);
        clearTimeout(timer);
        part.destroy?.();
        lifetime.abort();
        observer.disconnect();
        sight.disconnect();
        unsubscribe();
        root.remove();
        probe.remove();
        part = null;
      },
    };
  }

  // Add a component. build(context) returns {relabel(), update(), layout(), frame(changed), destroy(), needsStep}, all optional:
  //   relabel: set every translated string, at first and when `words` changed;
  //   update: the data changed, also the first time (data.view is for update alone);
  //   layout: trace, theme, data or width changed; frame: step, unit or quantity changed. Both run inside one animation frame, and
  //   only when there is a trace;
  //   needsStep: true where both need all values of the step; they then wait for them.
  return (name, build) => {
    unrolled.components[name] = {
      mount(element, data, report = () => {}) {
        let drawn = create(name, build, element, data, report);
        drawn.update(data);
        return {
          update(next) {
            if (next.view_id !== drawn.viewId) {
              drawn.destroy();
              drawn = create(name, build, element, next, report);
            }
            drawn.update(next);
          },
          destroy: () => drawn.destroy(),
        };
      },
    };
  };
})();
