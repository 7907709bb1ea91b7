// The array that a panel of the heatmap draws: every value of a gate or state, its units in some order, or blocks of values where
// the layer is too large to be sent. Columns are steps or blocks of steps, rows units or blocks of units.
unrolled.heatmapField ??= (() => {
  const blockOf = (edges, value) => { // the k with edges[k] <= value < edges[k + 1]; -1 outside
    if (value < edges[0] || value >= edges[edges.length - 1]) return -1;
    let [low, high] = [0, edges.length - 2];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (edges[middle] <= value) low = middle; else high = middle - 1;
    }
    return low;
  };

  function wholeField(trace, name, order) {
    const array = trace.arrays[name];
    const [steps, count] = array.shape;
    const units = (order ?? Array.from({ length: count }, (_, k) => k)).filter((unit) => unit < count);
    const rows = new Int32Array(trace.units).fill(-1);
    units.forEach((unit, row) => { rows[unit] = row; });
    let data = array.data;
    if (order) {
      data = new Float32Array(steps * count);
      for (let step = 0; step < steps; step++) units.forEach((unit, row) => { data[step * count + row] = array.data[step * count + unit]; });
    }
    return {
      whole: true, units, steps: [0, steps],
      array: { shape: [steps, count], data, missing: trace.hasMissing(name) ? (step) => trace.isMissing(name, step) : null },
      column: (step) => (step < steps ? step : -1),
      row: (unit) => rows[unit] ?? -1,
      at: (step, row) => ({ step, unit: units[row] }),
    };
  }

  const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

  // The means, except of a block that goes beyond the range of most blocks of its row: there its lowest or highest value, so that a
  // mean does not hide a spike.
  function spikes(mean, low, high, scale) {
    const [columns, rows] = mean.shape;
    const threshold = 0.1 * (scale.high - scale.low);
    const data = Float32Array.from(mean.data);
    for (let row = 0; row < rows; row++) {
      const known = Array.from({ length: columns }, (_, column) => column * rows + row).filter((k) => mean.data[k] === mean.data[k]);
      const [usualLow, usualHigh] = [median(known.map((k) => low.data[k])), median(known.map((k) => high.data[k]))];
      for (const k of known) {
        const [drop, rise] = [usualLow - low.data[k], high.data[k] - usualHigh];
        if (Math.max(drop, rise) > threshold) data[k] = rise >= drop ? high.data[k] : low.data[k];
      }
    }
    return data;
  }

  function blockField(trace, name, shows) {
    const [mean, low, high] = ["mean", "low", "high"].map((part) => trace.arrays[`detail_${part}:${name}`]);
    const [steps, places, units] = ["steps", "places", "units"].map((part) => [...trace.arrays[`detail_${part}:${name}`].data]);
    let { data } = mean;
    if (low && shows === "spikes") data = spikes(mean, low, high, trace.scale(name));
    else if (low && shows !== "mean") data = (shows === "low" ? low : high).data;
    const rank = new Map(units.map((unit, k) => [unit, places[0] + k]));
    return {
      whole: false, units, steps: [steps[0], steps[steps.length - 1]],
      array: { shape: mean.shape, data, blocks: Boolean(low) },
      column: (step) => blockOf(steps, step),
      row: (unit) => blockOf(places, rank.get(unit) ?? -1),
      at(column, row) {
        const k = column * mean.shape[1] + row;
        const own = units.slice(places[row] - places[0], places[row + 1] - places[0]);
        const middle = { step: (steps[column] + steps[column + 1] - 1) >> 1, unit: own[own.length >> 1], value: mean.data[k] };
        const block = low ? { mean: mean.data[k], low: low.data[k], high: high.data[k] } : null;
        return { ...middle, block, steps: [steps[column], steps[column + 1]], places: [places[row], places[row + 1]], units: own };
      },
    };
  }

  return ({ trace }, name, { order, shows }) => {
    return trace.excerpt ? blockField(trace, name, shows) : wholeField(trace, name, order);
  };
})();
