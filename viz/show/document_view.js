// The document of a view (viz/show/shown_view.py): title, sentences, playback controls and panels, without a server. A host calls
//   const shown = unrolled.documentView(element, bytes, { lang, themed, onView });
//   shown.set({ step, unit, quantity }); shown.destroy();
// bytes: of viz/show/packed_view.py; lang: the language shown first; themed: the element that gets the theme's properties;
// onView(view): called after each move of the reader, with {step, unit, quantity}. Numbers that are shown are those in the bytes.
unrolled.documentView ??= (() => {
  const HEADER_LENGTH = 4;
  const THEMES = ["auto", "light", "dark"];
  const { element } = unrolled;

  function unpack(bytes) {
    const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
    const content = JSON.parse(new TextDecoder().decode(bytes.subarray(HEADER_LENGTH, HEADER_LENGTH + length)));
    let at = HEADER_LENGTH + length;
    const take = (size) => fromPlanes(bytes.subarray(at, (at += size)));
    return { content, arrays: content.arrays.map(take), payloads: content.payloads.map(take) };
  }

  // All the first bytes of numbers of 4 bytes, then all the second, and so on -> the numbers.
  function fromPlanes(planes) {
    const bytes = new Uint8Array(planes.length);
    for (let plane = 0, from = 0; plane < 4; plane++) {
      for (let at = plane; at < bytes.length; at += 4) bytes[at] = planes[from++];
    }
    return bytes;
  }

  // A row of buttons of which one is chosen: {value: label}.
  function choice(onChoose) {
    const group = element("div", { className: "unrolled-choice", role: "group" });
    group.addEventListener("click", (event) => {
      const value = event.target.closest("button")?.dataset.value;
      if (value) onChoose(value);
    });
    return {
      element: group,
      show(label, entries, chosen) {
        const focused = group.contains(document.activeElement) ? document.activeElement.dataset.value : null;
        group.hidden = Object.keys(entries).length < 2;
        group.setAttribute("aria-label", label);
        group.replaceChildren(...Object.entries(entries).map(([value, text]) =>
          element("button", { type: "button", "data-value": value, "aria-pressed": value === chosen, text })));
        if (focused) group.querySelector(`[data-value="${focused}"]`)?.focus();
      },
    };
  }

  // The browser's theme, or that of a notebook, which says it on the page's body.
  function systemTheme() {
    const { jpThemeLight } = document.body.dataset;
    if (jpThemeLight) return jpThemeLight === "true" ? "light" : "dark";
    return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }

  const paragraphs = (sentences, className) => sentences.filter(Boolean).map((text) => element("p", { className, text }));

  return (host, bytes, { lang, themed = host, onView = () => {} } = {}) => {
    const { content, arrays, payloads } = unpack(bytes);
    const store = unrolled.store(content.view_id);
    const lifetime = new AbortController();
    const root = element("div", { className: "unrolled unrolled-document" });
    host.append(root);

    const heading = element("h1");
    const languages = choice((value) => { current = value; label(); });
    const themes = choice((value) => { theme = value; paintTheme(); label(); });
    const header = element("header", { "data-unrolled-top": "" }, heading,
      element("div", { className: "unrolled-document-choices" }, languages.element, themes.element));
    const sentences = element("div", { className: "unrolled-document-sentences" });
    const controls = element("div", { className: "unrolled-document-controls" });
    const main = element("div", { className: "unrolled-document-panels" });
    const footer = element("footer");
    root.append(header, sentences, controls, main, footer);

    let current = content.contents[lang] ? lang : Object.keys(content.contents).find((each) => navigator.language.startsWith(each)) ?? Object.keys(content.contents)[0];
    let theme = content.theme ?? "auto";

    // A kept page has texts and figures of one step and unit: its drawings stay there too.
    function keepPlace(stores) {
      const places = new Map(stores.map((each) => {
        each.set(content.places[each.viewId] ?? content.place);
        return [each, { step: each.step, unit: each.unit, quantity: each.quantity }];
      }));
      return unrolled.store.watch((each) => {
        const place = places.get(each);
        if (place && Object.entries(place).some(([name, value]) => each[name] !== value)) each.set(place);
      });
    }

    function paintTheme() {
      themed.dataset.unrolledTheme = theme === "auto" ? systemTheme() : theme;
    }
    paintTheme();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paintTheme, { signal: lifetime.signal });
    const bodyTheme = new MutationObserver(paintTheme);
    bodyTheme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });

    // -- the drawings: mounted once, and updated with the data of another language
    for (const array of arrays) unrolled.components.array_loader.mount(null, array);
    const loaded = payloads.map((payload) => unrolled.store.load(payload)?.store).filter(Boolean);
    const stay = content.theme ? keepPlace(loaded) : () => {};
    const drawings = []; // {mounted, data(content): of a language}
    const mount = (place, { component, data }, dataOf) => {
      drawings.push({ mounted: unrolled.components[component].mount(place, data), dataOf });
    };
    const shown = () => content.contents[current];
    const sections = shown().panels.map((panel, k) => {
      const title = element("h2");
      const texts = element("div");
      const place = element("div");
      const section = element("section", { className: "unrolled-document-panel", "data-panel": panel.name, "data-column": panel.column }, title, texts, place);
      return { section, title, texts, place, panel, k };
    });
    // Panels of the left and of the right column that follow each other are side by side.
    let pair = null;
    for (const { section, panel } of sections) {
      if (panel.column === "whole") { pair = null; main.append(section); continue; }
      if (!pair) {
        pair = { left: element("div"), right: element("div") };
        main.append(element("div", { className: "unrolled-document-columns" }, pair.left, pair.right));
      }
      pair[panel.column].append(section);
    }
    // Every text of the document in the current language.
    function label() {
      const { title, sentences: lines, panels, words } = shown();
      root.lang = current;
      if (themed === document.documentElement) { document.title = title; document.documentElement.lang = current; }
      heading.textContent = title;
      languages.show(words.language, content.languages, current);
      themes.show(words.theme, Object.fromEntries((content.theme ? [content.theme] : THEMES).map((each) => [each, words.themes[each]])), theme);
      sentences.replaceChildren(...paragraphs(lines));
      for (const { title: place, texts, k } of sections) {
        place.textContent = panels[k].title;
        texts.replaceChildren(...paragraphs(panels[k].sentences, "unrolled-muted"));
      }
      footer.replaceChildren(...[linkToApp(words), embedding(words)].filter(Boolean));
      for (const { mounted, dataOf } of drawings) mounted.update(dataOf(shown()));
      showPlace();
    }

    // -- the link, and the line that embeds this file: both with the step and unit in view
    function linkToApp(words) {
      return content.link && element("a", { className: "unrolled-document-link", target: "_blank", rel: "noopener", text: words.link });
    }
    function embedding(words) {
      if (location.protocol !== "file:" && !location.pathname.endsWith(".html")) return null; // inside another page
      const line = element("textarea", { readonly: "", rows: 2, "aria-label": words.embed, spellcheck: "false" });
      const copy = element("button", { type: "button", text: words.copy });
      copy.addEventListener("click", async () => {
        line.select();
        try { await navigator.clipboard.writeText(line.value); } catch { document.execCommand("copy"); }
        copy.textContent = words.copied;
      });
      return element("details", {}, element("summary", { text: words.embed }), element("p", { className: "unrolled-muted", text: words.embed_hint }), line, copy);
    }
    const quoted = (text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
    function showPlace() {
      if (!store.trace && !content.theme) return;
      const place = content.theme ? {} : { step: store.step, unit: store.unit, quantity: store.quantity };
      const link = footer.querySelector("a");
      if (link) {
        const follows = content.link.follows.map((name) => [name, String(place[name])]);
        link.href = `${content.link.page}?${new URLSearchParams({ ...content.link.params, ...Object.fromEntries(follows), lang: current })}`;
      }
      const line = footer.querySelector("textarea");
      if (line) {
        const source = `${location.pathname.split("/").at(-1)}#${new URLSearchParams({ ...place, lang: current })}`;
        line.value = `<iframe src="${quoted(source)}" title="${quoted(shown().title)}" width="100%" height="800" style="border: 0"></iframe>`;
      }
    }

    label();
    if (shown().controls) mount(controls, shown().controls, (each) => each.controls.data);
    for (const { place, panel, k } of sections) mount(place, panel, (each) => each.panels[k].data);

    // -- the place: only steps and units whose values are here
    const within = (value, range) => (range ? Math.min(Math.max(value, range[0]), range[1] - 1) : value);
    const stop = store.subscribe(() => {
      const { limits } = content;
      const [step, unit] = [within(store.step, limits.step), within(store.unit, limits.unit)];
      if (step !== store.step || unit !== store.unit) return store.set({ step, unit });
      showPlace();
      onView({ step, unit, quantity: store.quantity });
    });

    return {
      store,
      set: store.set,
      destroy() {
        stop();
        stay();
        lifetime.abort();
        bodyTheme.disconnect();
        for (const { mounted } of drawings) mounted.destroy();
        root.remove();
      },
    };
  };
})();
