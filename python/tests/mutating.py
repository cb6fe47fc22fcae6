"""Reads changed files of every format, in a process whose memory is bounded: `mutating.py FORM SEED COUNT`.

It prints the number of each file before it reads it, so that the last one is known if it ends, and
at last how many gave values.
"""

from __future__ import annotations

import io
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np

import mlx_oxide.core as mx

BYTES = 4 << 30
SECONDS = 5.0
USUAL = (RuntimeError, ValueError, KeyError, TypeError, IndexError, OverflowError, MemoryError, OSError)
EXTREMES = [0, 1, 2**64 - 1, 2**63, 2**63 - 1, 2**32, 2**32 - 1, 2**40, 2**31]
# names and numbers that headers hold, and what others take for them
WORDS = [b"<f4", b">f8", b"<c16", b"|O", b"F32", b"BF16", b"shape", b"data_offsets", b"PK\x03\x04", b"GGUF", b"fortran_order"]


def arrays() -> dict[str, mx.array]:
    return {"weight": mx.arange(96, dtype=mx.float32).reshape(3, 32), "bias": mx.array([1, -2], mx.int8), "half": mx.ones((2, 2), mx.float16)}


def quantized(folder: Path) -> bytes:
    """A file of blocks of several kinds, by the format's own package."""
    path = folder / "blocks.gguf"
    writer = gguf.GGUFWriter(path, "none")
    for kind in ("Q4_0", "Q8_0", "Q4_1", "Q5_0", "BF16"):
        number = gguf.GGMLQuantizationType[kind]
        values = np.linspace(-1, 1, 256, dtype=np.float32).reshape(1, 256)
        writer.add_tensor(f"{kind}.weight", gguf.quants.quantize(values, number), raw_dtype=number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


def originals(folder: Path) -> dict[str, bytes]:
    """A file of each format."""
    found = {"blocks": quantized(folder)}
    for form, save in {
        "npy": lambda path: mx.save(path, arrays()["weight"]),
        "npz": lambda path: mx.savez(path, **arrays()),
        "compressed": lambda path: mx.savez_compressed(path, **arrays()),
        "safetensors": lambda path: mx.save_safetensors(path, arrays(), {"format": "mlx"}),
        "gguf": lambda path: mx.save_gguf(path, arrays(), {"name": "a", "list": ["b", "c"], "number": mx.array(3)}),
        "mlxfn": lambda path: mx.export_function(path, lambda x, y: (mx.exp(x) @ y.T, x[1:, ::2].sum()), arrays()["weight"], mx.ones((3, 32))),
    }.items():
        path = folder / f"original.{SUFFIXES.get(form, form)}"
        save(str(path))
        found[form] = path.read_bytes()
    return found


SUFFIXES = {"compressed": "npz", "blocks": "gguf"}


def changed(original: bytes, draw: random.Random) -> bytes:
    """Some bytes altered, cut out, doubled, moved, or cut off; mostly where the header is."""
    whole = bytearray(original)
    for _ in range(draw.randint(1, 4)):
        reach = min(len(whole), draw.choice([16, 128, 512, len(whole)]))
        place = draw.randrange(max(reach, 1))
        match draw.randrange(7):
            case 0:
                whole[place : place + 1] = bytes([draw.randrange(256)])
            case 1:
                del whole[place:]
            case 2:
                del whole[place : place + draw.randint(1, 9)]
            case 3:
                whole[place:place] = whole[place : place + draw.randint(1, 64)]
            case 4:
                width = draw.choice([1, 2, 4, 8])
                whole[place : place + width] = draw.choice(EXTREMES).to_bytes(8, "little")[:width]
            case 5:
                word = draw.choice(WORDS)
                whole[place : place + len(word)] = word
            case _:
                # a digit of a text header
                digits = [index for index, byte in enumerate(whole[:reach]) if 48 <= byte < 58]
                if digits:
                    whole[draw.choice(digits)] = draw.choice(b"0123456789-")
    return bytes(whole)


def read(form: str, path: Path, content: bytes, from_path: bool) -> None:
    """Load and evaluate; functions are called, too."""
    suffix = SUFFIXES.get(form, form)
    if form == "mlxfn":
        function = mx.import_function(str(path))
        mx.eval(function(arrays()["weight"], mx.ones((3, 32))))
        return
    loaded = mx.load(str(path)) if from_path else mx.load(io.BytesIO(content), format=suffix)
    mx.eval(loaded)
    mx.eval([leaf * 1 for leaf in (loaded.values() if isinstance(loaded, dict) else [loaded])])


def main(form: str, seed: int, count: int, tell: Callable[[str], None]) -> None:
    mx.set_default_device(mx.cpu)
    with tempfile.TemporaryDirectory() as folder:
        original = originals(Path(folder))[form]
        path = Path(folder) / f"changed.{SUFFIXES.get(form, form)}"
        resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
        values = 0
        for number in range(count):
            tell(f"{number}")
            content = original if number == 0 else changed(original, random.Random(f"{form} {seed} {number}"))
            path.write_bytes(content)
            begin = time.process_time()
            try:
                read(form, path, content, number % 2 == 0)
                values += 1
            except USUAL as error:
                if number == 0:
                    raise AssertionError("the file itself is read") from error
            assert time.process_time() - begin < SECONDS, "slow"
        tell(f"{values} of {count} gave values")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), lambda text: print(text, flush=True))
