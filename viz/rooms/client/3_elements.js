// Elements of the room in the page: a root that has the page's colours, buttons, and texts in the page's language.
const roots = new Set();
room.words = null;

// In the language of the page: {lang: text} -> text.
const inLanguage = (texts) => texts?.[room.lang] ?? Object.values(texts ?? {})[0] ?? "";
const words = (name, values) => (values ? unrolled.fillTemplate(room.words?.[name], values) : room.words?.[name] ?? "");

// html: of the server's own parts only, which has no text of a person but escaped ones
function element(tag, { className, text, html, onClick, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  if (html !== undefined) node.innerHTML = html;
  if (onClick) node.addEventListener("click", onClick);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  node.append(...children.filter(Boolean));
  return node;
}
const button = (text, onClick, attributes = {}) => element("button", { type: "button", text, onClick, ...attributes });
const icon = (path) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
};

function createRoot(className) {
  const root = element("div", { className: `unrolled unrolled-room ${className}` });
  roots.add(root);
  colour();
  return root;
}

// The page's colours: components have them as custom properties of Streamlit's, which elements outside of them lack.
function colour() {
  const app = document.querySelector('[data-testid="stApp"]');
  const own = getComputedStyle(document.querySelector(".unrolled:not(.unrolled-room)") ?? document.documentElement);
  const style = app && getComputedStyle(app);
  for (const root of roots) {
    if (style) {
      root.style.setProperty("--unrolled-text", style.color);
      root.style.setProperty("--unrolled-background", style.backgroundColor);
      root.style.setProperty("--unrolled-font", style.fontFamily);
      const isDark = unrolled.luminance(unrolled.rgb(style.backgroundColor)) < 0.18;
      root.dataset.theme = isDark ? "dark" : "light";
    }
    for (const name of ["--unrolled-accent", "--unrolled-code-font"]) {
      if (own.getPropertyValue(name)) root.style.setProperty(name, own.getPropertyValue(name));
    }
    const accent = root.style.getPropertyValue("--unrolled-accent");
    if (accent) root.style.setProperty("--unrolled-on-accent", unrolled.contrastColour(accent));
  }
}

// The texts, in the language of the address, else of the browser.
const languageOfPage = () => new URL(location.href).searchParams.get("lang") ?? (navigator.language || "en").slice(0, 2);
async function loadWords() {
  const lang = languageOfPage();
  const url = new URL("_room/words", base);
  url.searchParams.set("lang", lang);
  try {
    const found = await (await fetch(url)).json();
    room.words = found.words;
    room.lang = found.lang;
    room.asked = lang;
    tell({ type: "words" });
  } catch { /* the server is away; the next look tries again */ }
}
setInterval(() => {
  if ((room.role || document.getElementById("unrolled-room")) && languageOfPage() !== room.asked) loadWords();
  colour();
}, 1000);

const download = (text, name, kind) => {
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type: kind })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};
