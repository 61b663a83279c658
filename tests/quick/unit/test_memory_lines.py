"""The lines of a node on the memory that training took."""

import pytest

from motion_core.memory.peak import MemoryUse

WIDTH = 42
"""Letters in a line of a node of usual width."""


@pytest.mark.parametrize("chosen", [True, False])
@pytest.mark.parametrize("fell_back", [True, False])
@pytest.mark.parametrize("how", ["CUDA's allocator", "tensors of the first step"])
def test_each_line_on_memory_is_read_whole_on_a_node(chosen, fell_back, how):
    lines_of_node = str(MemoryUse("balanced", chosen, 123456 << 20, 98765 << 20, how, fell_back))
    assert max(len(line) for line in lines_of_node.splitlines()) <= WIDTH, lines_of_node
    assert how in lines_of_node and "balanced" in lines_of_node and ("ran out of memory" in lines_of_node) == fell_back
