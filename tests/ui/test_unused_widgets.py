"""A recipe hides the widgets that it has no use for, and nothing of what they hold is lost."""

import pytest

from motion_core.recipes.catalogue import ADAPTER_RECIPES
from tests.ui import browser

RECIPES = {recipe.name: recipe for recipe in ADAPTER_RECIPES}
FIRST = "motion_director"
ALL = ["recipe", "preset", "steps", "learning_rate", "rank", "memory", "seed", "preview_every"]
HELD = {"steps": 3, "learning_rate": 0.5, "rank": 7, "seed": 11}


class OnCanvas:
    """One node that the frontend draws itself, as it always did."""

    by_vue = False

    def __init__(self, page):
        self.page = page
        browser.draw_by_vue(page, self.by_vue)
        self.become("TrainMotionAdapter")
        for name, value in HELD.items():
            self.do("node.widgets.find(w => w.name === given[0]).value = given[1]", [name, value])
        self.do("node.pos = [300, 300]; app.canvas.ds.scale = 1; app.canvas.ds.offset = [0, 0]; app.canvas.draw(true)")

    def become(self, kind):
        self.type = kind
        self.do("graph.clear(); graph.add(LiteGraph.createNode(given))", kind)

    def do(self, what, given=None):
        """In the page, with the graph and the node; what is linked and drawn gets its turn after."""
        node = f"graph.nodes.find(node => node.type === '{self.type}')"
        named = f"const {{app}} = window, {{graph}} = app, node = {node}"
        message = self.page.evaluate(f"given => {{ {named}; {what} }}", given)
        browser.draw(self.page)
        return message

    def pick(self, recipe):
        browser.pick(self.page, self.saved["id"], "recipe", recipe)

    @property
    def names(self):
        return self.do("return node.widgets.filter(w => node.isWidgetVisible(w)).map(w => w.name)")

    @property
    def saved(self):
        return self.graph["nodes"][0]

    @property
    def graph(self):
        return self.do("return graph.serialize()")

    @property
    def prompt(self):
        return self.page.evaluate("async () => (await window.app.graphToPrompt()).output")


class ByVue(OnCanvas):
    """One node of what the frontend calls Nodes 2.0."""

    by_vue = True

    def pick(self, recipe):
        self.page.get_by_role("combobox", name="recipe").click()
        self.page.get_by_role("option", name=recipe).click()
        browser.draw(self.page)

    @property
    def names(self):
        return [text.split()[0] for text in self.page.locator(".lg-node-widget").all_inner_texts()]


@pytest.fixture(params=[OnCanvas, ByVue])
def node(request, page):
    browser.always_show_advanced(page, True)
    yield request.param(page)
    browser.draw_by_vue(page, False)
    browser.always_show_advanced(page, False)


def wanted(recipe):
    return [name for name in ALL if name not in RECIPES[recipe].unused_options]


def test_picking_a_recipe_hides_its_unused_widgets(node):
    heights = {}
    for recipe in sorted(RECIPES, key=FIRST.__eq__):
        node.pick(recipe)
        assert node.names == wanted(recipe)
        assert node.saved["widgets_values"] == [recipe, "published", 3, 0.5, 7, "preset's", 11, 0]
        heights[recipe] = node.saved["size"][1]
    for recipe, height in heights.items():
        assert (height < heights[FIRST]) == bool(RECIPES[recipe].unused_options & set(ALL))


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_graph_that_is_loaded_shows_the_same_and_keeps_its_values(node, recipe):
    if node.do("return node.widgets[0].value") != recipe:  # the frontend may remember what an earlier node had
        node.pick(recipe)
    graph, prompt = node.graph, node.prompt
    node.do("graph.clear()")
    browser.load(node.page, graph)
    assert node.names == wanted(recipe)
    for part in ("widgets_values", "inputs"):
        assert node.saved[part] == graph["nodes"][0][part]
    assert node.prompt == prompt and prompt[str(node.saved["id"])]["inputs"]["rank"] == 7


def test_linked_widgets_stay_visible(node):
    feed = """
        const source = LiteGraph.createNode("PrimitiveNode");
        graph.add(source);
        source.connect(0, node, node.inputs.findIndex(slot => slot.name === given));
    """
    node.do(feed, "rank")
    node.pick("vmc")
    assert "rank" in node.names
    node.do("node.disconnectInput(node.inputs.findIndex(slot => slot.name === given))", "rank")
    assert "rank" not in OnCanvas.names.fget(node)
    node.do(feed, "recipe")  # whatever that brings
    assert "rank" in OnCanvas.names.fget(node)


@pytest.mark.parametrize("kind, name", [("TrainMotionAdapter", "recipe"), ("MotionGuidance", "method")])
def test_each_choice_hides_the_options_that_python_calls_unused(node, host, kind, name):
    unused = host.ask(f"/object_info/{kind}")[kind]["input"]["required"][name][1]["unused_widgets"]
    node.become(kind)
    every = node.do("return node.widgets.map(w => w.name)")
    assert len({*map(tuple, unused.values())}) > 1
    for each in [*unused, *reversed(unused)]:
        node.do(f"const w = node.widgets.find(w => w.name === '{name}'); w.value = given; w.callback(given)", each)
        assert node.names == [widget for widget in every if widget not in unused[each]]


def test_the_host_serves_the_scripts_and_takes_no_help_page_for_one(host):
    ours = {script for script in host.ask("/extensions") if script.startswith("/extensions/motion-inversion/")}
    names = (
        "unused_widgets", "cached_texts", "template_titles", "one_picture", "follow", "picked_frames",
        "dropped_motions", "shared_sources", "motion_previews",
    )  # fmt: skip
    assert ours == {f"/extensions/motion-inversion/js/{name}.js" for name in names}
