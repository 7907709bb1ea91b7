// Arrays as pixels. Each value is a block of whole pixels; where there are more values than pixels, a pixel shows the extreme one of
// its values, so that a spike never disappears.
unrolled.raster ??= (() => {
  // The 256 colours of a scale as 32-bit pixels, and at index 256 that of NaN and infinity.
  function colourTable(colours, notFinite) {
    const table = new Uint32Array(257);
    [...colours, notFinite].forEach((colour, k) => {
      const [r, g, b] = unrolled.rgb(colour);
      table[k] = (255 << 24) | (b << 16) | (g << 8) | r;
    });
    return table;
  }

  // An axis: `count` values on `pixels` pixels, in bins, each of which starts at pixel edges[k] and at value from[k]. A drawing
  // that is not laid out yet may have no pixels beside its labels; an image needs at least one.
  function axisOf(count, pixels) {
    const width = Math.max(1, pixels);
    const bins = Math.min(count, width);
    const edges = Array.from({ length: bins + 1 }, (_, k) => Math.round((k * width) / bins));
    const from = Array.from({ length: bins + 1 }, (_, k) => Math.floor((k * count) / bins));
    return { bins, edges, from };
  }

  // A function that finds the [step, unit] of the extreme value in a range of an array (steps, units). Extreme is, on a signed
  // scale, the largest magnitude; of gates, the farthest from the unit's mean over the sequence (a gate that closes once matters as
  // much as one that opens once). NaN and infinity come before all others.
  function extremeOf({ shape: [steps, units], data, missing }, scale) {
    let means = null;
    const magnitude = (step, unit) => {
      const value = data[step * units + unit];
      if (missing?.(step)) return -1;
      if (!Number.isFinite(value)) return Infinity;
      if (scale.name === "signed") return Math.abs(value);
      if (!means) {
        means = new Float64Array(units);
        for (let k = 0; k < data.length; k++) if (Number.isFinite(data[k])) means[k % units] += data[k] / steps;
      }
      return Math.abs(value - means[unit]);
    };
    return (step, stepEnd, unit, unitEnd) => {
      if (stepEnd - step <= 1 && unitEnd - unit <= 1) return [step, unit];
      let found = [step, unit];
      let max = -1;
      for (let s = step; s < stepEnd; s++) {
        for (let u = unit; u < unitEnd; u++) {
          const size = magnitude(s, u);
          if (size > max) { max = size; found = [s, u]; }
        }
      }
      return found;
    };
  }

  // Fill an image with an array: x is the axis of the steps, y that of the units. Steps at which `array.missing` is true stay empty.
  function fillImage(image, array, scale, table, x, y) {
    const { width, data: bytes } = image;
    const pixels = new Uint32Array(bytes.buffer);
    const units = array.shape[1];
    const extreme = extremeOf(array, scale);
    const oneToOne = x.bins === array.shape[0] && y.bins === units;
    const gap = array.blocks ? { x: 0, y: 0 } : { x: x.edges[1] - x.edges[0] >= 9 ? 1 : 0, y: y.edges[1] - y.edges[0] >= 9 ? 1 : 0 };
    const factor = 255 / (scale.high - scale.low);
    for (let row = 0; row < y.bins; row++) {
      const start = y.edges[row] * width;
      for (let column = 0; column < x.bins; column++) {
        const [step, unit] = oneToOne ? [column, row] : extreme(x.from[column], x.from[column + 1], y.from[row], y.from[row + 1]);
        if (array.missing?.(step)) continue;
        const value = array.data[step * units + unit];
        let level = Math.round((value - scale.low) * factor);
        level = !Number.isFinite(value) ? 256 : level < 0 ? 0 : level > 255 ? 255 : level;
        pixels.fill(table[level], start + x.edges[column], start + x.edges[column + 1] - gap.x);
      }
      const last = y.edges[row + 1] - gap.y;
      for (let line = y.edges[row] + 1; line < last; line++) pixels.copyWithin(line * width, start, start + width);
    }
  }

  // The bin at a pixel.
  function binAt(axis, pixel) {
    const k = Math.floor((pixel / axis.edges[axis.bins]) * axis.bins);
    let bin = Math.min(Math.max(k, 0), axis.bins - 1);
    while (bin > 0 && pixel < axis.edges[bin]) bin--;
    while (bin < axis.bins - 1 && pixel >= axis.edges[bin + 1]) bin++;
    return bin;
  }

  // The pixels [from, to) of the value with this index.
  function pixelsOf(axis, index) {
    let bin = Math.min(Math.floor((index * axis.bins) / axis.from[axis.bins]), axis.bins - 1);
    while (bin < axis.bins - 1 && axis.from[bin + 1] <= index) bin++;
    while (bin > 0 && axis.from[bin] > index) bin--;
    return [axis.edges[bin], axis.edges[bin + 1]];
  }

  // The indices 0..count-1 whose labels are round numbers, at most about `room` of them; labels count from `first`.
  function ticks(count, room, first = 0) {
    let pitch = 1;
    for (let k = 0; count / pitch > Math.max(1, room); k++) pitch *= [2, 2.5, 2][k % 3]; // 1, 2, 5, 10, 20, 50, ...
    if (pitch === 2) return Array.from({ length: Math.ceil(count / 2) }, (_, k) => 2 * k); // else 1 and 2 would be neighbours
    const indices = first % pitch ? [0] : []; // the first one, too
    for (let k = (pitch - (first % pitch)) % pitch; k < count; k += pitch) if (k === 0 || !indices.length || k >= pitch / 2) indices.push(k);
    return indices;
  }

  return { colourTable, axisOf, extremeOf, fillImage, binAt, pixelsOf, ticks };
})();
