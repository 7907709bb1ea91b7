// The host of an offline file: unpacks its numbers and shows the document. The part of the address after # may have a step, unit,
// quantity and lang: page.html#step=3&lang=ko. In a notebook (data-channel), the view and the notebook follow each other.
{
  const place = document.getElementById("unrolled-view");
  const unpacked = (id) => {
    const letters = atob(document.getElementById(id).textContent);
    const packed = new Uint8Array(letters.length);
    for (let k = 0; k < letters.length; k++) packed[k] = letters.charCodeAt(k);
    return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")));
  };
  const bytes = new Uint8Array(await unpacked("unrolled-numbers").arrayBuffer());
  // Plotly's script of this file; the page's policy allows it by its hash.
  unrolled.plotly = () => (unrolled.plotlyScript ??= unpacked("unrolled-plotly").text().then((text) => {
    document.head.append(Object.assign(document.createElement("script"), { textContent: text }));
    return window.Plotly;
  }));
  // On paper are figures that were never in sight too: one is drawn in each idle moment.
  const idle = () => new Promise((resolve) => { (window.requestIdleCallback ?? setTimeout)(resolve); });
  let figures = Promise.resolve();
  unrolled.drawInTurn = (draw) => { figures = figures.then(idle).then(draw).catch(console.error); };
  // On paper the page is as in the window, which its drawings are drawn for, reduced to the width that browsers give to A4.
  const PAPER = 950; // pixels
  addEventListener("beforeprint", () => {
    const { body, documentElement } = document;
    documentElement.toggleAttribute("data-columns", matchMedia("(min-width: 981px)").matches);
    const width = body.offsetWidth;
    Object.assign(body.style, { boxSizing: "border-box", width: `${width}px`, zoom: Math.min(1, PAPER / width) });
  });
  addEventListener("afterprint", () => document.body.removeAttribute("style"));
  const { channel, lang, view: start } = place.dataset;
  const post = (message) => { if (channel) parent.postMessage({ unrolled: channel, ...message }, "*"); };

  const wanted = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  const view = () => {
    const { step, unit, quantity } = wanted();
    const numbers = Object.entries({ step, unit }).filter(([, value]) => /^\d+$/.test(value));
    return { quantity, ...Object.fromEntries(numbers.map(([name, value]) => [name, Number(value)])) };
  };
  let following = true; // what the notebook says is not reported to it
  const shown = unrolled.documentView(place, bytes, {
    lang: wanted().lang ?? lang,
    themed: document.documentElement,
    onView: (now) => { if (!following) post({ view: now }); },
  });
  const follow = (next) => {
    following = true;
    shown.set(next);
    following = false;
    const { step, unit, quantity } = shown.store;
    const now = { step, unit, quantity };
    if (Object.entries(next).some(([name, value]) => value && now[name] !== value)) post({ view: now }); // not all of it is here
  };
  follow({ ...JSON.parse(start), ...view() });
  addEventListener("hashchange", () => shown.set(view()));
  if (channel) {
    addEventListener("message", ({ data, source }) => {
      if (source === parent && data?.unrolled === channel && data.view) follow(data.view);
    });
    post({});
  }
}
