// Hides the widgets that a node's choice has no use for. Which these are comes from Python, with the input that is
// chosen from: see nodes/choice.py. A hidden widget keeps its value and its place in a saved graph.
import { app } from "../../../scripts/app.js";

app.registerExtension({
  name: "MotionInversion.UnusedWidgets",
  beforeRegisterNodeDef(nodeType, nodeData) {
    for (const [name, [, options]] of Object.entries(nodeData.input?.required ?? {}))
      if (options?.unused_widgets) followChoice(nodeType.prototype, name, options.unused_widgets);
  },
});

function followChoice(prototype, name, unused) {
  const hide = (node) => hideUnused(node, name, unused);
  follow(prototype, "onNodeCreated", function () {
    follow(findWidget(this, name), "callback", () => hideAndFit(this, hide));
    hideAndFit(this, hide);
  });
  follow(prototype, "onConfigure", function () {
    hide(this); // and the size is the saved one
  });
  follow(prototype, "onConnectionsChange", function () {
    hide(this);
  });
}

function follow(object, method, then) {
  const first = object[method];
  object[method] = function (...given) {
    const said = first?.apply(this, given);
    then.apply(this, given);
    return said;
  };
}

function hideUnused(node, name, unused) {
  const choice = findWidget(node, name);
  const idle = isLinked(node, name) ? [] : (unused[choice?.value] ?? []); // what a link brings is not known here
  const all = new Set(Object.values(unused).flat());
  for (const widget of node.widgets ?? []) {
    if (!all.has(widget.name)) continue;
    const hidden = idle.includes(widget.name) && !isLinked(node, widget.name);
    widget.options ??= {};
    const drawn = widget._state?.options ?? widget.options; // what Nodes 2.0 watches; the same object, in a proxy
    drawn.hidden = hidden; // first: what has changed already is not seen
    widget.hidden = widget.options.hidden = hidden; // for the canvas, and for Nodes 2.0 of older frontends
    if (hidden) widget.y = 0; // its socket goes under the first one, where it catches nobody's link
  }
  node.setDirtyCanvas?.(true, true);
}

function hideAndFit(node, hide) {
  const before = node.computeSize()[1];
  hide(node);
  const grown = node.computeSize()[1] - before;
  if (grown) node.setSize([node.size[0], node.size[1] + grown]);
}

const findWidget = (node, name) => node.widgets?.find((widget) => widget.name === name);
const isLinked = (node, name) => node.inputs?.find((input) => input.widget?.name === name)?.link != null;
