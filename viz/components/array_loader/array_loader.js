// Loads an array: 32 letters of its id, then its values as float32.
unrolled.components.array_loader = {
  invisible: true,
  mount(element, bytes) {
    const ID_LENGTH = 32;
    let id = null;

    function load(data) {
      const next = data && new TextDecoder().decode(data.subarray(0, ID_LENGTH));
      if (next === id) return;
      const before = id;
      id = next;
      if (id) unrolled.arrays.add(id, new Float32Array(data.slice(ID_LENGTH).buffer));
      if (before) unrolled.arrays.remove(before);
    }

    load(bytes);
    return { update: load, destroy: () => load(null) };
  },
};
