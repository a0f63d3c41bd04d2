"""The settings of training and logging that conf/trainer and conf/logger are built into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medft.checked import Batch, Count, CountOrNone, Epochs, Name, NonNegative, Positive, Rate, Tokens
from medft.errors import ConfigError

Optimizer = Literal["adamw_torch", "adamw_8bit", "paged_adamw_8bit", "paged_adamw_32bit"]


@dataclass(frozen=True, slots=True)
class TrainerConfig:
    """One training recipe. Defaults are those of LLM-7B-Medical-Finetuning where it has one."""

    name: Name = "published"
    """Name of the preset."""
    epochs: Epochs = 1.0
    """Passes over the training rows; max_steps wins when set."""
    max_steps: Count | None = None
    """Number of optimizer steps; null: as many as the epochs need, within `minutes`."""
    minutes: Positive | None = None
    """Time limit in minutes for training, validation and test: the plan fits as many steps as it estimates
    to be possible, and a run that takes a quarter longer stops. max_steps wins when set; null: no limit."""
    per_device_batch_size: Batch = 2
    """Rows per forward pass on one device."""
    gradient_accumulation_steps: Batch = 4
    """Forward passes per optimizer step."""
    per_device_eval_batch_size: Batch = 4
    """Rows per forward pass in validation."""
    learning_rate: Rate = 2e-4
    """Peak learning rate (QLoRA, Dettmers et al. 2023, uses 2e-4 at this size)."""
    lr_scheduler: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "linear"
    """Learning rate schedule after warm-up."""
    warmup_steps: CountOrNone = 5
    """Steps of linear warm-up."""
    optimizer: Optimizer = "adamw_8bit"
    """AdamW with 32-bit or 8-bit states."""
    weight_decay: NonNegative = 0.01
    """Decoupled weight decay."""
    max_grad_norm: NonNegative = 1.0
    """Gradients are clipped to this norm."""
    max_length: Tokens = 2048
    """Longest row in tokens."""
    too_long: Literal["truncate", "drop"] = "truncate"
    """What happens to a longer row: its answer is truncated, or it is left out. Both are counted."""
    packing: bool = False
    """Pack several rows into one sequence, isolated from each other; changes which rows share a step."""
    padding_free: bool | None = False
    """Concatenate the rows of a batch instead of padding them; each step has the same rows. null: if
    fit=auto expects it to be faster."""
    group_by_length: bool = False
    """Batch rows of similar length; changes which rows share a step."""
    fit: Literal["off", "auto"] = "off"
    """auto: the plan chooses micro-batch, accumulation, recomputation, padding and validation batch to fit
    the memory; the mathematics stays the same. off: as configured."""
    neftune_noise_alpha: NonNegative | None = None
    """Noise on embeddings in training (NEFTune, Jain et al. 2023), typically 5; null is off."""
    logging_steps: Count = 1
    """Steps between lines of loss.csv."""
    eval_steps: Count | None = None
    """Steps between validations; null: ten times a run, and at the end."""
    validation_rows: Count | None = 512
    """Maximum validation rows per evaluation, the same subset for every seed; null takes all."""
    test_rows: Count | None = None
    """Maximum test rows at the end; null takes all."""
    save_steps: Count | None = None
    """Steps between checkpoints; null: with every validation."""
    save_total_limit: Count = 2
    """Number of checkpoints to keep."""
    keep: Literal["last", "best"] = "last"
    """Which checkpoint becomes the adapter: the last, or that of the lowest validation loss."""
    early_stopping_patience: Count | None = None
    """Stop after this many validations without improvement; null: never."""
    sweep_metric: Literal["validation_loss", "bits_per_byte"] = "validation_loss"
    """Metric that a search (`medft train -m`) minimizes."""

    def __post_init__(self) -> None:
        if self.packing and self.group_by_length:
            raise ConfigError(
                "trainer.packing and trainer.group_by_length contradict each other",
                remedy="packed sequences have one length already: set one of them to false",
            )
        if self.padding_free is None and self.fit == "off":
            raise ConfigError(
                "'trainer.padding_free' is left open, and trainer.fit=off decides nothing",
                remedy="trainer.padding_free=true or false, or trainer.fit=auto",
            )
        if self.eval_steps and self.save_steps and self.keep == "best" and self.save_steps % self.eval_steps:
            raise ConfigError(
                "trainer.keep=best needs a validation at every checkpoint",
                where=f"eval_steps={self.eval_steps}, save_steps={self.save_steps}",
                remedy="make trainer.save_steps a multiple of trainer.eval_steps",
            )


@dataclass(frozen=True, slots=True)
class LoggerConfig:
    """Where metrics go besides loss.csv. Nothing about the machine, the code or the rows is sent anywhere."""

    wandb: Literal["auto", "online", "offline", "off"] = "auto"
    """Weights & Biases: auto is online with an API key and offline without one; never asks."""
    project: str = "medft"
    """W&B project."""
    entity: str | None = None
    """W&B team or user; null: the owner of the key."""
    tags: tuple[str, ...] = ()
    """W&B tags besides model, data set and template."""
