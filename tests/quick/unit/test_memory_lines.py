"""What a node says of the memory that learning took."""

import pytest

from motion_core.memory.modes import MemoryUse

WIDTH = 42
"""Letters in a line of a node of usual width."""


@pytest.mark.parametrize("picked", [True, False])
@pytest.mark.parametrize("fell_back", [True, False])
@pytest.mark.parametrize("how", ["CUDA's allocator", "tensors of the first step"])
def test_each_line_on_memory_is_read_whole_on_a_node(picked, fell_back, how):
    said = str(MemoryUse("balanced", picked, 123456 << 20, 98765 << 20, how, fell_back))
    assert max(len(line) for line in said.splitlines()) <= WIDTH, said
    assert how in said and "balanced" in said and ("ran out of memory" in said) == fell_back
