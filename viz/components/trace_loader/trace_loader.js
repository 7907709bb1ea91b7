// Loads the bytes of a trace into its store. Where they are an excerpt, it reports the steps and units that the reader comes to next.
(() => {
  const RETRY = 3000; // ms after which a report without an answer is repeated

  unrolled.components.trace_loader = {
    invisible: true,
    mount(element, bytes, report) {
      let unsubscribe = () => {};
      let pending = 0;

      function load(data) {
        unsubscribe();
        clearTimeout(pending);
        pending = 0;
        unsubscribe = () => {};
        if (!data) return;
        const loaded = unrolled.store.load(data);
        if (!loaded) {
          const again = () => load(data);
          unrolled.arrays.listeners.addEventListener("load", again);
          unsubscribe = () => unrolled.arrays.listeners.removeEventListener("load", again);
          return;
        }
        const { store, header } = loaded;
        if (!header.excerpt) return;
        const reportMissing = (changed) => {
          const { trace, step, unit } = store;
          if (changed.has("trace") || changed.has("near")) {
            clearTimeout(pending);
            pending = 0;
          }
          if (pending || !trace.excerpt || trace.isComplete(step, unit)) return;
          pending = setTimeout(() => { pending = 0; reportMissing(new Set()); }, RETRY);
          report("missing", { run: trace.excerpt.run, step, unit, at: performance.now() });
        };
        unsubscribe = store.subscribe(reportMissing);
      }

      load(bytes);
      return {
        update: load,
        destroy() {
          unsubscribe();
          clearTimeout(pending);
        },
      };
    },
  };
})();
