// The transport bar, the pickers and the unrolled strip.
const ICONS = {
  first: "M5 4v12M16 4l-8 6 8 6z", previous: "M13 4l-8 6 8 6z", play: "M6 3.5v13l11-6.5z", pause: "M5.5 4h3v12h-3zM11.5 4h3v12h-3z",
  next: "M7 4l8 6-8 6z", last: "M15 4v12M4 4l8 6-8 6z", fewer: "M4 10h12", more: "M4 10h12M10 4v12",
};
const SPEEDS = [1, 2, 4, 8, 16, 32];
const SETTLE = 400; // ms after the last move that Python is told

// Which view the page's arrow keys move, when there are several: the one last touched.
const players = (unrolled.players ??= { all: new Set(), active: null });

function icon(name) {
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  svg.append(path);
  return svg;
}

function build(context) {
  const { root, store } = context;
  const button = (name, act) => {
    const node = unrolled.element("button", { type: "button", className: `unrolled-icon unrolled-${name}` }, icon(name));
    context.on(node, "click", act);
    return node;
  };

  // -- controls
  const transport = {
    first: button("first", () => go(0)),
    previous: button("previous", () => go(store.step - 1)),
    play: button("play", () => (playing ? pause() : play())),
    next: button("next", () => go(store.step + 1)),
    last: button("last", () => go(Infinity)),
  };
  const scrubber = unrolled.element("input", { type: "range", min: 0, step: 1, className: "unrolled-scrubber" });
  const counter = unrolled.element("output", { className: "unrolled-counter" });
  const speed = unrolled.element("select", { className: "unrolled-speed" });
  const bar = unrolled.element("div", { className: "unrolled-bar" },
    unrolled.element("div", { className: "unrolled-transport" }, ...Object.values(transport)), scrubber, counter, speed);

  const chips = unrolled.element("div", { className: "unrolled-chips", role: "group" });
  const unitLabel = unrolled.element("label", { className: "unrolled-quiet", for: `unit-${store.viewId}` });
  const unit = unrolled.element("input", { type: "number", min: 0, step: 1, id: `unit-${store.viewId}`, className: "unrolled-unit" });
  const steppers = { fewer: button("fewer", () => store.set({ unit: store.unit - 1 })), more: button("more", () => store.set({ unit: store.unit + 1 })) };
  const picker = unrolled.element("div", { className: "unrolled-picker" }, unitLabel, steppers.fewer, unit, steppers.more);
  const pickers = unrolled.element("div", { className: "unrolled-pickers" }, chips, picker);

  const strip = unrolled.strip(context);
  const readout = unrolled.element("p", { className: "unrolled-readout", "aria-live": "polite" });
  const bounds = [0, 1].map(() => unrolled.element("span"));
  const ramp = unrolled.element("i");
  const legend = unrolled.element("div", { className: "unrolled-legend unrolled-quiet", "aria-hidden": "true" }, bounds[0], ramp, bounds[1]);
  const mirror = unrolled.mirror(context);
  root.setAttribute("role", "region");
  root.append(bar, pickers, strip.element, unrolled.element("div", { className: "unrolled-foot" }, readout, legend), mirror.element);

  // -- moving
  let playing = false;
  let timer = 0;
  let played = null;
  const go = (step) => store.set({ step: Math.min(Math.max(step, 0), (store.trace?.steps ?? 1) - 1) });

  function play() {
    if (!store.trace) return;
    playing = true;
    if (store.step >= store.trace.steps - 1) go(0);
    showPlaying();
    tick();
  }
  // Steps keep their pace: time that drawing took is taken off the wait.
  function tick(due = performance.now()) {
    const next = Math.max(due + 1000 / Number(speed.value || 4), performance.now());
    timer = setTimeout(() => {
      if (!store.trace || store.step >= store.trace.steps - 1) return pause();
      go(store.step + 1);
      tick(next);
    }, next - performance.now());
  }
  function pause() {
    playing = false;
    clearTimeout(timer);
    showPlaying();
    tellLater();
  }
  function showPlaying() {
    transport.play.replaceChildren(icon(playing ? "pause" : "play"));
    label(transport.play, playing ? context.words.pause : context.words.play);
    readout.setAttribute("aria-live", playing ? "off" : "polite");
  }

  // -- telling Python
  let known = null; // what Python last said or was told
  let telling = 0;
  // Which of Python's wishes this follows: a report that crossed with a newer one is then known to be late.
  const view = () => ({ step: store.step, unit: store.unit, quantity: store.quantity, revision: context.data.view.revision });
  function tellLater() {
    clearTimeout(telling);
    telling = setTimeout(() => {
      if (playing || !store.trace) return;
      const now = view();
      if (JSON.stringify(now) === known) return;
      known = JSON.stringify(now);
      context.report("view", now);
    }, SETTLE);
  }

  // -- input
  context.on(scrubber, "input", () => go(Number(scrubber.value)));
  context.on(unit, "input", () => {
    if (unit.value !== "" && Number.isFinite(Number(unit.value))) store.set({ unit: Number(unit.value) });
  });
  context.on(unit, "blur", () => { unit.value = store.unit; });
  context.on(speed, "change", () => { if (playing) { clearTimeout(timer); tick(); } });
  context.on(chips, "click", (event) => {
    const quantity = event.target.closest("button")?.dataset.name;
    if (quantity) store.set({ quantity });
  });
  for (const type of ["pointerdown", "focusin"]) context.on(root, type, () => { players.active = store.viewId; });

  const keys = {
    ArrowLeft: () => go(store.step - 1), ArrowRight: () => go(store.step + 1),
    Home: () => go(0), End: () => go(Infinity), " ": () => (playing ? pause() : play()),
  };
  const typing = "input, textarea, select, [contenteditable='true'], [contenteditable=''], [role=slider], [role=combobox], "
    + "[role=listbox], [role=option], [role=tab], [role=radio], [role=menu], [role=menuitem], [role=grid], [role=dialog], [role=textbox]";
  const pressed = "button, a[href], summary, label, [role=button], [role=link], [role=checkbox], [role=switch]";
  context.on(document, "keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || !keys[event.key]) return;
    if (!store.trace || (players.active ?? store.viewId) !== store.viewId || !root.isConnected) return;
    const target = event.target instanceof Element ? event.target : document.body;
    const onScrubber = target === scrubber && event.key === " ";
    if (!onScrubber && target.closest(typing)) return;
    if (event.key === " " && target.closest(pressed)) return;
    event.preventDefault();
    keys[event.key]();
  });

  players.all.add(store.viewId);
  players.active ??= store.viewId;

  const label = (node, text) => {
    node.title = text;
    node.setAttribute("aria-label", text);
  };

  return {
    speak() {
      const { words } = context;
      root.setAttribute("aria-label", words.player);
      for (const [name, node] of Object.entries({ ...transport, ...steppers })) label(node, words[name]);
      scrubber.setAttribute("aria-label", words.scrubber);
      label(speed, words.speed);
      const chosen = speed.value || "4";
      speed.replaceChildren(...SPEEDS.map((n) => unrolled.element("option", { value: n, text: unrolled.fill(words.per_second, { n }) })));
      speed.value = chosen;
      chips.setAttribute("aria-label", words.tint);
      unitLabel.textContent = words.unit;
      mirror.speak();
      showPlaying();
    },

    update() {
      const { view: wanted } = context.data;
      if (!wanted) return;
      known = JSON.stringify({ step: wanted.step, unit: wanted.unit, quantity: wanted.quantity, revision: wanted.revision });
      store.follow(wanted);
      tellLater(); // where the reader has moved on meanwhile, or the trace did not allow what was wanted
    },

    layout() {
      const { trace } = store;
      const { words, palette } = context;
      if (playing && trace !== played) pause(); // another sequence has come
      played = trace;
      scrubber.max = trace.steps - 1;
      unit.max = trace.units - 1;
      counter.style.minWidth = `${2 * String(trace.steps).length + 3}ch`;
      const focused = document.activeElement?.dataset?.name;
      chips.replaceChildren(...trace.quantities.map((name) => {
        const dot = unrolled.element("i");
        dot.style.background = palette.quantity[name];
        return unrolled.element("button", { type: "button", "data-name": name }, dot, words.quantities[name] ?? name);
      }));
      if (focused) chips.querySelector(`[data-name="${focused}"]`)?.focus();
      strip.layout();
    },

    frame(changed) {
      const { trace, step, unit: chosen, quantity } = store;
      const { words, palette } = context;
      const scale = trace.unitScale(quantity, chosen);
      const token = unrolled.token(trace.tokens[step]);
      const name = words.quantities[quantity] ?? quantity;
      if (changed.has("trace") || changed.has("quantity") || changed.has("unit")) {
        for (const chip of chips.children) chip.setAttribute("aria-pressed", chip.dataset.name === quantity);
        if (document.activeElement !== unit || Number(unit.value) !== chosen) unit.value = chosen;
        steppers.fewer.disabled = chosen === 0;
        steppers.more.disabled = chosen === trace.units - 1;
        bounds[0].textContent = unrolled.number(scale.low, 2);
        bounds[1].textContent = unrolled.number(scale.high, 2);
        ramp.style.background = `linear-gradient(to right, ${palette[scale.name].filter((_, k) => k % 15 === 0).join(",")})`;
        strip.element.setAttribute("aria-label", unrolled.fill(words.strip, { quantity: name, unit: chosen }));
        strip.paint();
      }
      strip.mark();
      scrubber.value = step;
      scrubber.style.setProperty("--at", `${(100 * step) / Math.max(trace.steps - 1, 1)}%`);
      scrubber.setAttribute("aria-valuetext", unrolled.fill(words.scrubber_text, { step: step + 1, token }));
      counter.textContent = unrolled.fill(words.counter, { step: step + 1, steps: trace.steps });
      transport.first.disabled = transport.previous.disabled = step === 0;
      transport.last.disabled = transport.next.disabled = step === trace.steps - 1;
      readout.textContent = unrolled.fill(words.readout, {
        step: step + 1, steps: trace.steps, token, quantity: name, unit: chosen, value: unrolled.number(trace.value(quantity, step, chosen)),
      });
      mirror.later();
      if (!playing) tellLater();
    },

    destroy() {
      clearTimeout(timer);
      clearTimeout(telling);
      mirror.destroy();
      unrolled.note(null);
      players.all.delete(store.viewId);
      if (players.active === store.viewId) players.active = [...players.all][0] ?? null;
    },
  };
}

export default (component) => unrolled.mount(component, build);
