"""The settings of `medft train`: the groups that a run is composed of, and what must not meet among them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from medft.checked import Count, Positive, Seed
from medft.config import plain
from medft.data.config import DatasetConfig
from medft.engine.base import EngineConfig, LoraConfig
from medft.errors import ConfigError
from medft.merge.rounding import MergingConfig
from medft.models.registry import ModelConfig
from medft.overrides import Idle
from medft.plan.resolve import Scale
from medft.prompt.config import TemplateConfig
from medft.prompt.template import check_fields
from medft.publish.card import Content, is_hub_id
from medft.publish.preflight import Allowed
from medft.sweep.cluster import LauncherConfig
from medft.training.config import LoggerConfig, TrainerConfig

IDLE = (
    Idle("sweep.resume", lambda config: False, "-m"),
    Idle("sweep.gpus_per_job", lambda config: config.sweep.folder, "-m"),
    Idle("launcher", lambda config: config.sweep.folder, "-m"),
    Idle("launcher.", lambda config: config.sweep.folder, "-m"),
    Idle("max_shard_gb", lambda config: config.merge, "merge=true"),
    Idle("merging.", lambda config: config.merge, "merge=true"),
    Idle("upload.", lambda config: config.upload.repo, "upload.repo=owner/name", but=("upload.repo",)),
    Idle("logger.", lambda config: config.logger.wandb != "off", "W&B", but=("logger.wandb",)),
    Idle("trainer.sweep_metric", lambda config: config.sweep.folder, "a search: -m hydra/sweeper=optuna"),
    Idle("trainer.epochs", lambda config: config.trainer.max_steps is None, "trainer.max_steps=null"),
    Idle("trainer.warmup_steps", lambda config: config.trainer.lr_scheduler != "constant", "a schedule"),
)
"""Settings of a run that have no effect by themselves."""
MAIN = (
    "dataset.path", "dataset.limit", "trainer.epochs", "trainer.max_steps", "trainer.per_device_batch_size",
    "trainer.gradient_accumulation_steps", "trainer.learning_rate", "trainer.max_length", "lora.r", "seed",
    "resume", "upload.repo",
)  # fmt: skip
"""The settings that help shows first."""


@dataclass(frozen=True, slots=True)
class SweepConfig:
    """A run's place in a sweep (`medft train -m`)."""

    folder: Path | None = None
    """The folder of the sweep that a run is a job of."""
    resume: Path | None = None
    """With -m: folder of a sweep to complete."""
    gpus_per_job: Count = 1
    """With -m: GPUs per job, used through torchrun."""


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """Where a run's weights are uploaded when it finishes; obstacles are looked for before step 1."""

    repo: str | None = None
    """Hub repository, owner/name; null: nowhere."""
    what: Content = "adapter"
    """adapter, merged, or both (merged to `repo`, the adapter to `repo`-adapter)."""
    private: bool = True
    """Create the repository as private."""
    allow: tuple[Allowed, ...] = ()
    """What you take responsibility for in a public repository: license, identifiers; see `medft upload
    --help`."""

    def __post_init__(self) -> None:
        """Refuse a name that no repository has."""
        if self.repo is not None and not is_hub_id(self.repo):
            raise ConfigError(f"'{self.repo}' is not a hub id", remedy="write upload.repo=owner/name")


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """The settings of one training run."""

    model: ModelConfig
    """The base model."""
    dataset: DatasetConfig
    """The records."""
    template: TemplateConfig
    """The prompt template."""
    trainer: TrainerConfig
    """The training recipe."""
    lora: LoraConfig
    """The adapter."""
    engine: EngineConfig
    """Which library trains."""
    logger: LoggerConfig
    """Where metrics go besides loss.csv."""
    run_dir: Path
    """The run folder."""
    scale: Scale = "auto"
    """full: the real base; tiny: its two-layer twin; auto: full on a CUDA GPU, and on a CPU if the model has
    at most 400M parameters or no twin."""
    seed: Seed = 3407
    """Seeds the split, adapter initialization, batch order and NEFTune noise."""
    resume: str | None = None
    """Run to resume, by path or name, or `latest`: the newest unfinished run; `auto`: the run in run_dir,
    started if it does not exist."""
    artifacts: Path = Path("artifacts")
    """Where runs, sweeps and comparisons are written."""
    processed: Path = Path("data/processed")
    """Where prepared records and token ids are kept."""
    max_shard_gb: Positive = 5.0
    """Maximum size of a file of merged weights, in GB."""
    merge: bool = True
    """Also write merged/, the merged weights."""
    merging: MergingConfig = field(default_factory=MergingConfig)
    """How merged weights are stored."""
    preflight: bool = True
    """Before step 1, check access, memory, disk and the upload target, and run the largest batches once;
    refuse a run that cannot succeed."""
    upload: UploadTarget = field(default_factory=UploadTarget)
    """Where the weights are uploaded at the end."""
    sweep: SweepConfig = field(default_factory=SweepConfig)
    """Which sweep this run belongs to."""
    launcher: LauncherConfig | None = None
    """With -m: the cluster that runs the jobs; null: this machine."""
    overrides: tuple[str, ...] = ()
    """The command line that the settings came from."""

    def __post_init__(self) -> None:
        if self.run_dir.name in ("", ".."):
            raise ConfigError(
                f"'{self.run_dir}' cannot be the folder of a run", remedy="run_dir=<folder>/<new name>"
            )
        if self.run_dir.exists() and not self.run_dir.is_dir():
            raise ConfigError(
                "this is no folder", where=f"run_dir={self.run_dir}", remedy="run_dir=<folder>/<new name>"
            )
        if self.merging.dtype == "float16" and self.model.forbids_float16:
            raise ConfigError(
                f"model '{self.model.name}' overflows in float16",
                where="merging.dtype=float16",
                remedy="merging.dtype=bfloat16 or float32",
            )
        if self.upload.repo and self.sweep.folder:
            raise ConfigError(
                "all runs of a sweep would go to one repository",
                where=f"upload.repo={self.upload.repo}",
                remedy="leave upload.repo out, and send the best one: medft upload run=... repo=...",
            )
        if self.upload.repo and self.upload.what != "adapter" and not self.merge:
            raise ConfigError(
                f"upload.what={self.upload.what} needs merged weights, and merge=false makes none",
                remedy="merge=true, or upload.what=adapter",
            )
        for member in self.dataset.members().values():
            if member.columns.task is None:
                present = {name for name, column in plain(member.columns).items() if column is not None}
                present |= set(member.fixed)
                if "turns" not in present:
                    check_fields(self.template, member.task, member.language, present, member.name)
