"""A suite: a YAML file's methods, the clips that they are tried on, and how is sampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..diffusion.initial_noise import NOISE_METHODS
from ..diffusion.timesteps import parse_timesteps
from ..errors import FileError, OptionError
from ..guidance.methods import Config, GuidanceMethod, find_method
from ..motions.apply_settings import AdapterSettings, EmbeddingSettings
from ..pipeline import GenerateConfig
from ..recipes.catalogue import find_recipe, first_preset
from ..recipes.recipe import EMBEDDING, Recipe
from ..starter.folder import STARTER, STARTERS, usual_presets
from .lines import check_lines

SHIPPED = Path(__file__).parent / "suites"
MOTION_INVERSION = "motion_inversion"


@dataclass(frozen=True)
class Method:
    """A row of the table. learn: `recipe` and its changed options, or nothing; guide: `method` and its changed
    settings, or nothing; apply: how the motion is applied, over what it suggests; noise, beta, factor: what sampling
    starts from (the recipe's where nothing is given); backwards: the clip is reversed; colourings: in how many the clip
    is shown, 0 for the recipe's; image: a first frame of new looks is given; steps: of sampling, 0 for the suite's;
    frames: of the new clips, 0 for the material's; prompt: around each prompt, with {} in its place; material: in place
    of the suite's; over: the method that this one's gain is measured against; lines: what it is to reach, see
    `motion_core.evaluation.lines`. Raises OptionError.
    """

    name: str
    learn: Mapping[str, Any] = field(default_factory=dict)
    guide: Mapping[str, Any] = field(default_factory=dict)
    apply: Mapping[str, Any] = field(default_factory=dict)
    noise: str = ""
    beta: float | None = None
    factor: int = 4
    backwards: bool = False
    colourings: int = 0
    image: bool = False
    steps: int = 0
    frames: int = 0
    prompt: str = "{}"
    material: Mapping[str, Any] = field(default_factory=dict)
    over: str = ""
    lines: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.prompt.count("{}") != 1:
            raise OptionError(f"prompt of {self.name!r} is {self.prompt!r}; write {{}} once, where the prompt stands")
        check_lines(self.name, self.lines)
        if not self.name:
            raise OptionError("a method has no name; give each one")
        if self.learn and self.guide:
            raise OptionError(f"{self.name!r} both learns and guides; make two methods of it")
        if self.noise and self.noise not in NOISE_METHODS:
            raise OptionError(f"noise of {self.name!r} is {self.noise!r}; use one of {', '.join(NOISE_METHODS)}")


@dataclass(frozen=True)
class Suite:
    """A suite file. model: `starter`, `wan-starter` or a model's folder; material: the clips and how they are scored,
    see `motion_core.evaluation.material`; seeds: how many for each clip and prompt; batch: how many are sampled
    together; sampling: `steps`, `guidance` and `negative`; control: the method without the motion, whose likeness to
    the reference is subtracted for leakage; published: figures to print beside ours, by method and score; tuned_on:
    the clips that the methods' numbers were chosen on, none of which may judge them.
    Raises OptionError.
    """

    name: str
    methods: tuple[Method, ...]
    material: Mapping[str, Any]
    about: str = ""
    model: str = STARTER
    seeds: int = 1
    batch: int = 1
    sampling: Mapping[str, Any] = field(default_factory=dict)
    control: str = ""
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    tuned_on: Sequence[str] = ()

    def __post_init__(self) -> None:
        both = sorted(set(self.tuned_on) & set(self.material.get("clips", ())))
        if both:
            raise OptionError(f"{both[0]} is among the clips and in tuned_on; judge by clips that chose no numbers")
        names = [method.name for method in self.methods]
        if not names:
            raise OptionError("the suite has no methods; list at least one")
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise OptionError(f"two methods are called {twice!r}; give each its own name")
        if self.control and self.control not in names:
            raise OptionError(f"control is {self.control!r}, and no method is called so; use one of {', '.join(names)}")
        for method in self.methods:
            if method.over and method.over not in names:
                raise OptionError(f"over of {method.name!r} is {method.over!r}, and no method is called so; correct it")
        for number in ("seeds", "batch"):
            if not 1 <= getattr(self, number) <= 100_000:
                raise OptionError(f"{number} is {getattr(self, number)}; choose 1 or more")
        _check_names(self.sampling, ("steps", "guidance", "negative"), "sampling")
        GenerateConfig(**self.sampling)
        for method in self.methods:
            recipe = self.recipe(method)
            self.guidance(method)
            GenerateConfig(**{**self.sampling, "steps": self.steps(method)})
            if recipe is not None:
                kind = EmbeddingSettings if recipe.kind == EMBEDDING else AdapterSettings
                _check_names(method.apply, [each.name for each in fields(kind)], f"apply of {method.name!r}")

    @property
    def generate(self) -> GenerateConfig:
        return GenerateConfig(**self.sampling)

    def material_of(self, method: Method) -> dict[str, Any]:
        """Returns what opens the method's material."""
        return {**self.material, **method.material}

    def steps(self, method: Method) -> int:
        return method.steps or self.generate.steps

    def recipe(self, method: Method) -> Recipe | None:
        """Returns what the method trains by, None for nothing. Raises OptionError."""
        if not method.learn:
            return None
        given = dict(method.learn)
        name = given.pop("recipe", MOTION_INVERSION)
        preset = given.pop("preset", first_preset(name, usual_presets(self.model)))
        if "timesteps" in given:
            given["timesteps"] = parse_timesteps(str(given["timesteps"]))
        if method.colourings:
            given["colourings"] = method.colourings
        try:
            return find_recipe(name, preset).changed(**given)
        except TypeError as reason:  # names no option
            raise OptionError(f"learn of {method.name!r} can't be read ({reason}); see the recipe's fields") from reason

    def guidance(self, method: Method) -> Config | None:
        """Returns how the method guides, None for not at all. Raises OptionError."""
        if not method.guide:
            return None
        given = {name: value for name, value in method.guide.items() if name != "method"}
        return self._guidance_method(method).configure(**given)

    def initial_noise(self, method: Method) -> dict[str, Any]:
        """Returns what the method's sampling starts from: arguments of `motion_core.diffusion.initial_noise.mix`."""
        recipe = self.recipe(method)
        usual = (recipe.noise, recipe.beta) if recipe else ("random", 0.5)
        if method.guide:
            usual = (self._guidance_method(method).sampling.get("noise", "random"), 0.5)
        beta = usual[1] if method.beta is None else method.beta
        return {"method": method.noise or usual[0], "beta": beta, "factor": method.factor}

    def _guidance_method(self, method: Method) -> GuidanceMethod:
        preset = "starter" if self.model in STARTERS else "published"
        return find_method(str(method.guide.get("method")), preset)


def _check_names(given: Mapping[str, Any], known: Sequence[str], what: str) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise OptionError(f"{what} has no {unknown[0]!r}; it has {', '.join(known)}")


def read_suite(path: Path) -> Suite:
    """Reads a suite file, or by its name one that ships with the pack. Raises FileError, OptionError."""
    import yaml

    shipped = SHIPPED / f"{path}.yaml"
    path = shipped if not path.is_file() and shipped.is_file() else path
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.yaml")))
        raise FileError(f"{path} is not there; give a suite file, or one of {names}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as reason:
        raise FileError(f"{path.name} can't be read as YAML ({str(reason).splitlines()[0]}); correct it") from reason
    return parse_suite(content, path.name)


def parse_suite(content: Any, name: str) -> Suite:
    """Makes a suite of what its file holds. Raises OptionError for what is missing or unknown."""
    if not isinstance(content, dict) or not isinstance(content.get("methods"), list):
        raise OptionError(f"{name} is no suite; it needs name, material and a list of methods")
    _check_keys(content, Suite, name)
    methods = []
    for number, each in enumerate(content["methods"], 1):
        if not isinstance(each, dict):
            raise OptionError(f"method {number} of {name} is {each!r}; give it a name and what it does")
        if "steer" in each:  # the name of `guide` in older suites
            each = {**each, "guide": each["steer"]}
            del each["steer"]
        _check_keys(each, Method, f"method {number} of {name}")
        methods.append(Method(**each))
    return Suite(**{**content, "methods": tuple(methods)})


def _check_keys(content: Mapping[str, Any], kind: type, what: str) -> None:
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    missing = [name for name in (("name", "material") if kind is Suite else ("name",)) if name not in content]
    if missing:
        raise OptionError(f"{what} has no {missing[0]}; add it")
    unknown = sorted(set(content) - known)
    if unknown:
        raise OptionError(f"{what} has {unknown[0]!r}, which is none of {', '.join(sorted(known))}")
