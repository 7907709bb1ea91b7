// The connection of a view in a notebook with its Python object: the view is in a frame of its own, which posts the reader's moves
// here; they become the traits of the widget, and a trait that Python sets is posted to the frame. It draws nothing, so that the
// saved output of a cell, which is the frame alone, shows and steps without a kernel.
export default {
  initialize({ model }) {
    const NAMES = ["step", "unit", "quantity"];
    const channel = model.get("channel");
    const frames = new Set(); // the windows of all outputs that show the view
    let mover = null; // the window whose move is being stored, which needs no answer
    const view = () => Object.fromEntries(NAMES.map((name) => [name, model.get(name)]));
    const post = (frame) => frame.postMessage({ unrolled: channel, view: view() }, "*");

    const receive = ({ data, source }) => {
      if (data?.unrolled !== channel || !source) return;
      frames.add(source);
      if (!data.view) return post(source);
      mover = source;
      for (const name of NAMES) model.set(name, data.view[name]);
      mover = null;
      model.save_changes();
    };
    const send = () => { for (const frame of frames) if (frame !== mover) post(frame); };
    addEventListener("message", receive);
    for (const name of NAMES) model.on(`change:${name}`, send);
    return () => {
      removeEventListener("message", receive);
      for (const name of NAMES) model.off(`change:${name}`, send);
    };
  },
  render() {},
};
