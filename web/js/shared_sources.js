// Lets a person who shares a graph say where its motion can be got, in the menu of the nodes that load one. It is kept
// where the frontend looks for missing models: in the node's `properties.models`.
import { app } from "../../../scripts/app.js";

const LOADERS = {
  LoadMotionEmbedding: ["motion", "motion_embeddings"],
  LoadMotionAdapter: ["adapter", "motion_adapters"],
};

app.registerExtension({
  name: "MotionInversion.SharedSources",
  getNodeMenuItems(node) {
    const chosen = findFile(node);
    return chosen ? [{ content: "Where to get this motion", callback: () => askForSource(node, chosen) }] : [];
  },
});

// What the node loads, unless it comes with the pack.
function findFile(node) {
  const [input, folder] = LOADERS[node.constructor?.nodeData?.name] ?? [];
  const name = node.widgets?.find((widget) => widget.name === input)?.value;
  if (!name || name.startsWith("example: ")) return;
  return { name, directory: name.startsWith("motion LoRA: ") ? "animatediff_motion_lora" : folder };
}

async function askForSource(node, { name, directory }) {
  const isIt = (model) => model.name === name && model.directory === directory;
  const models = node.properties.models ?? [];
  const url = await app.extensionManager.dialog.prompt({
    title: "Where to get this motion",
    message: `The address at which others can download ${name}. The graph keeps it; those who lack the file see it.`,
    defaultValue: models.find(isIt)?.url ?? "",
  });
  if (url == null) return; // cancelled
  const others = models.filter((model) => !isIt(model));
  node.properties.models = url.trim() ? [...others, { name, url: url.trim(), directory }] : others;
  node.graph?.change();
}
