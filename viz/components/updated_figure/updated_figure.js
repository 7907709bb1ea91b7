// A figure of plotly that is drawn into its place again whenever it changed, with the reader's zoom. Out of sight it waits;
// in a file, where `unrolled.drawInTurn` is, until the figures before it are drawn.
unrolled.plotly ??= (address) => {
  unrolled.plotlyScript ??= new Promise((resolve, reject) => {
    const script = unrolled.element("script", { src: new URL(address, document.baseURI).href });
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      unrolled.plotlyScript = null; // the next figure tries again
      script.remove();
      reject(new Error("plotly's script was not loaded"));
    };
    document.head.append(script);
  });
  return unrolled.plotlyScript;
};

unrolled.components.updated_figure = {
  mount(element, first) {
    const root = unrolled.element("div", { className: "unrolled unrolled-updated-figure" });
    element.append(root);
    let wanted = null, shown = null, plotly = null;
    let width = 0, inSight = false, isInTurn = false, isDrawing = false, isGone = false;

    const isLate = () => wanted !== null && (inSight || isInTurn) && width > 0 && !isGone;

    async function draw() {
      root.toggleAttribute("data-later", isLate());
      if (isDrawing) return;
      isDrawing = true;
      try {
        while (isLate()) {
          const next = wanted;
          wanted = null;
          plotly = await unrolled.plotly(next.script);
          if (isGone) break;
          const { data, layout } = JSON.parse(next.figure);
          await plotly.react(root, data, { ...layout, width }, next.config);
          shown = next.figure;
        }
      } finally {
        isDrawing = false;
        root.toggleAttribute("data-later", isLate());
      }
    }

    function update(next) {
      root.dataset.name = next.name;
      const { height } = JSON.parse(next.figure).layout;
      root.style.minHeight = `${height}px`; // so that nothing moves once it is drawn
      if (next.figure === shown && wanted === null) return;
      wanted = next;
      draw();
    }

    const room = new ResizeObserver(([entry]) => {
      const now = Math.floor(entry.contentRect.width);
      if (now === width || !now) return;
      width = now;
      if (shown !== null && plotly) plotly.relayout(root, { width });
      draw();
    });
    const sight = new IntersectionObserver((entries) => {
      inSight = entries.at(-1).isIntersecting;
      root.toggleAttribute("data-in-sight", inSight);
      draw();
    });
    room.observe(root);
    sight.observe(root);
    update(first);
    unrolled.drawInTurn?.(() => {
      isInTurn = true;
      return draw();
    });
    return {
      update,
      destroy() {
        isGone = true;
        room.disconnect();
        sight.disconnect();
        plotly?.purge(root);
        root.remove();
      },
    };
  },
};
