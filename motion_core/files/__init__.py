"""Files of tensors: safetensors that this pack writes, and pickles and safetensors of other people."""
