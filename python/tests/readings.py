"""What a call means whose arguments have types that MLX does not take.

Where MLX raises `TypeError` for a list, a NumPy array or a number, this library may take it, and then
must do what MLX does with the array, the number or the shape that the argument stands for. A
reading is the call with such arguments put in place, so that MLX can be asked.
"""

from __future__ import annotations

import ast
import itertools
import re

LIMIT = 40


def _is_array(node: ast.AST, *names: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def _is_conversion(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "mx.array"


def _choices(node: ast.expr, like: str) -> list[str]:
    """An argument as it stands, and what it may stand for beside an array of dtype `like`."""
    text = ast.unparse(node)
    if isinstance(node, ast.Lambda | ast.Starred) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        return [text]
    if _is_array(node, "arr", "vec", "spd"):
        return [text, f"{text}.item()", f"tuple({text}.tolist())", f"({text}.item(),)"]
    if text == "-(1 << 63)":
        # MLX takes 32 bits there; -8 is as far from any axis, and the same shift along short axes
        return [text, "-8", "(-8,)", f"mx.array({text})", "mx.array(-8)"]
    if text == "None":
        # no array is given, so the next positional argument is `stream`, or the shape is left out
        return [text, "()", "*()"]
    if text == "1 << 70":
        return [text, f"float({text})", f"mx.array(float({text}))"]
    adapted = f"mx.array({text}).astype(mx.{like})"
    if text.startswith(("np.", "b'")):
        return [
            text,
            f"mx.array({text})",
            f"({text}).__index__()",
            f"(({text}).__index__(),)",
            f"tuple(({text}).tolist())",
            f"[mx.array(part) for part in {text}]",
            adapted,
            "*()",
        ]
    if isinstance(node, ast.Constant | ast.UnaryOp | ast.BinOp | ast.Name):
        return [text, f"mx.array({text})", f"({text},)"]
    if isinstance(node, ast.Tuple | ast.List):
        return [text, f"mx.array({text})", f"tuple({text})", f"[mx.array(part) for part in {text}]", adapted, "*()"]
    return [text]


def _places(tree: ast.AST) -> list[tuple[ast.AST, str, int]]:
    """The arguments of the outermost call, or the operands of the outermost operator."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp):
            return [(node, "left", -1), (node, "right", -1)]
        if isinstance(node, ast.Compare):
            return [(node, "left", -1), (node, "comparators", 0)]
        if isinstance(node, ast.Subscript):
            return [(node, "slice", -1)]
        if isinstance(node, ast.Call) and (isinstance(node.func, ast.Attribute) or _is_array(node, "inplace", "assigned")):
            keywords = [(keyword, "value", -1) for keyword in node.keywords]
            return [*((node, "args", number) for number in range(len(node.args))), *keywords]
    return []


def _put(place: tuple[ast.AST, str, int], node: ast.expr) -> None:
    owner, name, number = place
    if number < 0:
        setattr(owner, name, node)
    else:
        getattr(owner, name)[number] = node


def _combinations(choices: list[list[str]]) -> list[tuple[str, ...]]:
    """Choices of every place: all of one kind first, then those with the fewest changes."""
    numbered = [list(enumerate(texts)) for texts in choices]
    every = itertools.islice(itertools.product(*numbered), 4000)
    few = sorted(every, key=lambda parts: sum(number > 0 for number, _ in parts))
    uniform = [
        tuple(texts[0] if texts[0].startswith("arr(") else texts[min(kind, len(texts) - 1)] for texts in choices) for kind in (1, 2, 3)
    ]
    # arrays of one number as numbers, beside what stands for arrays or integers
    singles = [tuple(texts[min(1 if texts[0].startswith("arr(") else kind, len(texts) - 1)] for texts in choices) for kind in (1, 2)]
    found = [*uniform, *singles, *(tuple(text for _, text in parts) for parts in few[1 : LIMIT + 1])]
    return list(dict.fromkeys(found))


def readings(source: str) -> list[str]:
    """The other cases that a case may stand for."""
    tree = ast.parse(source, mode="eval")
    like = re.search(r"arr\('(\w+)'", source)
    places = _places(tree)
    nodes = [getattr(owner, name) if number < 0 else getattr(owner, name)[number] for owner, name, number in places]
    choices = [_choices(node, like[1] if like else "float32") for node in nodes]
    if places and isinstance(places[0][0], ast.BinOp | ast.Compare):
        # the other operand alone is in question there
        choices = [texts[:1] if texts[0].startswith("arr(") else texts for texts in choices]
    found = []
    for texts in _combinations(choices):
        for place, text in zip(places, texts, strict=True):
            # a starred argument is only an expression inside of a call
            call = ast.parse(f"f({text})", mode="eval").body
            assert isinstance(call, ast.Call)
            _put(place, call.args[0])
        found.append(ast.unparse(tree))
    return [text for text in dict.fromkeys(found) if text != source]


def leaves_out(reading: str) -> bool:
    """Whether a reading leaves out an argument, which only explains errors."""
    return "*()" in reading


def mapped(source: str, wrap: str) -> str:
    """The call with every array of the sweep wrapped: `wrap` holds `{}` for it."""
    tree = ast.parse(source, mode="eval")
    text = ast.unparse(tree)
    for old in {ast.unparse(node) for node in ast.walk(tree) if _is_array(node, "arr", "spd") or _is_conversion(node)}:
        text = text.replace(old, wrap.format(old))
    return text
