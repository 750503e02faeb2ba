"""Small vision-language models with random parameters, saved with a processor and a tokenizer made here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tokenizers
import transformers as hf

SPECIAL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"),
    *("<|image_pad|>", "<|video_pad|>"),
)
UNKNOWN = "<unk>"
WORDS = ("user", "system", "assistant", "You", "are", "helpful", "Describe", "the", "image", ".")
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }} "
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "<|im_end|> {% endfor %}"
)
IMAGE = SPECIAL.index("<|image_pad|>")
IDS = {
    "image_token_id": IMAGE,
    "video_token_id": SPECIAL.index("<|video_pad|>"),
    "vision_start_token_id": SPECIAL.index("<|vision_start|>"),
    "vision_end_token_id": SPECIAL.index("<|vision_end|>"),
}
TEXT = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": False,
}
# The parts of rotary positions that time, height and width take: 4 of 4 frequencies.
SECTIONS = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}


def tokenizer() -> Any:
    vocabulary = {word: place for place, word in enumerate((*SPECIAL, *WORDS, UNKNOWN))}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token=UNKNOWN))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=made,
        unk_token=UNKNOWN,
        pad_token=SPECIAL[0],
        eos_token=SPECIAL[2],
        extra_special_tokens=list(SPECIAL),
        padding_side="right",
    )


def _qwen2() -> tuple[Any, Any]:
    vision = {"depth": 2, "embed_dim": 16, "num_heads": 2, "hidden_size": 32, "mlp_ratio": 2}
    config = hf.Qwen2VLConfig(
        text_config={**TEXT, "rope_parameters": SECTIONS}, vision_config=vision, **IDS
    )
    return hf.Qwen2VLForConditionalGeneration(config), hf.Qwen2VLProcessor


def _qwen2_5() -> tuple[Any, Any]:
    vision = {
        "depth": 2,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_heads": 2,
        "out_hidden_size": 32,
        "fullatt_block_indexes": [1],
    }
    config = hf.Qwen2_5_VLConfig(
        text_config={**TEXT, "rope_parameters": SECTIONS}, vision_config=vision, **IDS
    )
    return hf.Qwen2_5_VLForConditionalGeneration(config), hf.Qwen2_5_VLProcessor


def _qwen3() -> tuple[Any, Any]:
    vision = {
        "depth": 2,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_heads": 2,
        "out_hidden_size": 32,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0],
    }
    text = {**TEXT, "head_dim": 8, "rope_parameters": SECTIONS | {"mrope_interleaved": True}}
    config = hf.Qwen3VLConfig(text_config=text, vision_config=vision, **IDS)
    return hf.Qwen3VLForConditionalGeneration(config), hf.Qwen3VLProcessor


MAKERS = {"qwen2": _qwen2, "qwen2_5": _qwen2_5, "qwen3": _qwen3}


def save(name: str, folder: Path, randomised: Callable[[Any], Any]) -> Path:
    """Save a model and its processor, as ``save_pretrained`` writes them."""
    network, kind = MAKERS[name]()
    randomised(network).save_pretrained(folder)
    patch = 16 if name == "qwen3" else 14
    size = {"shortest_edge": (2 * patch) ** 2 * 2, "longest_edge": (2 * patch) ** 2 * 12}
    images = hf.Qwen2VLImageProcessor(patch_size=patch, size=size)
    videos = (hf.Qwen3VLVideoProcessor if name == "qwen3" else hf.Qwen2VLVideoProcessor)()
    kind(images, tokenizer(), videos, chat_template=TEMPLATE).save_pretrained(folder)
    return folder
