"""The trainer of a model that the processes hold in shares. Its checkpoints are whole, so that any number of
processes goes on from them."""

from __future__ import annotations

from pathlib import Path

import torch

from medft.engine import sharding
from medft.models.causal_lm import CausalLM
from medft.training.sft.trainer import AnswerTrainer


class ShardedTrainer(AnswerTrainer):
    """See ``AnswerTrainer``. FSDP2 gathers weights and adds up gradients; accelerate would do that once more,
    by DDP, and transformers would save shares."""

    def _move_model_to_device(self, model: CausalLM, device: torch.device) -> None:
        """Every share stands where it was divided to."""

    def _prepare_for_training(self, *args: object, **kwargs: object) -> object:
        self.accelerator.prepare_model(self.model, evaluation_mode=True)  # autocast, and no DDP
        return super()._prepare_for_training(*args, **kwargs)

    def create_optimizer(self, *args: object) -> torch.optim.Optimizer:
        """As in Trainer; its state is saved and loaded whole."""
        if self.optimizer is None:
            sharding.keep_whole(super().create_optimizer(*args))
        made: torch.optim.Optimizer = self.optimizer
        return made

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """The adapter, gathered from all processes and written by the first."""
        tensors = sharding.whole(self.model)
        if self.args.should_save:
            self._save(output_dir, state_dict=tensors)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.args.should_save:
            self.optimizer.state_dict()  # the others' shares of what the first one writes
        super()._save_optimizer_and_scheduler(output_dir)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: CausalLM | None = None) -> None:
        sharding.put(self.model, Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        sharding.put(self.model, Path(self.state.best_model_checkpoint))
