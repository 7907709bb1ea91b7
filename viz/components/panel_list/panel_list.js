// The list of a page's panels. An entry scrolls to its panel, which the host opens first where it is folded. In projector mode
// it has buttons for the panel before and after instead, and the up and down arrow keys do the same.
function build(context) {
  const { root } = context;
  const list = unrolled.element("div", { className: "unrolled-panel-entries", role: "group" });
  const tools = unrolled.element("div", { className: "unrolled-panel-tools" });
  const [back, on] = [-1, 1].map((way) => {
    const button = unrolled.element("button", { type: "button", className: "unrolled-panel-more", text: way < 0 ? "‹" : "›" });
    button.addEventListener("click", () => list.scrollBy({ left: way * 0.8 * list.clientWidth, behavior: "smooth" }));
    return button;
  });
  root.append(unrolled.element("nav", {}, back, list, on, tools));

  // Whether there are more entries to the left or right than fit.
  function showMore() {
    back.disabled = list.scrollLeft < 2;
    on.disabled = list.scrollLeft + list.clientWidth > list.scrollWidth - 2;
    root.toggleAttribute("data-more", !(back.disabled && on.disabled));
  }
  context.on(list, "scroll", showMore, { passive: true });
  const room = new ResizeObserver(showMore);
  room.observe(list);

  const find = (entry) => entry && document.querySelector(entry.selector);
  const entries = () => context.data.panels;

  // -- scrolling: again whenever the page grows above the panel, until the reader does something
  let target = null;
  const follow = () => {
    const element = find(entries().find((entry) => entry.name === target));
    if (element) element.scrollIntoView({ block: "start" });
    return element;
  };
  const growth = new ResizeObserver(() => { if (target) follow(); });
  function scrollTo(name) {
    target = name;
    const element = follow();
    if (!element) return;
    element.tabIndex = -1;
    element.focus({ preventScroll: true });
    growth.disconnect();
    for (let part = element.parentNode; part instanceof Element && part !== document.body; part = part.parentNode) growth.observe(part);
  }
  for (const type of ["wheel", "pointerdown", "keydown", "touchstart"]) {
    context.on(window, type, () => { target = null; growth.disconnect(); }, { capture: true, passive: true });
  }

  // -- choosing
  const pick = (entry) => {
    if (entry.open && !context.data.projector) return scrollTo(entry.name);
    context.report("picked", { name: entry.name, at: performance.now() }); // `at`: the same panel may be chosen again
  };
  const setMode = (mode) => context.report("mode", { mode, at: performance.now() });
  const place = () => Math.max(entries().findIndex((entry) => entry.name === context.data.shown), 0);
  let goal = null; // place of the panel requested last, until the host shows it: further keys count from there
  const move = (by) => {
    const next = (goal ?? place()) + by;
    if (next < 0 || next >= entries().length) return;
    goal = next;
    pick(entries()[next]);
  };
  context.on(list, "click", (event) => {
    const name = event.target.closest("button")?.dataset.panel;
    const entry = entries().find((each) => each.name === name);
    if (entry) pick(entry);
  });
  // The arrow keys move inside the list, which is one stop of the tab key.
  context.on(list, "keydown", (event) => {
    const buttons = [...list.children];
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -buttons.length, End: buttons.length }[event.key];
    if (!by) return;
    event.preventDefault();
    const next = buttons[Math.min(Math.max(buttons.indexOf(document.activeElement) + by, 0), buttons.length - 1)];
    setStop(next);
    next.focus();
  });
  const setStop = (button) => { for (const each of list.children) each.tabIndex = each === button ? 0 : -1; };

  const takesKeys = "input, textarea, select, [contenteditable='true'], [role=slider], [role=combobox], [role=listbox], [role=option], "
    + "[role=radio], [role=menu], [role=menuitem], [role=grid], [role=dialog]";
  context.on(document, "keydown", (event) => {
    if (!context.data.projector || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const by = { ArrowUp: -1, PageUp: -1, ArrowDown: 1, PageDown: 1 }[event.key];
    if (!by && event.key !== "Escape") return;
    if (event.target instanceof Element && event.target.closest(takesKeys)) return;
    event.preventDefault();
    if (by) move(by); else setMode("");
  });

  // -- the panel in sight: the last one whose top is above the upper third of the window
  let frame = 0;
  function mark() {
    frame = 0;
    if (context.data.projector) return;
    const limit = window.innerHeight / 3;
    let current = null;
    for (const entry of entries()) {
      const box = find(entry)?.getBoundingClientRect();
      if (box && box.height && (current === null || box.top < limit)) current = entry.name;
    }
    for (const button of list.children) {
      if (button.dataset.panel !== current) { button.removeAttribute("aria-current"); continue; }
      if (button.hasAttribute("aria-current")) continue;
      button.setAttribute("aria-current", "location");
      if (!list.contains(document.activeElement)) setStop(button);
      const [left, right] = [button.offsetLeft, button.offsetLeft + button.offsetWidth];
      if (left < list.scrollLeft) list.scrollLeft = left;
      else if (right > list.scrollLeft + list.clientWidth) list.scrollLeft = right - list.clientWidth;
    }
  }
  context.on(document, "scroll", () => { frame ||= requestAnimationFrame(mark); }, { capture: true, passive: true });

  let drawn = "";
  function draw() {
    const { data, words } = context;
    const now = JSON.stringify([data.panels, data.projector, data.projector && data.shown, words]);
    if (now === drawn) return;
    drawn = now;
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.panel : null;
    root.toggleAttribute("data-projector", data.projector);
    for (const [button, label] of [[back, words.earlier], [on, words.later]]) {
      button.title = label;
      button.setAttribute("aria-label", label);
    }
    list.setAttribute("aria-label", words.panels);
    list.replaceChildren(...(data.projector ? [] : data.panels.map((entry) => {
      const button = unrolled.element("button", { type: "button", "data-panel": entry.name, "aria-expanded": entry.open, text: entry.title });
      button.title = entry.open ? entry.title : unrolled.fillTemplate(words.folded, { title: entry.title });
      return button;
    })));
    setStop([...list.children].find((button) => button.dataset.panel === focused) ?? list.children[0]);
    if (focused) [...list.children].find((button) => button.dataset.panel === focused)?.focus();
    const tool = (text, label, act, enabled = true) => {
      const button = unrolled.element("button", { type: "button", text });
      button.title = label;
      button.setAttribute("aria-label", label);
      button.disabled = !enabled;
      button.addEventListener("click", act);
      return button;
    };
    const at = place();
    tools.replaceChildren(...(data.projector
      ? [tool("↑", words.previous, () => move(-1), at > 0),
        unrolled.element("output", { text: unrolled.fillTemplate(words.counter, { n: at + 1, count: data.panels.length }) }),
        tool("↓", words.next, () => move(1), at < data.panels.length - 1),
        tool("✕", words.leave, () => setMode(""))]
      : [tool("", `${words.projector}: ${words.projector_hint}`, () => setMode("projector"))]));
    if (!data.projector) {
      tools.firstChild.append(
        unrolled.element("i", { className: "unrolled-panel-screen" }),
        unrolled.element("span", { className: "unrolled-panel-word", text: words.projector }),
      );
    }
    showMore();
    mark();
  }

  return {
    update() {
      if (!context.data.projector || goal === place()) goal = null;
      draw();
      const { shown, turn, projector } = context.data;
      const before = unrolled.panelTurn ?? -1;
      unrolled.panelTurn = turn;
      if (turn !== before && shown && !projector) requestAnimationFrame(() => scrollTo(shown));
    },
    destroy() {
      cancelAnimationFrame(frame);
      growth.disconnect();
      room.disconnect();
    },
  };
}

unrolled.define("panel_list", build);
