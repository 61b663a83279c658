// Gives the pack's graphs titles and descriptions in the template browser, in the order in which to read them. The host
// tells the frontend no more than the names of a pack's files; what it tells of its own graphs has titles, so ours are
// added to that. A graph that has no title here is listed by its name, as before.
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

const PACK = decodeURIComponent(new URL(import.meta.url).pathname.split("/").at(-3)); // the name of its folder

const GRAPHS = [
  ["00_starter_motion_transfer", "Move anything the way a clip moves",
    "The whole story on the starter model: load a clip, learn its motion, use it. Nothing to download."],
  ["05_starter_wan", "Move anything the way a clip moves, on a small Wan",
    "The same on a small model of Wan's shape: load, learn, use. Nothing to download."],
  ["10_zeroscope_learn_and_apply", "Learn a motion on ZeroScope and use it",
    "Starts from blended inverted noise, and saves the motion. Needs ZeroScope."],
  ["15_wan_learn_and_apply", "Learn a motion on Wan 2.1 and use it",
    "Text-to-video. Needs Wan 2.1 1.3B, its text encoder and its VAE."],
  ["16_wan_image_to_video", "Move a picture the way a clip moves, on Wan 2.2",
    "Image-to-video with two experts. Needs Wan 2.2 14B, its text encoder and its VAE."],
  ["20_reuse_a_saved_motion", "Use a motion that was saved before",
    "A motion from a file under a new prompt, in seconds. Nothing to download."],
  ["30_camera_motion", "Take a clip's camera, and nothing else",
    "The camera's motion without the objects'. Needs ZeroScope."],
  ["40_animatediff_learn_and_apply", "Learn a motion on AnimateDiff and use it",
    "Needs AnimateDiff-Evolved, an SD 1.5 checkpoint and a motion module."],
  ["50_evaluate_a_transfer", "Did the motion move, and did it only move?",
    "Follows points in reference and result, and says how alike they move. Needs OpenCV."],
  ["51_strength_sweep", "How strong should the motion be?",
    "Three strengths side by side, with the motion fidelity of each. Needs OpenCV."],
  ["60_vmc", "VMC: learn a motion from its frame differences",
    "On the starter model, beside what the plain model makes. Nothing to download."],
  ["61_motion_director", "MotionDirector: learn the motion apart from the looks",
    "On the starter model, beside what the plain model makes. Nothing to download."],
  ["62_customizing_motion", "Customizing Motion: bind a motion to a word",
    "On the starter model, beside what the plain model makes. Nothing to download."],
  ["63_motion_matcher", "MotionMatcher: learn what the model's own attention says",
    "On the starter model, beside what the plain model makes. Nothing to download."],
  ["64_dmt", "DMT: guide by features, with nothing learnt",
    "Follows a clip while it samples, on the starter model. Nothing to download."],
  ["65_motion_clone", "MotionClone: guide by attention, with nothing learnt",
    "Follows a clip while it samples, on the starter model. Nothing to download."],
  ["66_dit_flow", "DiTFlow: guide Wan by where attention moves, with nothing learnt",
    "Follows a clip while it samples, on the Wan starter. Nothing to download."],
];

app.registerExtension({
  name: "MotionInversion.TemplateTitles",
  init() {
    if (!api.getWorkflowTemplates || !api.getCoreWorkflowTemplates) return; // a frontend that lists them otherwise
    const listed = api.getWorkflowTemplates.bind(api);
    const indexed = api.getCoreWorkflowTemplates.bind(api);
    api.getWorkflowTemplates = async () => withoutTitled(await listed());
    api.getCoreWorkflowTemplates = async (...given) => withTitled(await indexed(...given).catch(() => [])); // not installed
  },
});

function withoutTitled(listed) {
  const titled = new Set(GRAPHS.map(([name]) => name));
  const { [PACK]: ours = [], ...others } = listed;
  const left = ours.filter((name) => !titled.has(name));
  return left.length ? { ...others, [PACK]: left } : others;
}

function withTitled(categories) {
  if (categories.some(({ moduleName }) => moduleName === PACK)) return categories; // another language falls back here
  const templates = GRAPHS.map(([name, title, description]) => {
    return { name, title, description, mediaType: "image", mediaSubtype: "jpg" };
  });
  return [...categories, { moduleName: PACK, title: "Motion Inversion", type: "image", templates }];
}
