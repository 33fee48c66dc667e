"""What a load takes at its worst moment, beside what the plan says."""
import json
import os
import struct
import subprocess
import tempfile

from agent_case import AGENT, ROOT, AgentCase, main

LAYERS, HIDDEN, HEADS, NOPE, ROPE, LORA = 12, 64, 64, 128, 64, 256
# Of the program, its libraries and their tables: as much as it takes for the smallest model, and some.
PROGRAM = 48 << 20


def write_model(folder):
    """A DeepSeek-V2 of zeros whose kv_b_proj, 8 MiB a layer, is nearly all of it."""
    with open(os.path.join(ROOT, "tests", "golden", "deepseek_v2_lite", "config.json")) as f:
        config = json.load(f)
    config.update(num_hidden_layers=LAYERS, hidden_size=HIDDEN, num_attention_heads=HEADS, num_key_value_heads=HEADS,
                  qk_nope_head_dim=NOPE, qk_rope_head_dim=ROPE, v_head_dim=NOPE, kv_lora_rank=LORA, q_lora_rank=None,
                  first_k_dense_replace=LAYERS, intermediate_size=128, vocab_size=512, max_position_embeddings=512)
    shapes = {"model.embed_tokens": (512, HIDDEN), "lm_head": (512, HIDDEN), "model.norm": (HIDDEN,)}
    for layer in range(LAYERS):
        p = f"model.layers.{layer}."
        shapes |= {p + "input_layernorm": (HIDDEN,), p + "post_attention_layernorm": (HIDDEN,),
                   p + "self_attn.q_proj": (HEADS * (NOPE + ROPE), HIDDEN),
                   p + "self_attn.kv_a_proj_with_mqa": (LORA + ROPE, HIDDEN), p + "self_attn.kv_a_layernorm": (LORA,),
                   p + "self_attn.kv_b_proj": (HEADS * 2 * NOPE, LORA), p + "self_attn.o_proj": (HIDDEN, HEADS * NOPE),
                   p + "mlp.gate_proj": (128, HIDDEN), p + "mlp.up_proj": (128, HIDDEN), p + "mlp.down_proj": (HIDDEN, 128)}
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * shape[0] * (shape[1] if len(shape) == 2 else 1)
        header[name + ".weight"] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with open(os.path.join(folder, "model.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.truncate(8 + len(text) + end)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(config, f)


class LoadMemory(AgentCase):
    def test_the_plan_holds_while_weights_are_packed(self):
        with tempfile.TemporaryDirectory() as folder:
            write_model(folder)
            process = subprocess.Popen([AGENT, "bench", "--model", folder, "--threads", "2", "--prompt", "8", "--generate", "1",
                                        "--repeat", "1", "--max-context", "64", "--json"],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            out, said = process.stdout.read(), process.stderr.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(process.returncode, 0, said)
            planned = json.loads(out)["planned_memory_bytes"]
            self.assertGreater(planned, LAYERS * 8 << 20)
            # The layers' kv_b_proj as they lie in the file would be 96 MiB on top.
            self.assertLess(usage.ru_maxrss * 1024, planned + PROGRAM)


main()
