"""One row for each member of `mlx.core.array`: the expressions that the sweeps generate.

The slots are those of `call_table`; `{s}` is a number of Python or NumPy.
"""

from __future__ import annotations

_ARITHMETIC = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "truediv": "/",
    "floordiv": "//",
    "mod": "%",
    "pow": "**",
    "and": "&",
    "or": "|",
    "xor": "^",
    "lshift": "<<",
    "rshift": ">>",
}
# Operators whose reflected method MLX has; the others raise with a number on the left.
_COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_REDUCTIONS = "all any max mean min prod sum logsumexp".split()
_SCANS = "cummax cummin cumprod cumsum logcumsumexp".split()
_UNARY = "abs conj cos exp log log10 log1p log2 reciprocal rsqrt sin sqrt square".split()

METHODS: dict[str, list[str]] = {
    **{name: [f"{{x}}.{name}()"] for name in _UNARY},
    **{name: [f"{{x}}.{name}()", f"{{x}}.{name}({{axes}}, {{flag}})", f"{{x}}.{name}(axis={{axes}}, keepdims={{flag}})"] for name in _REDUCTIONS},
    **{name: [f"{{x}}.{name}({{ax}}, reverse={{flag}}, inclusive={{flag}})", f"{{x}}.{name}()"] for name in _SCANS},
    **{name: [f"{{x}}.{name}({{axes}}, {{flag}}, {{count}})", f"{{x}}.{name}({{axes}}, correction={{count}})", f"{{x}}.{name}(ddof={{count}})"] for name in ("std", "var")},
    **{name: [f"{{x}}.{name}({{ax}}, {{flag}})", f"{{x}}.{name}()"] for name in ("argmax", "argmin")},
    **{name: [f"{{x}}.{name}"] for name in "T mT dtype itemsize nbytes ndim shape size real imag".split()},
    "astype": ["{x}.astype({dtype})", "{x}.astype('float32')"],
    "at": ["{x}.at[0].{update}({scalar})", "{x}.at[...].{update}({y})", "{x}.at[{index}].{update}({scalar})", "{x}.at.add(1)"],
    "diag": ["{x}.diag({small})", "{x}.diag()"],
    "diagonal": ["{x}.diagonal({small}, {axis}, {axis})", "{x}.diagonal()"],
    "flatten": ["{x}.flatten()", "{x}.flatten({axis}, {axis})", "{x}.flatten(end_axis={axis})"],
    "item": ["{x}.item()"],
    "moveaxis": ["{x}.moveaxis({axis}, {axis})"],
    "reshape": ["{x}.reshape({newshape})", "{x}.reshape(2, -1)", "{x}.reshape(3)", "{x}.reshape()"],
    "round": ["{x}.round({small})", "{x}.round()"],
    "split": ["{x}.split({sections}, {axis})", "{x}.split(1)"],
    "squeeze": ["{x}.squeeze({axes})", "{x}.squeeze()"],
    "swapaxes": ["{x}.swapaxes({axis}, {axis})"],
    "tolist": ["{x}.tolist()"],
    "transpose": ["{x}.transpose()", "{x}.transpose({axes})", "{x}.transpose(1, 0)", "{x}.transpose(2, 0, 1)", "{x}.transpose([1, 0])"],
    "view": ["{x}.view({dtype})"],
}

_OPERANDS = ["{y}", "{z}", "{scalar}", "{s}", "{odd}"]

OPERATORS: dict[str, list[str]] = {
    **{f"__{name}__": [f"{{x}} {sign} {other}" for other in _OPERANDS] for name, sign in (_ARITHMETIC | _COMPARISONS).items()},
    **{f"__r{name}__": [f"{other} {sign} {{x}}" for other in ("{scalar}", "{odd}")] for name, sign in _ARITHMETIC.items()},
    **{f"__i{name}__": [f"inplace('{sign}=', {{x}}, {other})" for other in _OPERANDS] for name, sign in _ARITHMETIC.items()},
    "__div__": ["{x}.__div__({y})", "{x}.__div__({scalar})"],
    "__rdiv__": ["{x}.__rdiv__({scalar})"],
    "__matmul__": ["{x} @ {same}", "{x} @ mx.swapaxes({same}, -1, -2)", "{x} @ {odd}", "{odd} @ {x}"],
    "__imatmul__": ["inplace('@=', {x}, {same})", "inplace('@=', {x}, {scalar})"],
    "__neg__": ["-{x}"],
    "__pos__": ["+{x}"],
    "__abs__": ["abs({x})"],
    "__invert__": ["~{x}"],
    "__bool__": ["bool({x})", "not {x}"],
    "__int__": ["int({x})"],
    "__float__": ["float({x})"],
    "__complex__": ["complex({x})"],
    "__index__": ["[0, 1, 2, 3][{x}]", "range({x})", "hex({x})"],
    "__bytes__": ["bytes({x})"],
    "__len__": ["len({x})"],
    "__iter__": ["list({x})", "[part + 1 for part in {x}]", "sum({x})", "next(iter({x}))", "iter(iter({x})) is not None", "list(zip({x}, {same}))", "list(reversed({x}))"],
    "__getitem__": ["{x}[{index}]", "{x}[...]", "{x}[None]", "{x}['a']", "{x}[1.0]", "{x}[()]"],
    "__setitem__": ["assigned({x}, ..., {scalar})", "assigned({x}, None, {scalar})", "assigned({x}, 'a', 1)", "assigned({x}, 0, {odd})"],
    "__getstate__": ["{x}.__getstate__() is not None"],
    "__setstate__": ["pickle.loads(pickle.dumps({x}))"],
    "__copy__": ["copy.copy({x})", "assigned(copy.copy({x}), ..., 1)"],
    "__deepcopy__": ["copy.deepcopy({x})", "copy.deepcopy([{x}, dict(a=1)])"],
    "__array__": ["np.array({x})", "np.asarray({x})", "np.array({x}, dtype='float32')", "np.array({x}, copy=True)", "np.sum({x})", "{x}.__array__()"],
    "__dlpack__": ["np.from_dlpack({x})", "mx.from_dlpack({x})"],
    "__dlpack_device__": ["{x}.__dlpack_device__()"],
    "__array_namespace__": ["{x}.__array_namespace__().__name__.split('.')[-1]", "{x}.__array_namespace__(api_version={scalar}).__name__.split('.')[-1]"],
    "__hash__": ["hash({x}) is not None", "len(dict([(1, {x})]))", "{x}.__hash__ is None"],
    "__repr__": ["repr({x})", "repr(mx.reshape(arr({dt}, (12, 9)), (4, 3, 9)))", "repr(arr({dt}, (1200,)))", "repr(arr({dt}, (9, 2000)))", "repr(extreme({dt}))", "printed({count}, {x})", "printed({count}, extreme({dt}))"],
    "__str__": ["str({x})", "str(extreme({dt}))", "'%s' % ({x},)"],
    "__format__": ["format({x}, '')", "format({x}, '.2f')"],
    "__init__": ["mx.array({x})", "mx.array({x}, {dtype})", "mx.array({x}.tolist())", "mx.array({x}.tolist(), {dtype})", "mx.array([{x}, {same}])", "mx.array([{x}, {scalar}])", "mx.array({odd})", "mx.array({odd}, {dtype})", "mx.array(np.array({x}))", "mx.array({scalar}, {dtype})", "mx.array([{scalar}, {scalar}])", "mx.array([[{scalar}], [{scalar}, 1]])", "mx.array()"],
}
