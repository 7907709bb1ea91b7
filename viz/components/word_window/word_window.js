// A sentence as buttons: the middle word, and those within the window around it. Play moves the middle from word to word by the
// browser's own clock, and stops at the end; if the browser is set to reduce motion, each press moves it by one word.
function build(context) {
  const { root } = context;
  const PERIOD = 1200; // ms at each word
  const motion = matchMedia("(prefers-reduced-motion: reduce)");
  const move = unrolled.element("button", { type: "button", className: "move" });
  const sentence = unrolled.element("div", { className: "sentence", role: "group" });
  const examples = unrolled.element("dl");
  root.append(move, sentence, examples);
  let buttons = [], middle = 0, reported = null, drawn = "", timer = 0;

  const last = () => context.data.sentence.length - 1;
  const around = () => context.data.sentence.filter((_, k) => k !== middle && Math.abs(k - middle) <= context.data.window);

  function show() {
    buttons.forEach((button, k) => {
      button.className = k === middle ? "middle" : Math.abs(k - middle) <= context.data.window ? "around" : "outside";
      button.setAttribute("aria-pressed", String(k === middle));
    });
    const word = context.data.sentence[middle], others = around(), { words } = context;
    const lines = (texts) => (texts.length ? texts : ["–"]).map((text) => unrolled.element("dd", { text }));
    examples.replaceChildren(
      unrolled.element("dt", { className: "unrolled-muted", text: words.cbow }), ...lines(others.length ? [`${others.join(" + ")} → ${word}`] : []),
      unrolled.element("dt", { className: "unrolled-muted", text: words.skip_gram }), ...lines(others.length ? [others.map((each) => `${word} → ${each}`).join(", ")] : []));
    root.dataset.middle = middle;
    showMove();
  }

  function showMove() {
    root.dataset.playing = String(timer !== 0);
    move.textContent = timer ? context.words.stop : motion.matches ? context.words.next : context.words.play;
    move.disabled = last() < 1;
  }

  function stop() {
    clearTimeout(timer);
    timer = 0;
    showMove();
    if (reported === middle) return;
    reported = middle;
    context.report("middle", { middle, at: performance.now() }); // `at`: the same place may be chosen again
  }

  function place(k) {
    middle = k;
    show();
  }

  function play() {
    timer = setTimeout(() => {
      place(middle + 1);
      if (middle === last()) return stop();
      play();
    }, PERIOD);
  }

  context.on(move, "click", () => {
    if (timer) return stop();
    const next = middle === last() ? 0 : middle + 1;
    place(next);
    if (motion.matches || next === last()) return stop();
    play();
    showMove();
  });
  context.on(motion, "change", () => (timer ? stop() : showMove()));

  function draw() {
    buttons = context.data.sentence.map((text, k) => {
      const button = unrolled.element("button", { type: "button", text });
      button.addEventListener("click", () => {
        place(k);
        stop();
      });
      return button;
    });
    sentence.replaceChildren(...buttons);
  }

  return {
    relabel: () => sentence.setAttribute("aria-label", context.words.label),
    update() {
      const { middle: wanted, ...others } = context.data;
      const next = JSON.stringify(others);
      if (next === drawn && wanted === reported) return; // the host has taken over the reported place
      if (next !== drawn) draw();
      drawn = next;
      clearTimeout(timer);
      timer = 0;
      middle = reported = Math.min(wanted, last());
      show();
    },
    destroy: () => clearTimeout(timer),
  };
}

unrolled.define("word_window", build);
