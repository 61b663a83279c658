// Shows the preview that a motion file has, on the nodes that load one: once a file is chosen, and after a run what that
// handed out. There is one picture, in a place of its own, since the frontend keeps what a run showed until the next.
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { follow } from "./follow.js";

const CHOICES = { LoadMotionEmbedding: "motion", LoadMotionAdapter: "adapter" };
const NAME = "motion_preview";
const HEIGHT = 180;

app.registerExtension({
  name: "MotionInversion.MotionPreviews",
  beforeRegisterNodeDef(nodeType, { name }) {
    const choice = CHOICES[name];
    if (!choice) return;
    follow(nodeType.prototype, "onNodeCreated", function () {
      const widget = findWidget(this, choice);
      if (widget) follow(widget, "callback", () => showChosen(this, choice));
      showChosen(this, choice);
    });
    follow(nodeType.prototype, "onConfigure", function () {
      showChosen(this, choice);
    });
    follow(nodeType.prototype, "onExecuted", function (output) {
      const [picture] = output?.images ?? [];
      if (output) delete output.images; // else the frontend would show it too
      this.motionPreviewAsked = undefined; // an answer that is still to come is older
      show(this, picture && api.apiURL(`/view?${new URLSearchParams(picture)}`));
    });
  },
});

async function showChosen(node, choice) {
  const asked = (node.motionPreviewAsked = {});
  const linked = node.inputs?.find((input) => input.widget?.name === choice)?.link != null; // the file is unknown
  const query = new URLSearchParams({ [choice]: findWidget(node, choice)?.value ?? "" });
  const answer = linked ? undefined : await api.fetchApi(`/motion_inversion/preview?${query}`).catch(() => undefined);
  const blob = answer?.status === 200 ? await answer.blob() : undefined;
  if (node.motionPreviewAsked === asked) show(node, blob && URL.createObjectURL(blob));
}

function show(node, address) {
  const shown = findWidget(node, NAME);
  const before = shown?.element.firstChild.src;
  if (before?.startsWith("blob:")) URL.revokeObjectURL(before);
  if (!address) {
    if (shown) node.removeWidget(shown);
  } else if (shown) shown.element.firstChild.src = address;
  else add(node, address);
  node.setDirtyCanvas?.(true, true);
}

function add(node, address) {
  const place = document.createElement("div");
  const picture = document.createElement("img");
  Object.assign(picture.style, { width: "100%", height: "100%", objectFit: "contain", pointerEvents: "none" });
  Object.assign(picture, { src: address, alt: "", draggable: false });
  place.append(picture);
  const options = { serialize: false, hideOnZoom: false, getMinHeight: () => HEIGHT };
  node.addDOMWidget(NAME, "img", place, options).serialize = false;
  place.style.minHeight = `${HEIGHT}px`;
  const [width, height] = node.computeSize();
  node.setSize([Math.max(width, node.size[0]), Math.max(height, node.size[1])]);
}

const findWidget = (node, name) => node.widgets?.find((widget) => widget.name === name);
