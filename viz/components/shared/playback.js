// The playback controls: buttons, arrow keys, the scrubber, the speed; they report the view after the reader has stopped moving.
(() => {
  if (unrolled.playback) return;

  const ICONS = {
    first: "M5 4v12M16 4l-8 6 8 6z", previous: "M13 4l-8 6 8 6z", play: "M6 3.5v13l11-6.5z", pause: "M5.5 4h3v12h-3zM11.5 4h3v12h-3z",
    next: "M7 4l8 6-8 6z", last: "M15 4v12M4 4l8 6-8 6z", fewer: "M4 10h12", more: "M4 10h12M10 4v12",
  };
  const SPEEDS = [1, 2, 4, 8, 16, 32];
  const REPORT_DELAY = 400; // ms after the last move

  // The view that the page's arrow keys move, where there are several: the one last touched.
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

  unrolled.iconButton = (context, name, onClick) => {
    const node = unrolled.element("button", { type: "button", className: `unrolled-icon unrolled-${name}` }, icon(name));
    context.on(node, "click", onClick);
    return node;
  };

  unrolled.setLabel = (node, text) => {
    node.title = text;
    node.setAttribute("aria-label", text);
  };

  // sentence(): the text that a screen reader speaks at the current step.
  unrolled.playback = (context, sentence) => {
    const { root, store } = context;
    const buttons = {
      first: unrolled.iconButton(context, "first", () => go(0)),
      previous: unrolled.iconButton(context, "previous", () => go(store.step - 1)),
      play: unrolled.iconButton(context, "play", () => (playing ? pause() : play())),
      next: unrolled.iconButton(context, "next", () => go(store.step + 1)),
      last: unrolled.iconButton(context, "last", () => go(Infinity)),
    };
    const scrubber = unrolled.element("input", { type: "range", min: 0, step: 1, className: "unrolled-scrubber" });
    const counter = unrolled.element("output", { className: "unrolled-counter", "aria-live": "off" }); // changes at every frame
    const speed = unrolled.element("select", { className: "unrolled-speed" });
    const spoken = unrolled.spokenStep(sentence);
    const element = unrolled.element("div", { className: "unrolled-playback-bar" },
      unrolled.element("div", { className: "unrolled-playback-buttons" }, ...Object.values(buttons)), scrubber, counter, speed, spoken.element);

    // -- moving
    let playing = false;
    let timer = 0;
    let laidOutTrace = null;
    const go = (step) => store.set({ step: Math.min(Math.max(step, 0), (store.trace?.steps ?? 1) - 1) });

    function play() {
      if (!store.trace) return;
      playing = true;
      spoken.speakLater(playing);
      if (store.step >= store.trace.steps - 1) go(0);
      showPlaying();
      tick();
    }
    // The steps keep an even pace: the time that drawing takes is subtracted from the wait.
    function tick(due = performance.now()) {
      const next = Math.max(due + 1000 / Number(speed.value || 4), performance.now());
      timer = setTimeout(() => {
        if (!store.trace || store.step >= store.trace.steps - 1) return pause();
        if (store.trace.hasStep(store.step)) go(store.step + 1); // else its values are still to arrive
        tick(next);
      }, next - performance.now());
    }
    function pause() {
      playing = false;
      clearTimeout(timer);
      showPlaying();
      spoken.speakLater(playing);
      reportLater();
    }
    function showPlaying() {
      buttons.play.replaceChildren(icon(playing ? "pause" : "play"));
      unrolled.setLabel(buttons.play, playing ? context.words.pause : context.words.play);
    }

    // -- reporting the view
    let hostView = null; // the view that the host last set or received, as JSON
    let reporting = 0;
    // With the revision of the host's view that this one followed, by which the host recognizes an outdated report.
    const view = () => ({ step: store.step, unit: store.unit, quantity: store.quantity, revision: context.data.view.revision });
    function reportLater() {
      clearTimeout(reporting);
      reporting = setTimeout(() => {
        if (playing || !store.trace) return;
        const now = view();
        if (JSON.stringify(now) === hostView) return;
        hostView = JSON.stringify(now);
        context.report("view", now);
      }, unrolled.room?.reportDelay() ?? REPORT_DELAY);
    }

    // -- input
    context.on(scrubber, "input", () => go(Number(scrubber.value)));
    context.on(speed, "change", () => { if (playing) { clearTimeout(timer); tick(); } });
    for (const type of ["pointerdown", "focusin"]) context.on(root, type, () => { players.active = store.viewId; });

    const keys = {
      ArrowLeft: () => go(store.step - 1), ArrowRight: () => go(store.step + 1),
      Home: () => go(0), End: () => go(Infinity), " ": () => (playing ? pause() : play()),
    };
    // Elements that use these keys themselves, and those that use the space bar.
    const takesKeys = "input, textarea, select, [contenteditable='true'], [contenteditable=''], [role=slider], [role=combobox], "
      + "[role=listbox], [role=option], [role=tab], [role=radio], [role=menu], [role=menuitem], [role=grid], [role=dialog], [role=textbox]";
    const takesSpace = "button, summary, label, [role=button], [role=checkbox], [role=switch]"; // not links, which enter opens
    context.on(document, "keydown", (event) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || !keys[event.key]) return;
      if (!store.trace || (players.active ?? store.viewId) !== store.viewId || !root.isConnected) return;
      const target = event.target instanceof Element ? event.target : document.body;
      const spaceOnScrubber = target === scrubber && event.key === " ";
      if (!spaceOnScrubber && target.closest(takesKeys)) return;
      if (event.key === " " && target.closest(takesSpace)) return;
      event.preventDefault();
      keys[event.key]();
    });

    players.all.add(store.viewId);
    players.active ??= store.viewId;

    return {
      element,
      speakLater: () => spoken.speakLater(playing),

      relabel() {
        const { words } = context;
        root.setAttribute("aria-label", words.player);
        for (const [name, node] of Object.entries(buttons)) unrolled.setLabel(node, words[name]);
        scrubber.setAttribute("aria-label", words.scrubber);
        unrolled.setLabel(speed, words.speed);
        const chosen = speed.value || "4";
        speed.replaceChildren(...SPEEDS.map((n) => unrolled.element("option", { value: n, text: unrolled.fillTemplate(words.per_second, { n }) })));
        speed.value = chosen;
        showPlaying();
      },

      update() {
        const { view: wanted } = context.data;
        if (!wanted) return;
        hostView = JSON.stringify({ step: wanted.step, unit: wanted.unit, quantity: wanted.quantity, revision: wanted.revision });
        store.follow(wanted);
        reportLater(); // the reader may have moved on meanwhile, or the trace may not have what was wanted
      },

      layout() {
        const { trace } = store;
        const isSameRun = trace === laidOutTrace
          || (trace.excerpt && trace.layer === laidOutTrace?.layer && trace.excerpt.run === laidOutTrace.excerpt?.run);
        if (playing && !isSameRun) pause();
        laidOutTrace = trace;
        scrubber.max = trace.steps - 1;
        counter.style.minWidth = `${2 * String(trace.steps).length + 3}ch`;
      },

      frame(changed) {
        const { trace, step } = store;
        const { words } = context;
        if (!changed.has("trace")) spoken.speakLater(playing); // a new sequence is not spoken
        scrubber.value = step;
        scrubber.style.setProperty("--at", `${(100 * step) / Math.max(trace.steps - 1, 1)}%`);
        scrubber.setAttribute("aria-valuetext", unrolled.fillTemplate(words.scrubber_text, { step: step + 1, token: unrolled.displayToken(trace.token(step)) }));
        counter.textContent = unrolled.fillTemplate(words.counter, { step: step + 1, steps: trace.steps, token: trace.token(step) });
        buttons.first.disabled = buttons.previous.disabled = step === 0;
        buttons.last.disabled = buttons.next.disabled = step === trace.steps - 1;
        if (!playing) reportLater();
      },

      destroy() {
        clearTimeout(timer);
        clearTimeout(reporting);
        spoken.destroy();
        players.all.delete(store.viewId);
        if (players.active === store.viewId) players.active = [...players.all][0] ?? null;
      },
    };
  };
})();
