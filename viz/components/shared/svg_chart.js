// The label of a power of ten on a logarithmic axis, and a chart as an SVG file.
unrolled.powerText ??= (exponent) => { // 0 -> "1", -12 -> "10⁻¹²"
  if (Math.abs(exponent) < 3) return String(Number((10 ** exponent).toPrecision(3)));
  const digits = [...String(Math.abs(exponent))].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]);
  return `10${exponent < 0 ? "⁻" : ""}${digits.join("")}`;
};
unrolled.saveSvg ??= (svg, name) => {
  const content = encodeURIComponent(new XMLSerializer().serializeToString(svg));
  unrolled.element("a", { href: `data:image/svg+xml,${content}`, download: `${name}.svg` }).click();
};
