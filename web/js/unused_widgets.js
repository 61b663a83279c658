// Hides widgets that change nothing, and fills in widgets that an older graph does not have. What applies to which
// widget comes from Python, with the input: see nodes/choice.py. A hidden widget keeps its value and its place in a
// saved graph.
import { app } from "../../../scripts/app.js";
import { follow } from "./follow.js";

app.registerExtension({
  name: "MotionInversion.UnusedWidgets",
  beforeRegisterNodeDef(nodeType, nodeData) {
    const inputs = Object.entries({ ...nodeData.input?.required, ...nodeData.input?.optional });
    const facts = inputs.map(([name, [, options]]) => ({ name, ...options }));
    for (const { name, when_missing } of facts)
      if (when_missing !== undefined) fillMissing(nodeType.prototype, name, when_missing);
    const retired = facts.filter((fact) => fact.retired).map((fact) => fact.name);
    if (retired.length) keepUpdated(nodeType.prototype, (node) => hideWidgets(node, retired, retired));
    for (const { name, unused_widgets } of facts)
      if (unused_widgets) followChoice(nodeType.prototype, name, unused_widgets);
  },
});

// Graphs from before there was the widget have no value for it, and their widgets mean what they meant then.
function fillMissing(prototype, name, value) {
  follow(prototype, "onConfigure", function (saved) {
    const place = (this.widgets ?? []).findIndex((widget) => widget.name === name);
    const values = saved?.widgets_values;
    if (place >= 0 && Array.isArray(values) && place >= values.length) this.widgets[place].value = value;
  });
}

function followChoice(prototype, name, unused) {
  const all = Object.values(unused).flat();
  const update = (node) => {
    const chosen = isLinked(node, name) ? [] : (unused[findWidget(node, name)?.value] ?? []); // a link's value is unknown
    hideWidgets(node, chosen, all);
  };
  keepUpdated(prototype, update);
  follow(prototype, "onNodeCreated", function () {
    const widget = findWidget(this, name);
    if (widget) follow(widget, "callback", () => updateAndFit(this, update));
  });
}

function keepUpdated(prototype, update) {
  follow(prototype, "onNodeCreated", function () {
    updateAndFit(this, update);
  });
  follow(prototype, "onConfigure", function () {
    update(this); // the size is the saved one
  });
  follow(prototype, "onConnectionsChange", function () {
    update(this);
  });
}

function hideWidgets(node, chosen, all) {
  for (const widget of node.widgets ?? []) {
    if (!all.includes(widget.name)) continue;
    const hidden = chosen.includes(widget.name) && !isLinked(node, widget.name);
    widget.options ??= {};
    const drawn = widget._state?.options ?? widget.options; // what Nodes 2.0 watches; the same object, in a proxy
    drawn.hidden = hidden; // first: what has changed already is not seen
    widget.hidden = widget.options.hidden = hidden; // for the canvas, and for Nodes 2.0 of older frontends
    if (hidden) widget.y = 0; // its socket goes under the first one, where it catches nobody's link
  }
  node.setDirtyCanvas?.(true, true);
}

function updateAndFit(node, update) {
  const before = node.computeSize()[1];
  update(node);
  const grown = node.computeSize()[1] - before;
  if (grown) node.setSize([node.size[0], node.size[1] + grown]);
}

const findWidget = (node, name) => node.widgets?.find((widget) => widget.name === name);
const isLinked = (node, name) => node.inputs?.find((input) => input.widget?.name === name)?.link != null;
