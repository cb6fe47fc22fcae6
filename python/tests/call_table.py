"""One row for each public callable: the calls that the sweeps generate.

A row is a list of templates. Names in braces are slots, filled anew for every call:

    x       the array of the sweep's dtype, shape and layout
    same    another array of that dtype and shape
    y       an array of that dtype whose shape broadcasts with x's
    z       an array of any dtype whose shape broadcasts with x's
    dt      the sweep's dtype, quoted; for arrays of given shapes
    others  see `SLOTS`
"""

from __future__ import annotations

import random

from cases import ALL, LAYOUTS

SHAPES: list[tuple[int, ...]] = [(), (0,), (1,), (3,), (2, 3), (3, 3), (0, 3), (2, 1, 4), (2, 3, 4)]

SLOTS: dict[str, list[str]] = {
    "ax": ["None", "0", "-1", "1", "2", "-3", "7", "-7"],
    "axis": ["0", "-1", "1", "2", "-2", "7"],
    "axes": ["None", "0", "-1", "1", "()", "(0, 1)", "[0]", "(-1, 0)", "(0, 0)", "7", "(0, -9)", "(2, 0)"],
    "flag": ["True", "False"],
    "dtype": [f"mx.{name}" for name in ALL],
    "small": ["0", "1", "2", "3", "-1", "-2", "9"],
    "count": ["0", "1", "2", "5"],
    "shape": ["()", "(0,)", "(3,)", "(2, 3)", "[2, 1]", "(-1, 2)"],
    "newshape": ["-1", "(-1,)", "()", "(1, -1)", "(3, 2)", "(6,)", "(2, -1)", "(4, 6)", "(0, -1)", "(-1, -1)", "(-2, 3)"],
    "scalar": ["0", "1", "-1", "2.5", "True", "3j", "300", "nan", "2**33"],
    "number": ["0", "1", "-2", "2.5", "0.25"],
    "index": ["0", "-1", "1", "vec([0, 1], 'int32')", "vec([[0], [-1]], 'int64')", "vec([], 'int32')", "vec([1, 0], 'uint8')", "vec(0, 'uint32')", "vec([0.0])", "vec([True])"],
    "mode": ["'constant'", "'edge'", "'reflect'", "'symmetric'", "'other'"],
    "width": ["0", "1", "2", "(1, 2)", "(1,)", "[(0, 1)]", "[(1, 0), (2, 1)]", "((1, 1), (0, 2), (1, 0))", "-1", "[(1, -1)]"],
    "sections": ["1", "2", "3", "[1]", "[1, 2]", "(0, 9)", "[-1]", "0", "-1", "[]"],
    "reps": ["1", "2", "0", "(2, 1)", "(1, 2, 1)", "[]", "-1"],
    "shift": ["0", "1", "-2", "7", "(1, 2)", "(1,)"],
    "nn": ["None", "1", "2", "3", "5", "8", "0", "-1"],
    "ss": ["None", "(2,)", "(4, 3)", "(3, 5)", "(0, 2)", "(2, 2, 2)"],
    "faxes": ["None", "(-2, -1)", "(0,)", "(-1,)", "(0, 1)", "(0, 0)", "(5,)", "()"],
    "norm": ["'backward'", "'ortho'", "'forward'", "'other'"],
    "ord": ["None", "1", "2", "-1", "-2", "0", "inf", "-inf", "'fro'", "'nuc'", "0.5", "3", "'other'"],
    "side": ["'left'", "'right'"],
    "uplo": ["'L'", "'U'", "'X'"],
    "key": ["mx.random.key(3)", "None"],
}

_UNARY = """abs arccos arccosh arcsin arcsinh arctan arctanh bitwise_invert ceil conjugate cos cosh degrees erf erfinv exp
expm1 floor imag isfinite isinf isnan isneginf isposinf log log10 log1p log2 logical_not negative positive radians real
reciprocal round rsqrt sigmoid sign sin sinh sqrt square stop_gradient tan tanh trunc ones_like zeros_like matrix_transpose
contiguous atleast_1d atleast_2d atleast_3d to_fp8 conj acos acosh asin asinh atan atanh empty_like flatten squeeze
transpose permute_dims nan_to_num tril triu diag""".split()
_BINARY = """add arctan2 atan2 bitwise_and bitwise_or bitwise_xor divide equal floor_divide greater greater_equal left_shift
bitwise_left_shift bitwise_right_shift less less_equal logaddexp maximum minimum multiply not_equal power pow remainder
right_shift subtract divmod logical_and logical_or logical_xor array_equal""".split()
_REDUCTIONS = "all any max mean median min minmax prod sum logsumexp var std".split()
_SCANS = "cummax cummin cumprod cumsum cumulative_prod cumulative_sum logcumsumexp".split()

TABLE: dict[str, list[str]] = {
    **{name: [f"mx.{name}({{x}})"] for name in _UNARY},
    **{name: [f"mx.{name}({{x}}, {{y}})", f"mx.{name}({{x}}, {{scalar}})", f"mx.{name}({{scalar}}, {{x}})", f"mx.{name}({{x}}, {{z}})"] for name in _BINARY},
    **{name: [f"mx.{name}({{x}}, {{axes}}, {{flag}})"] for name in _REDUCTIONS},
    **{name: [f"mx.{name}({{x}}, {{ax}}, reverse={{flag}}, inclusive={{flag}})"] for name in _SCANS},
    "addmm": [
        "mx.addmm(arr({dt}, (2, 4)), arr({dt}, (2, 3)), arr({dt}, (3, 4), 'transposed'), {number}, {number})",
        "mx.addmm({y}, {x}, arr({dt}, (3, 2)))",
    ],
    "allclose": ["mx.allclose({x}, {y}, {number}, equal_nan={flag})"],
    "isclose": ["mx.isclose({x}, {y}, {number}, {number}, equal_nan={flag})"],
    "arange": [
        "mx.arange({number}, {small}, dtype={dtype})",
        "mx.arange({small}, {small}, {number})",
        "mx.arange({small}, dtype={dtype})",
        "mx.arange({number})",
    ],
    "argmax": ["mx.argmax({x}, {ax}, {flag})"],
    "argmin": ["mx.argmin({x}, {ax}, {flag})"],
    "argsort": ["mx.argsort({x}, {ax})"],
    "sort": ["mx.sort({x}, {ax})"],
    "argpartition": ["mx.take_along_axis({x}, mx.argpartition({x}, {small}, -1), -1).shape", "mx.argpartition({x}, {small}, {ax}).shape"],
    "partition": ["mx.sort(mx.partition({x}, {small}, {ax}), -1)"],
    "topk": ["mx.sort(mx.topk({x}, {small}, {ax}), -1)"],
    "as_strided": ["mx.as_strided({x}, (2,), (1,), 0)", "mx.as_strided({x}, (1, 2), (0, 1), 1)", "mx.as_strided({x})"],
    "asarray": ["mx.asarray({x}, {dtype})", "mx.asarray([1, 2], dtype={dtype})", "mx.asarray({x}, copy={flag})"],
    "astype": ["mx.astype({x}, {dtype})"],
    "bartlett": ["mx.bartlett({small})"],
    "blackman": ["mx.blackman({small})"],
    "hamming": ["mx.hamming({small})"],
    "hanning": ["mx.hanning({small})"],
    "block_masked_mm": [
        "mx.block_masked_mm(arr({dt}, (64, 96)), arr({dt}, (96, 32)), 32, arr('bool_', (2, 1)), arr('bool_', (2, 3)), arr('bool_', (3, 1)))",
        "mx.block_masked_mm(arr({dt}, (3, 4)), arr({dt}, (4, 5)), 64)",
        "mx.block_masked_mm({x}, {same}, {count})",
    ],
    "broadcast_arrays": ["mx.broadcast_arrays({x}, {y})", "mx.broadcast_arrays({x}, arr('int8', (5,)))", "mx.broadcast_arrays()"],
    "broadcast_shapes": ["mx.broadcast_shapes({shape}, {shape})", "mx.broadcast_shapes((2, 1), (3,), ())"],
    "broadcast_to": ["mx.broadcast_to({x}, {shape})", "mx.broadcast_to({x}, (2, 3, 4))", "mx.broadcast_to({scalar}, {shape})"],
    "can_cast": ["mx.can_cast({dtype}, {dtype})", "mx.can_cast({x}, {dtype})"],
    "clip": ["mx.clip({x}, {scalar}, {scalar})", "mx.clip({x}, None, {y})", "mx.clip({x}, {y}, {z})", "mx.clip({x}, None, None)"],
    "concatenate": ["mx.concatenate([{x}, {same}], {ax})", "mx.concatenate([{x}, {y}], {ax})", "mx.concatenate([{x}])", "mx.concatenate([{x}, arr('int16', (2, 3))])"],
    "concat": ["mx.concat([{x}, {same}], {ax})"],
    "stack": ["mx.stack([{x}, {same}], {ax})", "mx.stack([{x}, {y}])"],
    "conv1d": ["mx.conv1d(arr({dt}, (2, 9, 4)), arr({dt}, (6, 3, 4)), {count}, {count}, {count})", "mx.conv1d(arr({dt}, (1, 7, 4)), arr({dt}, (4, 2, 2)), groups=2)", "mx.conv1d({x}, {same})"],
    "conv2d": ["mx.conv2d(arr({dt}, (1, 6, 7, 2)), arr({dt}, (4, 3, 2, 2)), {count}, {count}, 1)", "mx.conv2d({x}, {same})"],
    "conv3d": ["mx.conv3d(arr({dt}, (1, 4, 5, 4, 2)), arr({dt}, (2, 2, 3, 2, 2)), 1, {count})", "mx.conv3d({x}, {same})"],
    "conv_general": ["mx.conv_general(arr({dt}, (1, 8, 2)), arr({dt}, (3, 3, 2)), 1, {count}, kernel_dilation=2, input_dilation=2, flip={flag})", "mx.conv_general({x}, {same})"],
    "conv_transpose1d": ["mx.conv_transpose1d(arr({dt}, (2, 5, 2)), arr({dt}, (3, 3, 2)), 2, {count}, 1, 1)", "mx.conv_transpose1d({x}, {same})"],
    "conv_transpose2d": ["mx.conv_transpose2d(arr({dt}, (1, 4, 5, 2)), arr({dt}, (3, 3, 3, 2)), 2, 1)", "mx.conv_transpose2d({x}, {same})"],
    "conv_transpose3d": ["mx.conv_transpose3d(arr({dt}, (1, 3, 4, 3, 2)), arr({dt}, (2, 2, 2, 2, 2)), 2)", "mx.conv_transpose3d({x}, {same})"],
    "convolve": ["mx.convolve(arr({dt}, (7,)), arr({dt}, (3,), seed=1), 'full')", "mx.convolve(arr({dt}, (5,)), arr({dt}, (4,)), 'same')", "mx.convolve({x}, {same}, 'valid')", "mx.convolve(arr({dt}, (4,)), arr({dt}, (3,)), 'other')"],
    "count_nonzero": ["mx.count_nonzero({x}, axis={axes}, keepdims={flag})"],
    "depends": ["mx.depends({x}, {y})", "mx.depends([{x}], [{y}])"],
    "diagonal": ["mx.diagonal({x}, {small}, {axis}, {axis})"],
    "diff": ["mx.diff({x}, {count}, {axis})"],
    "einsum": ["mx.einsum('ij,jk->ik', {x}, arr({dt}, (3, 2)))", "mx.einsum('...i->i...', {x})", "mx.einsum('ii', {x})", "mx.einsum('ij->', {x})", "mx.einsum('i,i', {x}, {same})"],
    "einsum_path": ["mx.einsum_path('ij,jk,kl->il', arr({dt}, (2, 3)), arr({dt}, (3, 4)), arr({dt}, (4, 2)))[0]"],
    "zeros": ["mx.zeros({shape}, {dtype})", "mx.zeros({small})"],
    "empty": ["mx.empty({shape}, {dtype}).shape"],
    "ones": ["mx.ones({shape}, {dtype})", "mx.ones({small})"],
    "expand_dims": ["mx.expand_dims({x}, {axis})", "mx.expand_dims({x}, (0, -1))", "mx.expand_dims({x}, {axes})"],
    "eye": ["mx.eye({small}, {nn}, {small}, {dtype})"],
    "identity": ["mx.identity({small}, {dtype})"],
    "flip": ["mx.flip({x}, {axes})"],
    "from_dlpack": ["mx.from_dlpack(np.arange(6, dtype='float32').reshape(2, 3)[:, ::2])"],
    "from_fp8": ["mx.from_fp8(arr('uint8', (2, 3)), {dtype})", "mx.from_fp8({x})"],
    "full": ["mx.full({shape}, {scalar}, {dtype})", "mx.full({shape}, {scalar})", "mx.full((2, 3), {x})"],
    "full_like": ["mx.full_like({x}, {scalar})", "mx.full_like({x}, {scalar}, {dtype})", "mx.full_like({x}, {y})"],
    "gather_mm": ["mx.gather_mm(arr({dt}, (3, 2, 4)), arr({dt}, (2, 4, 3)), vec([0, 2], 'uint32'), vec([1, 0], 'uint32'))", "mx.gather_mm({x}, {same})"],
    "hadamard_transform": ["mx.hadamard_transform(arr({dt}, (3, 8)))", "mx.hadamard_transform({x}, {number})"],
    "inner": ["mx.inner({x}, {same})", "mx.inner({x}, {y})"],
    "outer": ["mx.outer({x}, {y})"],
    "kron": ["mx.kron({x}, {y})"],
    "vecdot": ["mx.vecdot({x}, {same}, axis={axis})", "mx.vecdot({x}, {y})"],
    "tensordot": ["mx.tensordot({x}, {same}, {count})", "mx.tensordot({x}, {same}, [[0], [0]])", "mx.tensordot({x}, {same}, [[-1], [7]])"],
    "matmul": ["mx.matmul({x}, mx.swapaxes({same}, -1, -2))", "mx.matmul({x}, {same})", "mx.matmul({x}, arr({dt}, (3,)))", "mx.matmul(arr({dt}, (4, 2, 3), 'strided'), arr({dt}, (1, 3, 5), 'transposed'))", "mx.matmul({x}, {scalar})"],
    "isdtype": ["mx.isdtype({dtype}, 'integral')", "mx.isdtype({dtype}, ('real floating', 'bool'))", "mx.isdtype({dtype}, {dtype})", "mx.isdtype({dtype}, 'other')"],
    "issubdtype": ["mx.issubdtype({dtype}, mx.integer)", "mx.issubdtype({dtype}, {dtype})"],
    "linspace": ["mx.linspace({number}, {number}, {small}, {flag}, {dtype})"],
    "meshgrid": ["mx.meshgrid({x}, {y}, sparse={flag}, indexing='ij')", "mx.meshgrid({x}, arr('int8', (4,)), sparse={flag})", "mx.meshgrid({x}, indexing='other')"],
    "moveaxis": ["mx.moveaxis({x}, {axis}, {axis})"],
    "swapaxes": ["mx.swapaxes({x}, {axis}, {axis})"],
    "pad": ["mx.pad({x}, {width}, {mode})", "mx.pad({x}, {width}, constant_values={scalar})"],
    "put_along_axis": ["mx.put_along_axis({x}, mx.argsort({x}, -1), {same}, -1)", "mx.put_along_axis({x}, vec([0, 1], 'int32'), {scalar})", "mx.put_along_axis({x}, {index}, {scalar}, {ax})"],
    "take_along_axis": ["mx.take_along_axis({x}, mx.argsort({x}, -1), {ax})", "mx.take_along_axis({x}, {index}, {ax})"],
    "take": ["mx.take({x}, {index}, {ax})"],
    "repeat": ["mx.repeat({x}, {small}, {ax})", "mx.repeat({x}, 2)"],
    "reshape": ["mx.reshape({x}, {newshape})"],
    "result_type": ["mx.result_type({x}, {z})", "mx.result_type({dtype}, {dtype})"],
    "roll": ["mx.roll({x}, {shift}, {axes})", "mx.roll({x}, {shift})"],
    "searchsorted": ["mx.searchsorted(mx.sort(arr({dt}, (5,))), {x}, {side})", "mx.searchsorted({x}, {y}, {side})"],
    "segmented_mm": ["mx.segmented_mm(arr({dt}, (3, 8)), arr({dt}, (8, 2)), vec([[0, 3], [3, 8], [8, 8]], 'uint32'))", "mx.segmented_mm({x}, {same}, vec([[0, 1]], 'uint32'))"],
    "slice": ["mx.slice({x}, vec([1], 'int32'), (0,), {shape})", "mx.slice({x}, vec([1, 0], 'int32'), (0, 1), (1, 2))"],
    "slice_update": ["mx.slice_update({x}, {y}, vec([1], 'int32'), (0,))", "mx.slice_update({x}, arr({dt}, (1, 2)), vec([1, 0], 'int32'), (0, 1))"],
    "softmax": ["mx.softmax({x}, {axes}, precise={flag})"],
    "split": ["mx.split({x}, {sections}, {axis})"],
    "tile": ["mx.tile({x}, {reps})"],
    "trace": ["mx.trace({x}, {small}, {axis}, {axis}, {dtype})", "mx.trace({x})"],
    "tri": ["mx.tri({small}, {nn}, {small}, {dtype})"],
    "unflatten": ["mx.unflatten({x}, {axis}, {newshape})"],
    "unique": ["mx.unique({x}, size={count}, return_index={flag}, return_inverse={flag}, return_counts={flag})", "mx.unique({x}, 9, fill_value={scalar})"],
    "unstack": ["mx.unstack({x}, axis={axis})"],
    "view": ["mx.view({x}, {dtype})"],
    "where": ["mx.where({x}, {y}, {scalar})", "mx.where({y}, {x}, {z})", "mx.where(arr('bool_', (3,)), {scalar}, {x})"],
    "matrix_norm": ["mx.matrix_norm({x}, {ord})", "mx.matrix_norm({x}, {ord}, {axes}, {flag})"],
    "linalg.norm": ["mx.linalg.norm({x}, {ord}, {axes}, {flag})", "mx.linalg.norm({x}, {ord})"],
    "linalg.cross": ["mx.linalg.cross({x}, {same}, {axis})", "mx.linalg.cross(arr({dt}, (4, 3)), arr({dt}, (3,)))", "mx.linalg.cross(arr({dt}, (4, 2)), arr({dt}, (4, 3)))"],
    **{
        f"linalg.{name}": [f"mx.linalg.{name}({{spd}})", f"mx.linalg.{name}({{x}})"]
        for name in "cholesky cholesky_inv det inv lu pinv slogdet tri_inv eigvalsh".split()
    },
    "linalg.eig": ["[part.shape for part in mx.linalg.eig({spd})]", "mx.linalg.eig({x})[0].shape"],
    "linalg.eigvals": ["mx.sort(mx.real(mx.linalg.eigvals({spd})), -1)", "mx.linalg.eigvals({x}).shape"],
    "linalg.eigh": ["mx.linalg.eigh({spd}, {uplo})[0]", "mx.linalg.eigh({x})[1].shape"],
    "linalg.lu_factor": ["mx.linalg.lu_factor({spd})", "mx.linalg.lu_factor({x})"],
    "linalg.qr": ["mx.abs(mx.linalg.qr({spd})[1])", "[part.shape for part in mx.linalg.qr({x})]"],
    "linalg.solve": ["mx.linalg.solve({spd}, arr('float32', (3, 2)))", "mx.linalg.solve({x}, {same})", "mx.linalg.solve({spd}, arr('float32', (3,)))"],
    "linalg.solve_triangular": ["mx.linalg.solve_triangular({spd}, arr('float32', (3, 2)), upper={flag})", "mx.linalg.solve_triangular({x}, {same})"],
    "linalg.svd": ["mx.linalg.svd({spd}, compute_uv=False)", "[part.shape for part in mx.linalg.svd({x})]", "mx.linalg.svd({x}, False)"],
    **{f"fft.{name}": [f"mx.fft.{name}({{x}}, {{nn}}, {{axis}}, {{norm}})"] for name in "fft ifft rfft irfft".split()},
    **{f"fft.{name}": [f"mx.fft.{name}({{x}}, {{ss}}, {{faxes}}, {{norm}})", f"mx.fft.{name}({{x}})"] for name in "fft2 ifft2 rfft2 irfft2 fftn ifftn rfftn irfftn".split()},
    **{f"fft.{name}": [f"mx.fft.{name}({{x}}, {{axes}})"] for name in "fftshift ifftshift".split()},
    **{f"fft.{name}": [f"mx.fft.{name}({{small}}, {{number}})", f"mx.fft.{name}({{small}})"] for name in "fftfreq rfftfreq".split()},
    "fft.stft": ["mx.fft.stft(arr({dt}, (40,)), 16, 4)", "mx.fft.stft(arr({dt}, (2, 40)), 8, center={flag}, norm={norm})", "mx.fft.stft({x}, {count})"],
    "fft.istft": ["mx.fft.istft(mx.fft.stft(arr('float32', (64,)), 16, 4), 16, 4)", "mx.fft.istft({x})"],
    "fast.rms_norm": ["mx.fast.rms_norm({x}, None, 1e-5)", "mx.fast.rms_norm({x}, arr({dt}, (3,)), 1e-5)", "mx.fast.rms_norm({x}, {y}, 1e-5)"],
    "fast.layer_norm": ["mx.fast.layer_norm({x}, None, None, 1e-5)", "mx.fast.layer_norm({x}, arr({dt}, (3,)), arr({dt}, (3,)), 1e-5)", "mx.fast.layer_norm({x}, {y}, None, 1e-5)"],
    "fast.cross_entropy": ["mx.fast.cross_entropy(arr({dt}, (4, 5)), vec([0, 1, 4, 2], 'int32'))", "mx.fast.cross_entropy({x}, {index})"],
    "fast.rope": ["mx.fast.rope(arr({dt}, (2, 5, 8)), 8, traditional={flag}, base=100.0, scale=1.0, offset=3)", "mx.fast.rope({x}, 2, traditional=False, base=10.0, scale=0.5, offset=0)"],
    "fast.scaled_dot_product_attention": [
        "mx.fast.scaled_dot_product_attention(arr({dt}, (1, 2, 5, 8)), arr({dt}, (1, 1, 6, 8)), arr({dt}, (1, 1, 6, 8)), scale=0.3)",
        "mx.fast.scaled_dot_product_attention(arr({dt}, (1, 2, 5, 8)), arr({dt}, (1, 2, 5, 8)), arr({dt}, (1, 2, 5, 8)), scale=0.3, mask='causal')",
        "mx.fast.scaled_dot_product_attention({x}, {same}, {same}, scale=1.0)",
    ],
    "fast.gated_delta_update": ["[part.shape for part in mx.fast.gated_delta_update({x}, {x}, {x}, {x}, {x})]"],
    "random.bernoulli": ["mx.random.bernoulli({number}, {shape}, {key})", "mx.random.bernoulli({x})"],
    "random.categorical": ["mx.random.categorical({x}, {axis})", "mx.random.categorical({x}, -1, num_samples=3)", "mx.random.categorical({x}, 0, {shape})"],
    "random.gumbel": ["mx.random.gumbel({shape}, {dtype}, {key})"],
    "random.key": ["mx.random.key({small})", "mx.random.key(2**40)"],
    "random.laplace": ["mx.random.laplace({shape}, {dtype}, {number}, {number}, {key})"],
    "random.multivariate_normal": ["mx.random.multivariate_normal(mx.zeros(2), mx.eye(2), {shape}, {dtype}).shape", "mx.random.multivariate_normal({x}, {same}).shape"],
    "random.normal": ["mx.random.normal({shape}, {dtype}, {number}, {number}, {key})", "mx.random.normal((2, 3), {dtype}, {x}, {y})"],
    "random.permutation": ["mx.random.permutation({x}, {axis})", "mx.random.permutation({small})"],
    "random.randint": ["mx.random.randint({small}, {small}, {shape}, {dtype}, {key})", "mx.random.randint({x}, {y}, (2, 3))"],
    "random.split": ["mx.random.split(mx.random.key(1), {count})", "mx.random.split({x})"],
    "random.truncated_normal": ["mx.random.truncated_normal({number}, {number}, {shape}, {dtype})", "mx.random.truncated_normal({x}, {y})"],
    "random.uniform": ["mx.random.uniform({number}, {number}, {shape}, {dtype}, {key})", "mx.random.uniform({x}, {y}, (2, 3))"],
}

SPD = "mx.array([[4.0, 1, 0.5], [1, 5, 2], [0.5, 2, 6]]).astype(mx.{dtype})"


def _array(dtype: str, shape: tuple[int, ...], layout: str, seed: int) -> str:
    return f"arr('{dtype}', {shape}, '{layout}', {seed})"


def fill(template: str, dtype: str, shape: tuple[int, ...], layout: str, draw: random.Random) -> str:
    """Fill the slots of a template, each appearance by itself."""
    seed = draw.randrange(5)
    partners = [shape, (), shape[1:], tuple(1 for _ in shape), (*shape[:-1], 1) if shape else (2,)]
    text, parts = "", template.split("{")
    text = parts[0]
    for part in parts[1:]:
        slot, _, rest = part.partition("}")
        match slot:
            case "x":
                filled = _array(dtype, shape, layout, seed)
            case "same":
                filled = _array(dtype, shape, draw.choice(LAYOUTS), seed + 5)
            case "y":
                filled = _array(dtype, draw.choice(partners), draw.choice(LAYOUTS), seed + 6)
            case "z":
                filled = _array(draw.choice(ALL), draw.choice(partners), draw.choice(LAYOUTS), seed + 7)
            case "dt":
                filled = repr(dtype)
            case "spd":
                filled = SPD.format(dtype=dtype)
            case _:
                filled = draw.choice(SLOTS[slot])
        text += filled + rest
    return text


def sweep(name: str, rounds: int, seed: int = 0) -> list[str]:
    """Calls of a function: every dtype and shape in every round, each with drawn arguments."""
    draw = random.Random(f"{name} {seed}")
    sources: dict[str, None] = {}
    for template in TABLE[name]:
        plain = "{x}" not in template
        for _ in range(rounds):
            for dtype in ALL:
                for shape in SHAPES[:2] if plain else SHAPES:
                    layout = draw.choice(LAYOUTS)
                    sources[fill(template, dtype, shape, layout, draw)] = None
    return list(sources)
