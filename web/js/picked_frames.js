// Shows on Load Reference Video the frames that its widgets pick, as soon as a person changes one. The host reads them,
// see nodes/host/selection_previews.py, and the frontend shows its answer as it shows what a run gives. Nothing of it is
// saved, and a graph that is loaded looks as it did.
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { follow } from "./follow.js";

const WIDGETS = ["video", "frames", "start", "every", "width", "height", "fit", "reversed"];
const [LETTER, LINE, PADDING] = [7, 16, 20]; // pixels of the frontend's texts
const PAUSE = 400; // milliseconds without a change
const LINKED = "A link gives the video or one of its options, so the picked frames are shown after Run.";
const asked = new WeakMap(); // node -> what ends its question

app.registerExtension({
  name: "MotionInversion.PickedFrames",
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name !== "LoadReferenceVideo") return;
    follow(nodeType.prototype, "onNodeCreated", function () {
      for (const widget of this.widgets ?? [])
        if (WIDGETS.includes(widget.name)) follow(widget, "callback", () => askLater(this));
    });
    for (const end of ["onExecuted", "onRemoved"])
      follow(nodeType.prototype, end, function () {
        asked.get(this)?.abort(); // what a run shows is newer
      });
  },
});

function askLater(node) {
  asked.get(node)?.abort();
  const question = new AbortController();
  asked.set(node, question);
  const timer = setTimeout(() => ask(node, question.signal), PAUSE);
  question.signal.addEventListener("abort", () => clearTimeout(timer));
}

async function ask(node, signal) {
  const isLinked = (node.inputs ?? []).some(({ name, link }) => link != null && [...WIDGETS, "clip"].includes(name));
  if (isLinked) return show(node, { text: [LINKED] });
  const values = node.widgets.filter(({ name }) => WIDGETS.includes(name)).map(({ name, value }) => [name, value]);
  try {
    const answer = await api.fetchApi(`/motion_inversion/picked_frames?${new URLSearchParams(values)}`, { signal });
    const picked = answer.ok && (await answer.json());
    if (picked && !signal.aborted) show(node, picked);
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
}

// Where there are no picked frames, the file itself is shown, as before.
function show(node, { text, images = showFile(node), animated = [false] }) {
  const id = findPath(node, app.rootGraph ?? app.graph);
  if (!id) return;
  api.dispatchCustomEvent("executed", { node: id, display_node: id, output: { text, images, animated } });
  makeRoom(node, text.join("\n"));
}

// On the canvas a text has the height of two lines, and the advice in a sentence stands at its end.
function makeRoom(node, text) {
  const widget = node.widgets.find(({ name }) => name === "$$node-text-preview");
  if (!widget?.options || window.LiteGraph.vueNodesMode) return;
  const lines = Math.ceil((text.length * LETTER) / (node.size[0] - 2 * PADDING));
  widget.options.getMinHeight = () => lines * LINE + PADDING * 2;
  const height = node.computeSize()[1];
  if (height > node.size[1]) node.setSize([node.size[0], height]);
}

function showFile(node) {
  const value = node.widgets.find(({ name }) => name === "video").value ?? "";
  const [, subfolder = "", filename] = value.match(/^(?:(.*)\/)?(.*)$/);
  return [{ filename, subfolder, type: "input" }];
}

// A node in a subgraph is called by the ids on the way to it, with colons between.
function findPath(wanted, graph, way = []) {
  if (wanted.graph === graph) return [...way, wanted.id].join(":");
  for (const { id, subgraph } of graph.nodes) {
    const found = subgraph && findPath(wanted, subgraph, [...way, id]);
    if (found) return found;
  }
}
