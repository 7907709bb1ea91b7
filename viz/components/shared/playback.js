// The transport bar: play, pause, arrow keys, the scrubber; and telling Python where the reader has settled.
(() => {
  const unrolled = (window.unrolled ??= {});
  if (unrolled.transport) return;

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

  // A button that is a picture.
  unrolled.button = (context, name, act) => {
    const node = unrolled.element("button", { type: "button", className: `unrolled-icon unrolled-${name}` }, icon(name));
    context.on(node, "click", act);
    return node;
  };

  unrolled.label = (node, text) => {
    node.title = text;
    node.setAttribute("aria-label", text);
  };

  // played(playing): called when it begins and when it stops.
  unrolled.transport = (context, played = () => {}) => {
    const { root, store } = context;
    const buttons = {
      first: unrolled.button(context, "first", () => go(0)),
      previous: unrolled.button(context, "previous", () => go(store.step - 1)),
      play: unrolled.button(context, "play", () => (playing ? pause() : play())),
      next: unrolled.button(context, "next", () => go(store.step + 1)),
      last: unrolled.button(context, "last", () => go(Infinity)),
    };
    const scrubber = unrolled.element("input", { type: "range", min: 0, step: 1, className: "unrolled-scrubber" });
    const counter = unrolled.element("output", { className: "unrolled-counter" });
    const speed = unrolled.element("select", { className: "unrolled-speed" });
    const element = unrolled.element("div", { className: "unrolled-bar" },
      unrolled.element("div", { className: "unrolled-transport" }, ...Object.values(buttons)), scrubber, counter, speed);

    // -- moving
    let playing = false;
    let timer = 0;
    let laid = null;
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
        if (store.trace.here(store.step)) go(store.step + 1); // else its numbers are still to come
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
      buttons.play.replaceChildren(icon(playing ? "pause" : "play"));
      unrolled.label(buttons.play, playing ? context.words.pause : context.words.play);
      played(playing);
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
    context.on(speed, "change", () => { if (playing) { clearTimeout(timer); tick(); } });
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

    return {
      element,

      speak() {
        const { words } = context;
        root.setAttribute("aria-label", words.player);
        for (const [name, node] of Object.entries(buttons)) unrolled.label(node, words[name]);
        scrubber.setAttribute("aria-label", words.scrubber);
        unrolled.label(speed, words.speed);
        const chosen = speed.value || "4";
        speed.replaceChildren(...SPEEDS.map((n) => unrolled.element("option", { value: n, text: unrolled.fill(words.per_second, { n }) })));
        speed.value = chosen;
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
        const same = trace === laid || (trace.excerpt && trace.layer === laid?.layer && trace.excerpt.run === laid.excerpt?.run);
        if (playing && !same) pause(); // another sequence has come
        laid = trace;
        scrubber.max = trace.steps - 1;
        counter.style.minWidth = `${2 * String(trace.steps).length + 3}ch`;
      },

      frame() {
        const { trace, step } = store;
        const { words } = context;
        scrubber.value = step;
        scrubber.style.setProperty("--at", `${(100 * step) / Math.max(trace.steps - 1, 1)}%`);
        scrubber.setAttribute("aria-valuetext", unrolled.fill(words.scrubber_text, { step: step + 1, token: unrolled.token(trace.token(step)) }));
        counter.textContent = unrolled.fill(words.counter, { step: step + 1, steps: trace.steps });
        buttons.first.disabled = buttons.previous.disabled = step === 0;
        buttons.last.disabled = buttons.next.disabled = step === trace.steps - 1;
        if (!playing) tellLater();
      },

      destroy() {
        clearTimeout(timer);
        clearTimeout(telling);
        players.all.delete(store.viewId);
        if (players.active === store.viewId) players.active = [...players.all][0] ?? null;
      },
    };
  };
})();
