export default function ({ data, parentElement }) {
  const { words } = data;
  let button = parentElement.querySelector("button");
  if (!button) {
    const root = document.createElement("div");
    root.className = "unrolled unrolled-link";
    button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-live", "polite");
    root.append(button);
    parentElement.append(root);
  }
  const say = (text) => { if (button.textContent !== text) button.textContent = text; };
  if (!button.dataset.told) say(words.copy);
  button.title = words.hint;
  button.onclick = async () => {
    const address = window.location.href;
    try {
      await navigator.clipboard.writeText(address);
    } catch { // no clipboard outside https and localhost
      window.prompt(words.by_hand, address);
      return;
    }
    button.dataset.told = "yes";
    say(words.copied);
    setTimeout(() => { delete button.dataset.told; say(words.copy); }, 2500);
  };
}
