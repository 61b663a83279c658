// Shows the text of a node again where the host hands out what an earlier run made: the frontend itself shows a text
// only while a node runs.
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

app.registerExtension({
  name: "MotionInversion.CachedTexts",
  setup() {
    api.addEventListener("executed", ({ detail }) => {
      const node = app.graph.getNodeById(detail.display_node ?? detail.node);
      const text = detail.output?.text;
      if (isOurs(node) && text?.length)
        api.dispatchCustomEvent("progress_text", { nodeId: detail.display_node ?? detail.node, text: text.join("\n") });
    });
  },
});

const isOurs = (node) => node?.constructor.nodeData?.category?.startsWith("motion inversion");
