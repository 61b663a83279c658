// Gives the pack's graphs titles and descriptions in the template browser, in the order in which to read them. The host
// tells the frontend no more than the names of a pack's files; what it tells of its own graphs has titles, so ours are
// added to that. They are in locales/LANGUAGE/main.json, where the frontend looks up those of its own graphs alone. A graph
// that has no title there is listed by its name, as before.
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

const PACK = decodeURIComponent(new URL(import.meta.url).pathname.split("/").at(-3)); // the name of its folder

const CATEGORY = "Motion Inversion";

app.registerExtension({
  name: "MotionInversion.TemplateTitles",
  init() {
    const needed = ["getWorkflowTemplates", "getCoreWorkflowTemplates", "getCustomNodesI18n"];
    if (!needed.every((name) => api[name])) return; // a frontend that lists them otherwise
    const listed = api.getWorkflowTemplates.bind(api);
    const indexed = api.getCoreWorkflowTemplates.bind(api);
    const texts = api.getCustomNodesI18n().catch(() => ({}));
    api.getWorkflowTemplates = async () => withoutTitled(await listed(), describe(await texts));
    api.getCoreWorkflowTemplates = async (language, ...rest) =>
      withTitled(await indexed(language, ...rest).catch(() => []), describe(await texts, language)); // not installed
  },
});

// The graphs in the order of their names, as the template browser wants them, in that language or else in English.
function describe(texts, language) {
  const read = (kind) => [language, "en"].map((each) => texts[each]?.templateWorkflows?.[kind]?.[CATEGORY]).find(Boolean);
  const [titles = {}, descriptions = {}] = [read("template"), read("templateDescription")];
  return Object.keys(titles)
    .sort()
    .map((name) => {
      return { name, title: titles[name], description: descriptions[name], mediaType: "image", mediaSubtype: "jpg" };
    });
}

function withoutTitled(listed, templates) {
  const titled = new Set(templates.map(({ name }) => name));
  const { [PACK]: ours = [], ...others } = listed;
  const left = ours.filter((name) => !titled.has(name));
  return left.length ? { ...others, [PACK]: left } : others;
}

function withTitled(categories, templates) {
  if (!templates.length || categories.some(({ moduleName }) => moduleName === PACK)) return categories; // another language falls back here
  return [...categories, { moduleName: PACK, title: CATEGORY, type: "image", templates }];
}
