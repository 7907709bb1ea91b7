// The host of an offline file: unpacks its numbers and shows the document. The part of the address after # may have a step, unit,
// quantity and lang: page.html#step=3&lang=ko.
{
  const place = document.getElementById("unrolled-view");
  const letters = atob(document.getElementById("unrolled-numbers").textContent);
  const packed = new Uint8Array(letters.length);
  for (let k = 0; k < letters.length; k++) packed[k] = letters.charCodeAt(k);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const wanted = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  const view = () => {
    const { step, unit, quantity } = wanted();
    return { quantity, ...Object.fromEntries(Object.entries({ step, unit }).filter(([, value]) => /^\d+$/.test(value)).map(([name, value]) => [name, Number(value)])) };
  };
  const shown = unrolled.documentView(place, bytes, {
    lang: wanted().lang ?? place.dataset.lang,
    themed: document.documentElement,
  });
  shown.set(view());
  addEventListener("hashchange", () => shown.set(view()));
}
