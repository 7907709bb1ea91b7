// Brings the bytes of a trace into its store. Where they are an excerpt, it asks Python for what the reader comes to next.
const PATIENCE = 3000; // ms after which it is asked again

export default function ({ data, parentElement, setStateValue }) {
  // The wrapper would otherwise keep an empty row of the page's layout.
  const row = parentElement.closest(".stElementContainer, [data-testid='stElementContainer']");
  if (row) row.style.display = "none";
  if (!data) return;
  const { store, header } = window.unrolled.store.load(data);
  if (!header.excerpt) return;
  let pending = 0;
  const ask = (changed) => {
    const { trace, step, unit } = store;
    if (changed.has("trace") || changed.has("near")) {
      clearTimeout(pending);
      pending = 0;
    }
    if (pending || !trace.excerpt || trace.settled(step, unit)) return;
    pending = setTimeout(() => { pending = 0; ask(new Set()); }, PATIENCE);
    setStateValue("lacking", { run: trace.excerpt.run, step, unit, at: performance.now() });
  };
  return store.subscribe(ask);
}
