"""TrainerConfig -> TRL's SFTConfig, with every field set explicitly that an engine would otherwise choose.

Unsloth replaces SFTConfig's defaults when it is imported (batch 4, accumulation 2, learning rate 5e-5,
adamw_8bit, seed 3407, padding-free on, ...), so nothing that shapes a run is left unset.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medft.engine.base import Checkpointing, LossType
from medft.models.registry import Dtype
from medft.training.config import TrainerConfig
from medft.training.schedule import Schedule

if TYPE_CHECKING:
    from trl import SFTConfig


@dataclass(frozen=True, slots=True)
class Compute:
    """How a step is computed."""

    dtype: Dtype
    """Compute type."""
    checkpointing: Checkpointing
    """How activations are recomputed."""
    loss_type: LossType
    """How the loss is computed; the engine says."""
    cuda: bool
    """Whether there is a CUDA device."""


def sft_config(
    config: TrainerConfig,
    plan: Schedule,
    compute: Compute,
    *,
    folder: Path,
    seed: int,
    validate: bool,
    validate_first: bool,
) -> SFTConfig:
    """The SFTConfig of a run.

    Args:
        config: the recipe.
        plan: its steps.
        compute: how a step is computed.
        folder: where checkpoints go.
        seed: seeds batch order, dropout and noise.
        validate: whether there are validation rows.
        validate_first: whether a validation comes before the first step.
    """
    from trl import SFTConfig

    arguments = SFTConfig(
        output_dir=str(folder),
        seed=seed,
        data_seed=seed,
        **_OURS,
        **_recipe(config),
        **_rhythm(config, plan, validate, validate_first),
        **_hardware(compute),
    )
    # One process trains on one GPU. transformers would take all that it sees, with as many times the rows a
    # step, and DataParallel cannot copy 4-bit weights.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


_OURS: dict[str, object] = {
    # Rows arrive encoded, cut and, where asked for, packed: no engine touches ids or labels.
    "max_length": None,
    "packing": False,
    "eval_packing": False,
    "padding_free": False,  # the collator concatenates rows; TRL and Unsloth would refuse or undo it here
    "pad_to_multiple_of": None,
    "completion_only_loss": None,
    "assistant_only_loss": False,
    "shuffle_dataset": False,
    "dataset_kwargs": {"skip_prepare_dataset": True},
    "dataset_num_proc": None,
    "remove_unused_columns": False,
    "train_sampling_strategy": "random",  # medft's trainer groups by length
    "dataloader_num_workers": 0,
    "dataloader_drop_last": False,
    "label_smoothing_factor": 0.0,
    "average_tokens_across_devices": True,
    "prediction_loss_only": True,
    # medft's plan chooses batches, its callbacks write, its commands publish.
    "auto_find_batch_size": False,
    "ddp_find_unused_parameters": False,
    "torch_compile": False,
    "use_liger_kernel": False,
    "activation_offloading": False,
    "save_only_model": False,
    "restore_callback_states_from_checkpoint": True,  # the patience that early stopping has left
    "logging_strategy": "steps",
    "logging_first_step": True,
    "logging_nan_inf_filter": False,
    "disable_tqdm": True,
    "report_to": "none",
    "push_to_hub": False,
}


def _recipe(config: TrainerConfig) -> dict[str, object]:
    """What changes the weights a run ends with."""
    return {
        "num_train_epochs": config.epochs,
        "max_steps": config.max_steps or -1,
        "per_device_train_batch_size": config.per_device_batch_size,
        "per_device_eval_batch_size": config.per_device_eval_batch_size,
        "gradient_accumulation_steps": config.gradient_accumulation_steps,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": config.lr_scheduler,
        "warmup_steps": config.warmup_steps,
        "optim": config.optimizer,
        "weight_decay": config.weight_decay,
        "adam_beta1": 0.9,
        "adam_beta2": 0.999,
        "adam_epsilon": 1e-8,
        "max_grad_norm": config.max_grad_norm,
        "neftune_noise_alpha": config.neftune_noise_alpha,
    }


def _rhythm(config: TrainerConfig, plan: Schedule, validate: bool, validate_first: bool) -> dict[str, object]:
    """When a run validates, saves and logs, and which checkpoint it keeps."""
    best = validate and config.keep == "best"
    watched = best or (validate and config.early_stopping_patience is not None)
    return {
        "eval_strategy": "steps" if validate else "no",
        "eval_steps": plan.eval_steps if validate else None,
        "eval_on_start": validate and validate_first,
        "eval_delay": 0,
        "save_strategy": "steps",
        "save_steps": plan.save_steps,
        "save_total_limit": config.save_total_limit,
        "load_best_model_at_end": best,
        "metric_for_best_model": "eval_loss" if watched else None,
        "greater_is_better": False if watched else None,
        "logging_steps": config.logging_steps,
    }


def _hardware(compute: Compute) -> dict[str, object]:
    """How the hardware is used."""
    return {
        "loss_type": compute.loss_type,
        "bf16": compute.dtype == "bfloat16",
        "fp16": compute.cuda and compute.dtype == "float16",
        "use_cpu": not compute.cuda,
        "gradient_checkpointing": compute.checkpointing == "standard",
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "dataloader_pin_memory": compute.cuda,
    }
