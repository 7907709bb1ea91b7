// Streamlit (components v2) as the host of a component: the only script that uses it. What streamlit_host.py registers for a
// component exports unrolled.streamlitHost(name).
unrolled.streamlitHost ??= (() => {
  // The theme's custom properties (shared.css), and Streamlit's that they are set to.
  const THEME = {
    "--unrolled-text": "--st-text-color",
    "--unrolled-background": "--st-background-color",
    "--unrolled-accent": "--st-primary-color",
    "--unrolled-font": "--st-font",
    "--unrolled-code-font": "--st-code-font",
  };
  // On a narrow window the menu of pages covers the page: it closes once a page is chosen.
  const NARROW = 768; // pixels, as Streamlit has it
  document.addEventListener("click", ({ target }) => {
    if (window.innerWidth >= NARROW || !(target instanceof Element) || !target.closest('[data-testid="stSidebarNavLink"]')) return;
    document.querySelector('[data-testid="stSidebarCollapseButton"] button')?.click();
  });

  // Formulas, tables, and charts of a smallest width.
  unrolled.scrollStops.add(".katex-display", '[data-testid="stTable"] div', '[data-testid="stMarkdownContainer"] table', ".stElementContainer");

  const instances = new WeakMap(); // the element that Streamlit gives -> what is mounted in it

  function create(component, { data, parentElement, setStateValue }) {
    for (const [property, value] of Object.entries(THEME)) parentElement.style.setProperty(property, `var(${value})`);
    const instance = { setStateValue, calls: 0 };
    const report = (event, value) => instance.setStateValue(event, value); // the latest call's
    instance.mounted = component.mount(parentElement, data, report);
    return instance;
  }

  // Streamlit calls the returned function whenever the data or the theme changed, and what that returns when the element goes.
  // What an earlier call returned may be called late; it must not end a later one.
  return (name) => (call) => {
    const component = unrolled.components[name];
    const { data, parentElement, setStateValue } = call;
    if (component.invisible) { // its wrapper would keep an empty row of the page's layout
      const row = parentElement.closest(".stElementContainer, [data-testid='stElementContainer']");
      if (row) row.style.display = "none";
    }
    let instance = instances.get(parentElement);
    if (instance) {
      instance.setStateValue = setStateValue;
      instance.mounted.update(data);
    } else {
      instance = create(component, call);
      instances.set(parentElement, instance);
    }
    const own = ++instance.calls;
    return () => {
      if (instance.calls !== own) return;
      instance.mounted.destroy();
      if (instances.get(parentElement) === instance) instances.delete(parentElement);
    };
  };
})();
