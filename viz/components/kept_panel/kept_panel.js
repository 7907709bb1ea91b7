// The elements of a panel that was kept in a file, in their order.
unrolled.components.kept_panel = {
  mount(element, { elements }) {
    const root = unrolled.element("div", { className: "unrolled unrolled-kept-panel" });
    element.append(root);
    const mounted = elements.map(({ html, component, data, className }) => {
      const place = unrolled.element("div", className ? { className } : {});
      root.append(place);
      if (component) return unrolled.components[component].mount(place, data, () => {});
      place.innerHTML = html;
      unrolled.wrapMath(place);
      return null;
    });
    return {
      update() {},
      destroy() {
        for (const each of mounted) each?.destroy();
        root.remove();
      },
    };
  },
};
