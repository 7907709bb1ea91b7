// What every component needs of the page that it is on: to be mounted once, to be drawn once a frame, and to know the theme.
window.unrolled ??= {};
window.unrolled.mount ??= (() => {
  const instances = new WeakMap();
  const quick = { capture: false };

  function theme(element) {
    const style = getComputedStyle(element);
    const read = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
    const background = read("--st-background-color", "#ffffff");
    const dark = window.unrolled.luminance(window.unrolled.rgb(background)) < 0.18;
    return {
      dark,
      background,
      text: read("--st-text-color", dark ? "#fafafa" : "#31333f"),
      secondary: read("--st-secondary-background-color", dark ? "#262730" : "#f0f2f6"),
      border: read("--st-border-color", dark ? "#3d4044" : "#d6d8dd"),
      accent: read("--st-primary-color", "#ff4b4b"),
      font: read("--st-font", "sans-serif"),
      code: read("--st-code-font", "monospace"),
    };
  }

  function create(component, build) {
    const { parentElement } = component;
    const root = document.createElement("div");
    root.className = `unrolled unrolled-${component.data.component}`;
    // A transition that ends at once tells of any change of the page's colours, whoever makes it.
    const probe = document.createElement("i");
    probe.className = "unrolled-probe";
    parentElement.append(root, probe);

    const gone = new AbortController();
    const store = window.unrolled.store(component.data.view_id);
    const context = {
      root, store, component, data: component.data, words: component.data.words ?? {},
      theme: null, palette: null, width: 0,
      report: (name, value) => context.component.setStateValue(name, value), // always through the latest mount
      on: (target, type, fn, options) => target.addEventListener(type, fn, { ...quick, ...options, signal: gone.signal }),
      relayout: () => invalidate(null),
    };

    let part = null;
    let frame = 0;
    let stale = true; // the layout as well as what changes with each step
    let changes = new Set();

    const draw = () => {
      frame = 0;
      if (!part || !store.trace || !context.width) return;
      root.toggleAttribute("data-waiting", Boolean(part.exact) && !store.trace.here(store.step));
      if (root.hasAttribute("data-waiting")) return; // drawn when its numbers come
      const changed = changes;
      changes = new Set();
      if (stale) {
        stale = false;
        context.theme = theme(root);
        context.palette = context.data.palette?.[context.theme.dark ? "dark" : "light"] ?? null;
        root.dataset.theme = context.theme.dark ? "dark" : "light";
        root.style.setProperty("--unrolled-on-accent", unrolled.ink(context.theme.accent));
        part.layout?.();
        for (const name of ["trace", "step", "unit", "quantity"]) changed.add(name);
      }
      part.frame?.(changed);
    };
    // changed: a Set from the store, or null when everything is to be laid out again. Drawn once, in the next frame.
    const invalidate = (changed) => {
      if (!changed || changed.has("trace")) stale = true;
      for (const name of changed ?? []) changes.add(name);
      frame ||= requestAnimationFrame(draw);
    };

    part = build(context) ?? {};
    context.on(probe, "transitionrun", () => invalidate(null));
    const observer = new ResizeObserver(([entry]) => {
      const width = Math.floor(entry.contentRect.width);
      if (width && width !== context.width) { context.width = width; invalidate(null); }
    });
    observer.observe(root);
    const unsubscribe = store.subscribe(invalidate);
    if (document.fonts?.status === "loading") document.fonts.ready.then(() => part && invalidate(null)); // widths were measured too early

    return {
      viewId: component.data.view_id,
      generation: 0,
      update(next) {
        const spoken = JSON.stringify(context.words);
        const shown = JSON.stringify([{ ...context.data, view: null }, context.theme]);
        context.component = next;
        context.data = next.data;
        context.words = next.data.words ?? {};
        if (JSON.stringify(context.words) !== spoken) part.speak?.();
        part.update?.();
        // A rerun that only reports where the reader is must not cost a new layout.
        if (JSON.stringify([{ ...context.data, view: null }, theme(root)]) !== shown) invalidate(null);
      },
      destroy() {
        cancelAnimationFrame(frame);
        part.destroy?.();
        gone.abort();
        observer.disconnect();
        unsubscribe();
        root.remove();
        probe.remove();
        part = null;
      },
    };
  }

  // Streamlit calls a component's script again whenever its data changed; build() runs once for each element.
  //   build(context) -> {speak(), update(), layout(), frame(changed), destroy()}, all optional:
  //   speak: set every translated string; update: data changed (also the first time; data.view is for update alone); layout: trace, theme, data or width changed;
  //   frame: step, unit or quantity changed. layout and frame run inside one animation frame, and only when there is a trace;
  // exact: true where both need every number of the step: they then wait until these are here.
  // Returns the clean-up that Streamlit calls when the element goes.
  function mount(component, build) {
    const { parentElement } = component;
    let instance = instances.get(parentElement);
    if (instance && instance.viewId !== component.data.view_id) {
      instance.destroy();
      instance = null;
    }
    if (!instance) {
      instance = create(component, (context) => {
        const part = build(context);
        part?.speak?.();
        return part;
      });
      instances.set(parentElement, instance);
    }
    instance.update(component);
    const generation = ++instance.generation;
    return () => { // an earlier call's clean-up must not end a later one
      if (instance.generation !== generation) return;
      instance.destroy();
      if (instances.get(parentElement) === instance) instances.delete(parentElement);
    };
  }
  return mount;
})();
