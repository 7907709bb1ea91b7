// The arithmetic of an attention at one step, for its formulas. Every function takes the trace of viz/payloads/attention_payload.py.
unrolled.attentionMath ??= (() => {
  const { row } = unrolled.attentionSelection;

  /** The terms of one score before any scaling, one for each dimension: [{value, values}], where `values` are those that `tree`, the
      term's tree (`score_terms` in Python), names. */
  function scoreTerms({ arrays }, tree, step, source) {
    const [query, key, energy] = [row(arrays.query, step), row(arrays.source_key, source), arrays.weight_energy?.data];
    return Array.from(query, (q, d) => {
      const values = { query: q, key: key[d], energy: energy?.[d] };
      return { value: unrolled.cellMath.evaluate(tree, values), values };
    });
  }

  /** What the sum of the terms is divided by: the square root of the dimension of a scaled dot product, whose queries contain the
      temperature; else the temperature. */
  function scoreDivisor({ arrays, options }) {
    return options.score === "scaled" ? Math.sqrt(arrays.query.shape[1]) : options.temperature;
  }

  /** A softmax as its parts: the largest of the values, and the sum of exp(value - largest). */
  function softmaxParts(values) {
    const max = values.reduce((a, b) => Math.max(a, b), -Infinity);
    return { max, sum: values.reduce((total, value) => total + Math.exp(value - max), 0) };
  }

  /** The terms of one dimension of the context, one for each source symbol: [{value, weight, source}], weight times source value. */
  function contextTerms({ arrays }, step, dimension) {
    const { shape: [, size], data } = arrays.source_value;
    return Array.from(row(arrays.attention_weight, step), (weight, k) => {
      const source = data[k * size + dimension];
      return { value: weight * source, weight, source };
    });
  }

  return { scoreTerms, scoreDivisor, softmaxParts, contextTerms };
})();
