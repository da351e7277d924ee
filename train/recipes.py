"""How a model is trained, as named data. Every value ends up in the run's configuration."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from edgits.errors import ModelError
from edgits.normalize import Normalization
from edgits.train.models import MODELS


@dataclass(frozen=True)
class Recipe:
    """A way to train.

    Attributes:
        name: Its name.
        model: Architecture, one of `edgits.train.models.MODELS`.
        about: What it is good for, one line.
        normalization: How crops become input.
        epochs: Passes over the training part.
        batch_size: Images a step.
        learning_rate: Peak learning rate of Adam.
        schedule: ``"constant"``, or ``"cosine"`` down to 0 after a short warm-up (Loshchilov & Hutter 2017).
        label_smoothing: Share of each target spread over all classes (Szegedy et al. 2016).
        augment: Whether images are varied in shape, pen, paper, light and noise.
        variants: How often all images are varied anew; epochs take these in turn, which saves making them each time.
            A wide model learns ten by heart: `base` reads the images of its tenth that it trained on in 40 epochs
            1.2 points better than the same digits varied afresh (`nano` 0.5).
        reject: Whether an output ``"none"`` learns what is no digit, and ``"several"`` digits that touch.
        windows: Whether windows on rows of digits that touch are learnt, too, where digits are clean ink and `reject`
            is set, so that such rows are read without being cut. `nano` hasn't room: it read other hands worse.
        distillation: Share of each target that a teacher gives, where there is one.
        patience: Epochs without a better validation loss after which training ends and the best
            weights are taken; 0 trains for all epochs and takes the last.
        precision: ``"mixed_bfloat16"`` computes in half the bits: it saves a third to a half of the time
            of a wide model on CPUs that have such instructions; weights stay float32.
        test_fraction: Share of the data held back for the test part, where no other is given.
        validation_fraction: Share of the training part that is only watched; with 0 the test part is.
    """

    name: str
    model: str
    about: str
    normalization: Normalization = field(default_factory=Normalization)
    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 2e-3
    schedule: Literal["constant", "cosine"] = "cosine"
    label_smoothing: float = 0.05
    augment: bool = True
    variants: int = 10
    reject: bool = True
    windows: bool = False
    distillation: float = 0.7
    patience: int = 0
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    test_fraction: float = 0.2
    validation_fraction: float = 0.1

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ModelError(f"recipe '{self.name}' asks for model '{self.model}'; choose {', '.join(MODELS)}")
        if self.epochs < 1 or self.batch_size < 1:
            raise ModelError(f"epochs and batch size must be 1 or more, found {self.epochs} and {self.batch_size}")
        if self.variants < 1:
            raise ModelError(f"images are varied at least once, found variants={self.variants}")
        if not 0 <= self.distillation <= 1 or self.patience < 0:
            raise ModelError(
                f"distillation must be 0 to 1 and patience 0 or more, found {self.distillation} and {self.patience}"
            )
        if not 0 < self.test_fraction < 1 or not 0 <= self.validation_fraction < 1:
            raise ModelError(
                f"fractions must be between 0 and 1, found {self.test_fraction} and {self.validation_fraction}"
            )

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as JSON values."""
        return asdict(self)


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "classic",
            "classic",
            "the notebook: grey, one size, [0, 1], 70/30, Sequential CNN, 10 epochs at batch 32",
            normalization=Normalization("resize"),
            epochs=10,
            batch_size=32,
            learning_rate=1e-3,
            schedule="constant",
            label_smoothing=0.0,
            augment=False,
            reject=False,
            test_fraction=0.3,
            validation_fraction=0.0,
        ),
        Recipe("demo", "small", "a compact reader from 4,000 images in about two minutes", epochs=16, batch_size=64),
        Recipe(
            "nano",
            "nano",
            "at most 5,000 parameters, for the smallest boards",
            epochs=30,
            learning_rate=5e-3,
            label_smoothing=0.0,
            variants=20,
        ),
        Recipe(
            "small",
            "small",
            "the default reader: at most 80 KB in int8",
            epochs=48,
            label_smoothing=0.0,
            variants=20,
            windows=True,
            precision="mixed_bfloat16",
        ),
        Recipe(
            "base",
            "base",
            "the most robust: at most 400 KB in int8",
            epochs=60,
            label_smoothing=0.0,
            variants=40,
            precision="mixed_bfloat16",
        ),
    )
}
