"""An encoder of two random layers, written as a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from medft.evaluation.metrics import words

LONGEST = 64


def write_encoder(folder: Path, texts: Iterable[str], seed: int = 0) -> Path:
    """An ELECTRA that knows the words of ``texts``."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import ElectraConfig, ElectraModel, PreTrainedTokenizerFast

    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    known = sorted({word for text in texts for word in words(text)})
    vocabulary = {word: i for i, word in enumerate([*names.values(), *known])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=names["unk_token"]))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    torch.manual_seed(seed)
    sizes = ElectraConfig(
        vocab_size=tokenizer.get_vocab_size(),
        embedding_size=64,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=LONGEST,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        classifier_dropout=0.0,
    )
    ElectraModel(sizes).save_pretrained(folder)
    return folder
