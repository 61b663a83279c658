// A motion file that is dropped onto the canvas goes into the host's folder, and a node that loads it is added there.
// See nodes/host/motion_uploads.py. All other files are the frontend's, as before.
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

const LOADERS = {
  "motion-embedding": ["LoadMotionEmbedding", "motion"],
  "motion-adapter": ["LoadMotionAdapter", "adapter"],
};
const LONGEST_HEADER = 2 ** 24; // bytes; that of a large model has fewer

app.registerExtension({
  name: "MotionInversion.DroppedMotions",
  setup() {
    const first = app.handleFile;
    app.handleFile = async function (file, source, options) {
      const format = await readFormat(file);
      if (!Object.hasOwn(LOADERS, format)) return first.call(this, file, source, options);
      const place = [...app.canvas.graph_mouse];
      const node = await addLoader(file, format, place);
      if (node) options?.onNodeCreated?.(node);
    };
  },
});

// What a safetensors file says in its metadata; it begins with the length of its header and the header as JSON.
async function readFormat(file) {
  if (!/\.safetensors$/i.test(file.name)) return "";
  try {
    const length = Number(new DataView(await file.slice(0, 8).arrayBuffer()).getBigUint64(0, true));
    if (length > LONGEST_HEADER) return "";
    return String(JSON.parse(await file.slice(8, 8 + length).text()).__metadata__?.format ?? "");
  } catch {
    return "";
  }
}

async function addLoader(file, format, place) {
  const query = new URLSearchParams({ name: file.name, format });
  const answer = await api.fetchApi(`/motion_inversion/motions?${query}`, { method: "POST", body: file });
  if (!answer.ok) return complain(answer.status === 400 ? await answer.text() : `${file.name}: ${answer.statusText}`);
  const { name } = await answer.json();
  const [type, input] = LOADERS[format];
  const node = window.LiteGraph.createNode(type);
  node.pos = place;
  app.canvas.graph.add(node);
  const widget = node.widgets.find((each) => each.name === input);
  if (!widget.options.values.includes(name)) widget.options.values.push(name);
  widget.value = name;
  widget.callback?.(name);
  app.canvas.graph.change();
  return node;
}

const complain = (detail) =>
  void app.extensionManager.toast.add({ severity: "error", summary: "Motion Inversion", detail, life: 10_000 });
