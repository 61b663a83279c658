// Shows a picture once: while learning, a node sends pictures of its loss, and at its end it hands out the last one.
// Nodes 2.0 keeps the last that was sent until the node runs again, and would draw both.
import { app } from "../../../scripts/app.js";

app.registerExtension({
  name: "MotionInversion.OnePicture",
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!nodeData.category?.startsWith("motion inversion")) return;
    const first = nodeType.prototype.onExecuted;
    nodeType.prototype.onExecuted = function (output) {
      first?.call(this, output);
      this.hideOutputImages = Boolean(app.nodePreviewImages[locate(this)]?.length);
    };
  },
});

// As the frontend names a node: with its subgraph before it, if it is in one.
const locate = ({ graph, id }) => (graph.isRootGraph ?? true ? `${id}` : `${graph.id}:${id}`);
