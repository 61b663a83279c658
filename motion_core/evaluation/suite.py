"""What is evaluated: a YAML file's methods on its clips, and how it is sampled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..diffusion.initial_noise import NOISE_METHODS
from ..diffusion.timesteps import parse_timesteps
from ..errors import FileError, OptionError
from ..guidance.methods import Config, find_method
from ..guidance.methods import Method as Guidance
from ..pipeline import GenerateConfig
from ..recipes.catalogue import find_recipe
from ..recipes.learn_config import LearnConfig
from ..recipes.recipe import Recipe
from ..sampling.sample import AdaptConfig, ApplyConfig

SHIPPED = Path(__file__).parent / "suites"
MOTION_INVERSION = "motion_inversion"
STARTER = "starter"


@dataclass(frozen=True)
class Method:
    """A row of the table. learn: `recipe` and what of it is changed, or nothing; steer: `method` and what of it is
    changed, or nothing; apply: how what was learnt is felt, over what its recipe suggests; noise, beta, factor: where
    sampling starts (the recipe's where nothing is said); backwards: the clip is learnt in reversed time;
    colourings: in how many an adapter sees the clip (an embedding has a setting of its own). Raises OptionError.
    """

    name: str
    learn: Mapping[str, Any] = field(default_factory=dict)
    steer: Mapping[str, Any] = field(default_factory=dict)
    apply: Mapping[str, Any] = field(default_factory=dict)
    noise: str = ""
    beta: float | None = None
    factor: int = 4
    backwards: bool = False
    colourings: int = 1

    def __post_init__(self) -> None:
        if not self.name:
            raise OptionError("a method has no name; give each one")
        if self.learn and self.steer:
            raise OptionError(f"{self.name!r} both learns and steers; make two methods of it")
        if self.noise and self.noise not in NOISE_METHODS:
            raise OptionError(f"noise of {self.name!r} is {self.noise!r}; use one of {', '.join(NOISE_METHODS)}")


@dataclass(frozen=True)
class Suite:
    """What a suite file says. model: `starter` or a diffusers folder; material: the clips and who judges them, see
    `motion_core.evaluation.material`; seeds: how many for each clip and prompt; batch: how many are sampled together;
    sampling: `steps`, `guidance` and `negative`; control: the method without the motion, against whose likeness to the
    reference leakage is told; published: figures to print next to ours, by method and score. Raises OptionError.
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

    def __post_init__(self) -> None:
        names = [method.name for method in self.methods]
        if not names:
            raise OptionError("the suite has no methods; list at least one")
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise OptionError(f"two methods are called {twice!r}; give each its own name")
        if self.control and self.control not in names:
            raise OptionError(f"control is {self.control!r}, and no method is called so; use one of {', '.join(names)}")
        for number in ("seeds", "batch"):
            if not 1 <= getattr(self, number) <= 100_000:
                raise OptionError(f"{number} is {getattr(self, number)}; choose 1 or more")
        unknown = set(self.sampling) - {"steps", "guidance", "negative"}
        if unknown:
            raise OptionError(f"sampling has no {sorted(unknown)[0]!r}; it has steps, guidance and negative")
        GenerateConfig(**self.sampling)
        for method in self.methods:
            self.learning(method)
            self.steering(method)

    @property
    def generate(self) -> GenerateConfig:
        return GenerateConfig(**self.sampling)

    @property
    def preset(self) -> str:
        """Whose numbers recipes and guidance have."""
        return "starter" if self.model == STARTER else "published"

    def learning(self, method: Method) -> LearnConfig | Recipe | None:
        """What the method learns by, None for nothing. Raises OptionError."""
        if not method.learn:
            return None
        given = dict(method.learn)
        recipe = given.pop("recipe", MOTION_INVERSION)
        if "timesteps" in given:
            given["timesteps"] = parse_timesteps(str(given["timesteps"]))
        try:
            if recipe == MOTION_INVERSION:
                return LearnConfig.of(given.pop("preset", STARTER if self.model == STARTER else "official"), **given)
            return find_recipe(recipe, self.preset).changed(**given)
        except TypeError as reason:  # names no field
            raise OptionError(f"learn of {method.name!r} can't be read ({reason}); see the recipe's fields") from reason

    def steering(self, method: Method) -> Config | None:
        """How the method guides, None for not at all. Raises OptionError."""
        if not method.steer:
            return None
        given = {name: value for name, value in method.steer.items() if name != "method"}
        return self._guidance(method).configure(**given)

    def _guidance(self, method: Method) -> Guidance:
        return find_method(str(method.steer.get("method")), self.preset)

    def start(self, method: Method) -> dict[str, Any]:
        """Where the method's sampling starts: the arguments of `motion_core.diffusion.initial_noise.mix`."""
        how = self.learning(method)
        usual = (how.noise, how.beta) if isinstance(how, Recipe) else ("random", 0.5)
        if method.steer:
            usual = (self._guidance(method).sampling.get("noise", "random"), 0.5)
        beta = usual[1] if method.beta is None else method.beta
        return {"method": method.noise or usual[0], "beta": beta, "factor": method.factor}

    def feeling(self, method: Method, suggested: Mapping[str, Any]) -> ApplyConfig | AdaptConfig:
        """How what the method learnt is felt. suggested: by what it was learnt with. Raises OptionError."""
        kind = AdaptConfig() if isinstance(self.learning(method), Recipe) else ApplyConfig()
        return _changed(kind, {**suggested, **method.apply}, f"apply of {method.name!r}")


def _changed(config: Any, given: Mapping[str, Any], what: str) -> Any:
    known = [each.name for each in fields(config)]
    unknown = set(given) - set(known)
    if unknown:
        raise OptionError(f"{what} has no {sorted(unknown)[0]!r}; it has {', '.join(known)}")
    return type(config)(**{name: given.get(name, getattr(config, name)) for name in known})


def read_suite(path: Path) -> Suite:
    """A suite file, or one that ships with the pack by its name. Raises FileError, OptionError."""
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
    """What a suite file holds as a suite. Raises OptionError for what is missing or unknown."""
    if not isinstance(content, dict) or not isinstance(content.get("methods"), list):
        raise OptionError(f"{name} is no suite; it needs name, material and a list of methods")
    _check_keys(content, Suite, name)
    methods = []
    for number, each in enumerate(content["methods"], 1):
        if not isinstance(each, dict):
            raise OptionError(f"method {number} of {name} is {each!r}; give it a name and what it does")
        _check_keys(each, Method, f"method {number} of {name}")
        methods.append(Method(**each))
    return Suite(**{**content, "methods": tuple(methods)})


def _check_keys(content: Mapping[str, Any], kind: type, what: str) -> None:
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    missing = [name for name in ("name", "material") if name in known and name not in content]
    if missing:
        raise OptionError(f"{what} has no {missing[0]}; add it")
    unknown = sorted(set(content) - known)
    if unknown:
        raise OptionError(f"{what} has {unknown[0]!r}, which is none of {', '.join(sorted(known))}")
