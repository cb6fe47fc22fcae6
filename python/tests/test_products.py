"""Einstein sums and products of picked, masked and cut matrices, against Apple's MLX."""

import numpy as np
import pytest
from differential import same, same_text

import mlx_oxide.core as mx

rng = np.random.default_rng(7)

EQUATIONS = [
    ("ij,jk->ik", [(2, 3), (3, 4)]),
    ("ij,jk", [(2, 3), (3, 4)]),
    ("ii->i", [(3, 3)]),
    ("ii", [(3, 3)]),
    ("iij->ij", [(3, 3, 2)]),
    ("ij->ji", [(2, 3)]),
    ("ij->", [(2, 3)]),
    ("ba", [(2, 3)]),
    ("->", [()]),
    (",", [(), ()]),
    ("...i,i->...", [(2, 3), (3,)]),
    ("...ij,...jk->...ik", [(2, 1, 3, 4), (5, 4, 2)]),
    ("i...->...", [(2, 3)]),
    ("i...", [(2, 3)]),
    ("ij,ij->ij", [(2, 3), (1, 3)]),
    ("ij,ij->", [(2, 3), (2, 3)]),
    ("ij,kl->ijkl", [(2, 3), (2, 2)]),
    ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 2)]),
    ("ij,jk,kl,lm->im", [(2, 3), (3, 4), (4, 2), (2, 5)]),
    ("bhqd,bhkd->bhqk", [(2, 2, 3, 4), (2, 2, 5, 4)]),
    ("abc,cd,b->ad", [(2, 3, 4), (4, 5), (3,)]),
    ("i,j,k->ijk", [(2,), (3,), (4,)]),
    ("i,i,i->i", [(3,), (3,), (3,)]),
    ("aB,Bc", [(2, 3), (3, 2)]),
    ("ij - > ji", [(2, 3)]),
]

MALFORMED = [
    ("", []),
    ("ij", [(2,)]),
    ("i,i", [(2,), (3,)]),
    ("ij->jj", [(2, 3)]),
    ("i1", [(2, 3)]),
    ("ij,jk->ik", [(2, 3)]),
    ("ij->i->j", [(2, 3)]),
    ("i,j->ijk", [(2,), (3,)]),
    ("ii", [(2, 3)]),
]


@pytest.mark.parametrize(("subscripts", "shapes"), EQUATIONS + MALFORMED)
def test_einsum_agrees(subscripts, shapes):
    inputs = [(rng.standard_normal(shape), "float32") for shape in shapes]
    same(lambda mx, *a: mx.einsum(subscripts, *a), *inputs, rtol=1e-5, atol=1e-6)


def test_einsum_over_no_elements_is_zero():
    # Apple's sum of an array without elements hangs at times, so NumPy stands in
    assert mx.einsum("ij,j->", mx.zeros((0, 3)), mx.ones((3,))).item() == np.einsum(
        "ij,j->", np.zeros((0, 3)), np.ones(3)
    )


@pytest.mark.parametrize(("subscripts", "shapes"), EQUATIONS)
def test_einsum_orders_contractions_alike(subscripts, shapes):
    same(lambda mx: mx.einsum_path(subscripts, *[mx.ones(shape) for shape in shapes]))


@pytest.mark.parametrize("dtype", ["int32", "int8", "float16", "complex64"])
@pytest.mark.parametrize("subscripts", ["ij,ij->ij", "ij->j", "ij,jk->ik", "ij->ji"])
def test_einsum_keeps_the_dtypes_of_products(subscripts, dtype):
    operands = [(np.arange(9).reshape(3, 3), dtype)] * (1 + subscripts.count(","))
    same(lambda mx, *a: mx.einsum(subscripts, *a), *operands, rtol=1e-3)


GATHERED = [
    ("mx.gather_mm(a, b, mx.array([0, 2]), mx.array([1, 0]))", (3, 2, 4), (2, 4, 5)),
    ("mx.gather_mm(a, b, mx.array([0, 2]), mx.array([[1], [0]]))", (3, 2, 4), (2, 4, 5)),
    ("mx.gather_mm(a, b, mx.array([0, 2]), None)", (3, 2, 4), (2, 4, 5)),
    ("mx.gather_mm(a, b, None, mx.array([0, 1, 1]))", (2, 2, 4), (2, 4, 5)),
    ("mx.gather_mm(a, b, None, mx.array([0, 1, 1]))", (2, 3, 2, 4), (2, 4, 5)),
    ("mx.gather_mm(a, b, None, mx.array([0, 1, 1]), sorted_indices=True)", (2, 4), (2, 4, 5)),
    ("mx.gather_mm(a, b)", (2, 4), (4, 5)),
    ("mx.gather_mm(a, b)", (3, 2, 4), (3, 4, 5)),
    ("mx.gather_mm(a, b, None, mx.array([0, 1]))", (4,), (3, 4, 5)),
    ("mx.gather_mm(a, b, None, mx.array([0.0, 1]))", (2, 4), (2, 4, 5)),
    ("mx.gather_mm(a, b, None, mx.array([0, 1]))", (2, 3), (2, 4, 5)),
    ("mx.gather_mm(a.astype(mx.int32), b.astype(mx.int32), None, mx.array([0]))", (2, 4), (2, 4, 5)),
    ("mx.segmented_mm(a, b, mx.array([[0, 2], [2, 6], [3, 3]]))", (2, 6), (6, 3)),
    ("mx.segmented_mm(a, b, mx.array([0, 2], dtype=mx.uint32))", (2, 6), (6, 3)),
    ("mx.segmented_mm(a, b, mx.array([[[0, 2]]], dtype=mx.uint32))", (2, 6), (6, 3)),
    ("mx.segmented_mm(a, b, mx.array([0, 2, 4]))", (2, 6), (6, 3)),
    ("mx.segmented_mm(a, b, mx.array([[0, 2]]))", (4, 2, 6), (6, 3)),
    ("mx.segmented_mm(a, b, mx.array([[0.0, 2]]))", (2, 6), (6, 3)),
    ("mx.block_masked_mm(a, b, 32)", (70, 64), (64, 33)),
    ("mx.block_masked_mm(a, b, 32, mx.array([[1.0, 0], [0, 1], [1, 1]]) > 0)", (70, 64), (64, 33)),
    ("mx.block_masked_mm(a, b, 32, mx.array([[2.0, 0], [0, 1], [1, 1]]))", (70, 64), (64, 33)),
    ("mx.block_masked_mm(a, b, 32, None, mx.array([[2.0, 0], [0, 1], [1, 1]]))", (70, 64), (64, 33)),
    (
        "mx.block_masked_mm(a, b, 32, None, mx.array([[2.0, 0], [0, 1], [1, 1]]),"
        " mx.array([[3.0, 0], [0, 1]]))",
        (70, 64),
        (64, 33),
    ),
    ("mx.block_masked_mm(a, b, 32, mx.zeros((2, 2)))", (70, 64), (64, 33)),
    ("mx.block_masked_mm(a, b, 32)", (70, 60), (64, 33)),
]


@pytest.mark.parametrize(("source", "left", "right"), GATHERED)
def test_gathered_and_masked_products_agree(source, left, right):
    a, b = rng.standard_normal(left), rng.standard_normal(right)
    same_text(source, (a, "float32"), (b, "float32"), rtol=1e-5, atol=1e-4)


def test_masked_out_blocks_do_not_spread_nan():
    import mlx_oxide.core as mx

    a = mx.full((64, 64), float("nan"))
    mask = mx.zeros((2, 2), dtype=mx.bool_)
    assert mx.all(mx.block_masked_mm(a, mx.ones((64, 64)), 32, mask_lhs=mask) == 0).item()


@pytest.mark.parametrize("size", [1, 2, 4, 12, 20, 24, 28, 40, 64, 112, 256, 2048])
def test_hadamard_transform_agrees(size):
    x = rng.integers(-8, 8, (3, size))
    same_text("mx.hadamard_transform(a, 1.0)", (x, "float32"), rtol=1e-6, atol=1e-4)
    same_text("mx.hadamard_transform(a)", (x, "float32"), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [0, 3, 6, 7, 14])
def test_hadamard_transform_rejects_other_sizes(size):
    same_text("mx.hadamard_transform(a)", (np.zeros(size), "float32"))


@pytest.mark.parametrize("mode", ["full", "same", "valid", "other"])
@pytest.mark.parametrize("sizes", [(3, 2), (3, 3), (2, 5), (7, 4), (1, 1), (0, 2)])
def test_convolve_agrees(mode, sizes):
    a, v = rng.standard_normal(sizes[0]), rng.standard_normal(sizes[1])
    same(lambda mx, a, v: mx.convolve(a, v, mode=mode), (a, "float32"), (v, "float32"), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shapes", [((), (2,)), ((2, 3), (2,)), ((2, 1), (3, 2, 2)), ((), ()), ((0, 2), ())])
@pytest.mark.parametrize("dtypes", [("int32", "float32"), ("bool_", "int8")])
def test_kron_agrees(shapes, dtypes):
    inputs = [(rng.integers(0, 5, shape), dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
    same(lambda mx, a, b: mx.kron(a, b), *inputs)


@pytest.mark.parametrize("rows, columns", [(1, 9), (3, 9), (9, 1)])
@pytest.mark.parametrize("sort", [False, True])
@pytest.mark.parametrize("picks", [[4] * 30, list(range(5)) * 4, [0, 4, 4, 4, 2, 0, 4], [3]])
def test_gradients_of_gathered_products_are_sums_over_picks(rows, columns, sort, picks):
    """However unevenly the matrices are picked; those that nobody picks get zeros."""
    draw = np.random.default_rng(7)
    picks = np.array(sorted(picks) if sort else picks)
    left = draw.normal(size=(len(picks), rows, 6)).astype(np.float32)
    right = draw.normal(size=(5, 6, columns)).astype(np.float32)
    weights = draw.normal(size=(len(picks), rows, columns)).astype(np.float32)

    def loss(a, b):
        product = mx.gather_mm(a, b, rhs_indices=mx.array(picks), sorted_indices=sort)
        return (product * mx.array(weights)).sum()

    expected = [np.zeros_like(left), np.zeros_like(right)]
    for number, pick in enumerate(picks):
        expected[0][number] += weights[number] @ right[pick].T
        expected[1][pick] += left[number].T @ weights[number]
    gradients = mx.grad(loss, argnums=(0, 1))
    for found in (gradients, mx.compile(gradients)):
        for gradient, right_one in zip(found(mx.array(left), mx.array(right)), expected, strict=True):
            np.testing.assert_allclose(np.array(gradient), right_one, rtol=1e-4, atol=1e-5)
    mapped = mx.vmap(gradients)(mx.array(left)[None], mx.array(right)[None])
    for gradient, right_one in zip(mapped, expected, strict=True):
        np.testing.assert_allclose(np.array(gradient[0]), right_one, rtol=1e-4, atol=1e-5)


def test_an_infinite_row_touches_the_gradient_of_its_own_matrix_alone():
    left = np.ones((9, 1, 2), np.float32)
    left[4] = np.inf
    picks = mx.array([0, 1, 2, 0, 1, 2, 0, 1, 2])
    gradient = mx.grad(lambda b: mx.gather_mm(mx.array(left), b, rhs_indices=picks).sum())(mx.ones((3, 2, 4)))
    finite = np.isfinite(np.array(gradient)).all(axis=(1, 2))
    assert finite.tolist() == [True, False, True]
