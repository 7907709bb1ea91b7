// A tensor of two or three axes as a box that can be turned: the axes are named at its edges, its cells have the colours of the values.
// The first axis goes into the depth, the last one up, the one between (time) across.
const MAX_CELLS = 2400;

function tensorBox(tensor, values, colourOf, make, words) {
  const NS = "http://www.w3.org/2000/svg";
  const [depth, across, up] = tensor.shape.length === 3 ? tensor.shape : [tensor.shape[0], 1, tensor.shape[1]];
  const names = tensor.shape.length === 3 ? tensor.axes : [tensor.axes[0], null, tensor.axes[1]];
  const at = (z, x, y) => values[(z * across + x) * up + y];
  const [W, H] = [380, 250];
  const side = (count) => 46 + 16 * Math.min(count, 9);
  const size = [side(across), side(up), side(depth)];
  let yaw = -0.55, pitch = 0.42;

  const svg = document.createElementNS(NS, "svg");
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${W} ${H}`, width: W, class: "box", role: "img", tabindex: 0, "aria-label": unrolled.fillTemplate(words.box, { name: `${tensor.name} (${tensor.shape.join(", ")})` }) })) svg.setAttribute(name, value);

  // A point of the box, each coordinate from 0 to 1, on the screen.
  function project(x, y, z) {
    const [a, b, c] = [(x - 0.5) * size[0], (0.5 - y) * size[1], (z - 0.5) * size[2]];
    const [turned, far] = [a * Math.cos(yaw) - c * Math.sin(yaw), a * Math.sin(yaw) + c * Math.cos(yaw)];
    return [turned, b * Math.cos(pitch) - far * Math.sin(pitch), b * Math.sin(pitch) + far * Math.cos(pitch)];
  }

  function draw() {
    const corners = [0, 1].flatMap((x) => [0, 1].flatMap((y) => [0, 1].map((z) => project(x, y, z))));
    const [xs, ys] = [corners.map((p) => p[0]), corners.map((p) => p[1])];
    const scale = Math.min(1.2, (W - 150) / (Math.max(...xs) - Math.min(...xs)), (H - 70) / (Math.max(...ys) - Math.min(...ys)));
    const screen = (p) => [W / 2 + p[0] * scale, H / 2 + p[1] * scale];
    const points = (list) => list.map((p) => screen(p).map((v) => v.toFixed(1)).join(",")).join(" ");
    svg.replaceChildren();
    const isSmall = depth * across * up <= MAX_CELLS;
    // The six faces, as (u, v) -> point and (i, j) -> value; those in front are drawn.
    const faces = [];
    for (const end of [0, 1]) {
      faces.push({ point: (u, v) => project(u, v, end), counts: [across, up], value: (i, j) => at(end ? depth - 1 : 0, i, j), normal: [0, 0, end ? 1 : -1] });
      faces.push({ point: (u, v) => project(end, v, u), counts: [depth, up], value: (i, j) => at(i, end ? across - 1 : 0, j), normal: [end ? 1 : -1, 0, 0] });
      faces.push({ point: (u, v) => project(u, end, v), counts: [across, depth], value: (i, j) => at(j, i, end ? up - 1 : 0), normal: [0, end ? 1 : -1, 0] });
    }
    const centre = project(0.5, 0.5, 0.5)[2];
    for (const face of faces) {
      if (face.point(0.5, 0.5)[2] > centre) continue; // on the far side
      const [columns, rows] = isSmall ? face.counts : [1, 1];
      for (let i = 0; i < columns; i++) {
        for (let j = 0; j < rows; j++) {
          const corner = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]].map(([u, v]) => face.point(u / columns, v / rows));
          const polygon = make("polygon", { points: points(corner), fill: isSmall ? colourOf(face.value(i, j)) : "var(--unrolled-faint)" }, svg);
          if (isSmall) make("title", {}, polygon, unrolled.formatNumber(face.value(i, j)));
        }
      }
      make("polygon", { points: points([[0, 0], [1, 0], [1, 1], [0, 1]].map(([u, v]) => face.point(u, v))), class: "edge" }, svg);
    }
    label([[0, 0, 0], [1, 0, 0]], across, names[1], screen, [0, 1]);
    label([[0, 0, 0], [0, 1, 0]], up, names[2], screen, [-1, 0]);
    label([[1, 0, 0], [1, 0, 1]], depth, names[0], screen, [1, 0.6]);
  }

  // The name of an axis beside the middle of an edge, away from the box's middle.
  function label([from, to], count, name, screen, [right, down]) {
    if (!name) return;
    const [a, b] = [screen(project(...from)), screen(project(...to))];
    const [x, y] = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    const [dx, dy] = [x - W / 2, y - H / 2];
    const far = Math.hypot(dx, dy) || 1;
    const [px, py] = [x + (dx / far) * 16 + right * 4, y + (dy / far) * 16 + down * 4 + 4];
    make("text", { x: px, y: py, class: "axis", "text-anchor": dx < -20 ? "end" : dx > 20 ? "start" : "middle" }, svg, `${name} ${count}`);
  }

  let last = null;
  const turn = (dx, dy) => {
    yaw += dx;
    pitch = Math.max(-1.4, Math.min(1.4, pitch + dy));
    draw();
  };
  svg.addEventListener("pointerdown", (event) => { last = [event.clientX, event.clientY]; svg.setPointerCapture(event.pointerId); });
  svg.addEventListener("pointerup", () => { last = null; });
  svg.addEventListener("pointermove", (event) => {
    if (!last) return;
    turn((event.clientX - last[0]) / 120, (event.clientY - last[1]) / 120);
    last = [event.clientX, event.clientY];
  });
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-0.2, 0], ArrowRight: [0.2, 0], ArrowUp: [0, -0.2], ArrowDown: [0, 0.2] }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    turn(...step);
  });
  draw();
  return svg;
}
