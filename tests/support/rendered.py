"""One conversation as each family's own chat template writes it, taken down by hand."""

from __future__ import annotations

DATES = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
GOLDEN = {
    "gemma": "<bos><start_of_turn>user\nYou are a medical professional.\n\nWhat is asthma?<end_of_turn>\n"
    "<start_of_turn>model\nA chronic lung disease.<end_of_turn>\n",
    "llama2": "<s>[INST] <<SYS>>\nYou are a medical professional.\n<</SYS>>\n\nWhat is asthma? [/INST] "
    "A chronic lung disease. </s>",
    "mistral": "<s> [INST] You are a medical professional.\n\nWhat is asthma? [/INST] "
    "A chronic lung disease.</s>",
    "llama3_1": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n"
    + DATES
    + "You are a medical professional.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nWhat is asthma?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nA chronic lung disease.<|eot_id|>",
    "qwen3": "<|im_start|>system\nYou are a medical professional.<|im_end|>\n<|im_start|>user\n"
    "What is asthma?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    "A chronic lung disease.<|im_end|>\n",
}
