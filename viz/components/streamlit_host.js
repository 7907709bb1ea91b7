// Streamlit (components v2) as the host of a component: the only script that knows it. streamlit_host.py puts COMPONENT, the
// component's name, before it.
unrolled.streamlitHost ??= (() => {
  // The theme's custom properties, and Streamlit's that they are set to.
  const THEME = {
    "--unrolled-text": "--st-text-color",
    "--unrolled-background": "--st-background-color",
    "--unrolled-accent": "--st-primary-color",
    "--unrolled-font": "--st-font",
    "--unrolled-code-font": "--st-code-font",
  };
  const instances = new WeakMap(); // the element that Streamlit gives -> the component mounted in it

  function create(name, { data, parentElement }) {
    for (const [own, theirs] of Object.entries(THEME)) parentElement.style.setProperty(own, `var(${theirs})`);
    const component = unrolled.components[name];
    if (component.invisible) { // else an empty row of the page's layout remains
      const row = parentElement.closest(".stElementContainer, [data-testid='stElementContainer']");
      if (row) row.style.display = "none";
    }
    const instance = { generation: 0, setStateValue: null };
    const report = (event, value) => instance.setStateValue(event, value); // always that of the latest call
    instance.mounted = component.mount(parentElement, data, report);
    return instance;
  }

  // Streamlit calls the returned function whenever the data or the theme changed, and what that returns when the element is
  // removed; what an earlier call returned may be called late, and must then not end a later one.
  return (name) => (call) => {
    const { data, parentElement, setStateValue } = call;
    let instance = instances.get(parentElement);
    const isNew = !instance;
    if (isNew) {
      instance = create(name, call);
      instances.set(parentElement, instance);
    }
    instance.setStateValue = setStateValue;
    if (!isNew) instance.mounted.update(data);
    const generation = ++instance.generation;
    return () => {
      if (instance.generation !== generation) return;
      instance.mounted.destroy();
      if (instances.get(parentElement) === instance) instances.delete(parentElement);
    };
  };
})();
export default unrolled.streamlitHost(COMPONENT);
