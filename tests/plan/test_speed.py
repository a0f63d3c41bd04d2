"""How fast this processor is: measured, in both types."""

from __future__ import annotations

import time

from medft.plan.speed import Speed, measure


def test_a_measurement_takes_a_second_and_is_made_once() -> None:
    import torch

    torch.get_num_threads()
    began = time.perf_counter()
    found = measure()
    assert time.perf_counter() - began < 20  # a busy machine's
    assert found.bfloat16 > 1e8 and found.float32 > 1e8
    assert measure() is found


def test_the_faster_type_is_taken_and_bfloat16_where_they_are_equal() -> None:
    assert Speed(181e9, 43e9).faster == "bfloat16"
    assert Speed(5e9, 43e9).faster == "float32"
    assert Speed(43e9, 43e9).faster == "bfloat16"
    assert Speed(181e9, 43e9).of("float32") == 43e9
    assert Speed(181e9, 43e9).of("float16") == 181e9
    assert str(Speed(181e9, 43e9)) == "bfloat16 181 GFLOPS, float32 43"
