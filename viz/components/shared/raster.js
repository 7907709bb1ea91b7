// Dense numbers as pixels. Each number is a block of whole pixels; where there are more numbers than pixels, a pixel shows the
// strongest of its numbers, so that a spike never disappears.
unrolled.raster ??= (() => {
  // The palette's 256 colours of a scale as pixels, and nothing (transparent) for NaN at index 256.
  function inks(colours) {
    const table = new Uint32Array(257);
    colours.forEach((colour, k) => {
      const [r, g, b] = unrolled.rgb(colour);
      table[k] = (255 << 24) | (b << 16) | (g << 8) | r;
    });
    return table;
  }

  // Where each of `count` numbers lies on `pixels` pixels: bins, each of which starts at pixel edges[k] and number from[k].
  function divide(count, pixels) {
    const bins = Math.min(count, Math.max(1, pixels));
    const edges = Array.from({ length: bins + 1 }, (_, k) => Math.round((k * pixels) / bins));
    const from = Array.from({ length: bins + 1 }, (_, k) => Math.floor((k * count) / bins));
    return { bins, edges, from };
  }

  // array (steps, units) with its scale. Strongest: of signed values the largest magnitude, of gates the farthest from the
  // unit's own mean over the sequence (a gate that shuts once is as telling as one that opens once).
  function picker({ shape: [steps, units], data }, scale) {
    let means = null;
    const strength = (step, unit) => {
      const value = data[step * units + unit];
      if (scale.name === "signed") return Math.abs(value);
      if (!means) {
        means = new Float64Array(units);
        for (let k = 0; k < data.length; k++) means[k % units] += data[k] / steps;
      }
      return Math.abs(value - means[unit]);
    };
    return (step, stepEnd, unit, unitEnd) => {
      if (stepEnd - step <= 1 && unitEnd - unit <= 1) return [step, unit];
      let found = [step, unit];
      let most = -1;
      for (let s = step; s < stepEnd; s++) {
        for (let u = unit; u < unitEnd; u++) {
          const size = strength(s, u);
          if (size > most) { most = size; found = [s, u]; }
        }
      }
      return found;
    };
  }

  // Fill an image: x(bins over steps) by y(bins over units).
  function draw(image, array, scale, table, x, y) {
    const { width, data: bytes } = image;
    const pixels = new Uint32Array(bytes.buffer);
    const units = array.shape[1];
    const pick = picker(array, scale);
    const whole = x.bins === array.shape[0] && y.bins === units;
    const spaced = array.blocks ? { x: 0, y: 0 } : { x: x.edges[1] - x.edges[0] >= 9 ? 1 : 0, y: y.edges[1] - y.edges[0] >= 9 ? 1 : 0 };
    const factor = 255 / (scale.high - scale.low);
    for (let row = 0; row < y.bins; row++) {
      const start = y.edges[row] * width;
      for (let column = 0; column < x.bins; column++) {
        const [step, unit] = whole ? [column, row] : pick(x.from[column], x.from[column + 1], y.from[row], y.from[row + 1]);
        const value = array.data[step * units + unit];
        let level = Math.round((value - scale.low) * factor);
        level = value !== value ? 256 : level < 0 ? 0 : level > 255 ? 255 : level;
        pixels.fill(table[level], start + x.edges[column], start + x.edges[column + 1] - spaced.x);
      }
      const last = y.edges[row + 1] - spaced.y;
      for (let line = y.edges[row] + 1; line < last; line++) pixels.copyWithin(line * width, start, start + width);
    }
  }

  // The bin under a pixel.
  function find(axis, pixel) {
    const k = Math.floor((pixel / axis.edges[axis.bins]) * axis.bins);
    let bin = Math.min(Math.max(k, 0), axis.bins - 1);
    while (bin > 0 && pixel < axis.edges[bin]) bin--;
    while (bin < axis.bins - 1 && pixel >= axis.edges[bin + 1]) bin++;
    return bin;
  }

  // The pixels [from, to) of one number.
  function place(axis, number) {
    let bin = Math.min(Math.floor((number * axis.bins) / axis.from[axis.bins]), axis.bins - 1);
    while (bin < axis.bins - 1 && axis.from[bin + 1] <= number) bin++;
    while (bin > 0 && axis.from[bin] > number) bin--;
    return [axis.edges[bin], axis.edges[bin + 1]];
  }

  // Where the round numbers of an axis stand, at most about `room` of them: places 0..count-1, which count from `first`.
  function ticks(count, room, first = 0) {
    let pitch = 1;
    for (let k = 0; count / pitch > Math.max(1, room); k++) pitch *= [2, 2.5, 2][k % 3]; // 1, 2, 5, 10, 20, 50, ...
    const places = first % pitch ? [0] : []; // the first one, too
    for (let k = (pitch - (first % pitch)) % pitch; k < count; k += pitch) if (k === 0 || !places.length || k >= pitch / 2) places.push(k);
    return places;
  }

  return { inks, divide, picker, draw, find, place, ticks };
})();
