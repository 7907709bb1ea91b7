// Arrays that were sent once (array_loader), by id. The data of a component have the id and what differs from the array.
window.unrolled ??= {};
unrolled.arrays ??= (() => {
  const loaded = new Map(); // id -> {values, loaders: how many have it}
  const listeners = new EventTarget();
  return {
    add(id, values) {
      const entry = loaded.get(id) ?? { values, loaders: 0 };
      entry.loaders++;
      loaded.set(id, entry);
      listeners.dispatchEvent(new Event("load"));
    },
    remove(id) {
      const entry = loaded.get(id);
      if (entry && --entry.loaders === 0) loaded.delete(id);
    },
    // The array, or null if it has not arrived; a "load" event of `listeners` follows each one that arrives.
    get: (id) => loaded.get(id)?.values ?? null,
    listeners,
  };
})();
