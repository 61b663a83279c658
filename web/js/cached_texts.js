// Shows the text of a node again where the host hands out what an earlier run made: the frontend itself shows a text
// only while a node runs.
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

app.registerExtension({
  name: "MotionInversion.CachedTexts",
  setup() {
    api.addEventListener("executed", ({ detail }) => {
      const nodeId = detail.display_node ?? detail.node;
      const text = detail.output?.text;
      if (isOurs(findNode(nodeId)) && text?.length)
        api.dispatchCustomEvent("progress_text", { nodeId, text: text.join("\n") });
    });
  },
});

// A node in a subgraph is called by the ids on the way to it, with colons between.
function findNode(nodeId) {
  let graph = app.graph;
  let node;
  for (const id of String(nodeId).split(":")) {
    node = graph?.getNodeById(id);
    graph = node?.subgraph;
  }
  return node;
}

const isOurs = (node) => node?.constructor.nodeData?.category?.startsWith("motion inversion");
