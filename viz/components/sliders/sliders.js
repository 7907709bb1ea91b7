// Sliders that report while they are dragged: the next values are reported once the page has been drawn for the last ones.
function build(context) {
  const { root } = context;
  const PATIENCE = 1500; // ms after which the next report no longer waits
  const PAUSE = 400; // ms without a move after which a drag counts as released
  const KEY_PAUSE = 1000; // ms that separate two runs of key presses
  const setters = new Map(); // name -> the function that sets its slider
  const values = {}, starts = {};
  let built = "";
  let serial = 0, drawn = 0, reportedAt = 0, pending = false, timer = 0;
  let drag = 0, movedAt = -Infinity, pressed = false, released = true, pauseTimer = 0, revealTimer = 0;

  // The reader changed a value. A run of key presses is one drag.
  function onMove() {
    if (!pressed && performance.now() - movedAt > KEY_PAUSE) drag = Date.now();
    movedAt = performance.now();
    released = false;
    clearTimeout(pauseTimer);
    if (context.data.reports_release) pauseTimer = setTimeout(onRelease, PAUSE);
    report();
  }

  function onRelease() {
    clearTimeout(pauseTimer);
    if (released || !context.data.reports_release) return;
    released = true;
    report();
  }

  const setPressed = (isDown) => () => {
    if (isDown && !pressed) drag = Date.now();
    pressed = isDown;
  };

  function report() {
    clearTimeout(timer);
    const wait = reportedAt + PATIENCE - performance.now();
    if (drawn < serial && wait > 0) {
      pending = true;
      timer = setTimeout(report, wait);
      return;
    }
    pending = false;
    reportedAt = performance.now();
    context.report("values", { ...values, serial: ++serial, drag, released });
  }

  // 2.20, or 10 to that power
  function format(slider, value) {
    if (slider.power) return unrolled.formatNumber(10 ** value, 3);
    const digits = Math.max(0, Math.ceil(-Math.log10(slider.step) - 1e-9));
    return value.toFixed(digits).replace("-", "−");
  }

  function buildSliders() {
    setters.clear();
    root.replaceChildren(...context.data.sliders.map((slider) => {
      const output = unrolled.element("output");
      const input = unrolled.element("input", {
        type: "range", min: slider.low, max: slider.high, step: slider.step, "aria-label": slider.label, title: slider.hint,
      });
      const showValue = () => {
        output.textContent = format(slider, values[slider.name]);
        input.setAttribute("aria-valuetext", output.textContent);
      };
      const set = (value) => {
        values[slider.name] = Math.min(Math.max(value, slider.low), slider.high);
        input.value = values[slider.name];
        showValue();
      };
      set(values[slider.name] ?? slider.start);
      setters.set(slider.name, set);
      input.addEventListener("pointerdown", setPressed(true));
      for (const type of ["pointerup", "pointercancel"]) input.addEventListener(type, setPressed(false));
      input.addEventListener("input", () => {
        values[slider.name] = Number(input.value);
        showValue();
        onMove();
      });
      input.addEventListener("change", onRelease);
      return unrolled.element("label", { className: "unrolled-slider", title: slider.hint }, unrolled.element("span", { text: slider.label }), output, input);
    }));
  }

  // Stay in the middle of the window while what is above is still being drawn, unless the reader scrolls or clicks.
  function reveal() {
    const stop = () => clearInterval(revealTimer);
    revealTimer = setInterval(() => root.scrollIntoView({ block: "center" }), 150);
    setTimeout(stop, 3000);
    for (const type of ["wheel", "pointerdown", "keydown"]) window.addEventListener(type, stop, { once: true, passive: true });
  }

  // Move to a new `start`, but not during a drag, nor while the page is drawn for an earlier report than the last.
  function followStarts() {
    if (!released || pending || drawn < serial) return;
    for (const { name, start, follows } of context.data.sliders) {
      if (follows && starts[name] !== start) setters.get(name)(start);
      starts[name] = start;
    }
  }

  return {
    update() {
      const next = JSON.stringify(context.data.sliders.map(({ start, ...slider }) => slider));
      if (next !== built) buildSliders();
      if (context.data.reveal && !built) reveal();
      built = next;
      drawn = Math.max(drawn, context.data.drawn);
      serial = Math.max(serial, drawn); // sliders mounted anew count on from the reports of the earlier ones
      followStarts();
      if (pending && drawn >= serial) report();
    },
    destroy() {
      clearTimeout(timer);
      clearTimeout(pauseTimer);
      clearInterval(revealTimer);
    },
  };
}

unrolled.define("sliders", build);
